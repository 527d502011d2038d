package insight

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"msctl.dev/msctl/internal/telemetry"
)

// Question is what why looks at.
type Question struct {
	Asked  *Window           // the requests in question
	Before *Window           // what was normal; nil: the faster half of Asked
	Facts  []telemetry.Fact  // what happened to the fleet
	Trace  telemetry.TraceID // one trace of Asked; zero: every failed or slow one
}

// What counts as slow against the usual.
const (
	slowFactor = 2
	slowLeast  = 20 * time.Millisecond
	// moment is how long before its effect a fact may be to count as evidence.
	moment = 30 * time.Second
)

// Why names what most likely made requests fail or take long.
func Why(q Question) telemetry.Reason {
	w := &whyer{Question: q, suspects: map[string]*suspect{}}
	w.usual = usual(q.Before, q.Asked)
	out := telemetry.Reason{Since: q.Asked.Since, Until: q.Asked.Until, Trace: q.Trace}
	var failed []*tree
	var slow []work
	var total, late, broken float64
	for _, t := range q.Asked.traces {
		one := t.spans[0].Trace == q.Trace
		if q.Trace != (telemetry.TraceID{}) && !one {
			continue
		}
		if !one && (t.weight == 0 || !t.request()) {
			continue
		}
		total += t.weight
		works := w.usual.slow(t)
		if len(works) > 0 {
			late += t.weight
		}
		if t.failed() { // which explains why it took long, too: tries, and waiting between them
			broken += t.weight
			failed = append(failed, t)
			continue
		}
		if one && len(works) == 0 {
			works = []work{{t, t.roots[0]}}
		}
		slow = append(slow, works...)
	}
	for _, g := range q.Asked.left {
		if g.Asked {
			total += float64(g.Count)
		}
		if g.Asked && g.Broke {
			broken += float64(g.Count)
		}
	}
	out.Total, out.Slow, out.Failed = whole(total), whole(late), whole(broken)
	w.blameFailures(failed)
	w.blameDelays(slow)
	out.Causes = w.verdict()
	return out
}

// whole rounds a number of traces.
func whole(n float64) int { return int(math.Round(n)) }

// weigh is for how many traces these stand.
func weigh(ts []*tree) (n float64) {
	for _, t := range ts {
		n += t.weight
	}
	return n
}

// request reports that somebody asked something of a service: a trace of nothing but commands to databases
// and brokers is a service's own affair.
func (t *tree) request() bool {
	return slices.ContainsFunc(t.spans, func(s telemetry.Span) bool {
		if s.Edge != "" {
			p := s.Word("network.protocol.name")
			return p == "http" || p == "grpc"
		}
		return s.Kind == telemetry.Server || s.Kind == telemetry.Consumer
	})
}

// failed reports a request that failed, or that did though a part of it failed.
func (t *tree) failed() bool {
	return slices.ContainsFunc(t.spans, func(s telemetry.Span) bool { return broke(&s) })
}

// broke reports a span that failed. Clients mark answers such as 404 as failures too, which they are not.
func broke(s *telemetry.Span) bool { return s.Status == telemetry.Failed && !refused(s) }

// suspect is one edge or service with what speaks against it.
type suspect struct {
	text     string
	evidence []string
	score    float64
	failures bool // requests fail first here
	fault    bool // one acted on it
	traces   []string
}

type whyer struct {
	Question
	usual    norm
	suspects map[string]*suspect
}

func (w *whyer) suspect(subject string) *suspect {
	s := w.suspects[subject]
	if s == nil {
		s = &suspect{}
		w.suspects[subject] = s
	}
	return s
}

func (s *suspect) example(trace string) {
	if len(s.traces) < examples && !slices.Contains(s.traces, trace) {
		s.traces = append(s.traces, trace)
	}
}

func (s *suspect) say(format string, args ...any) {
	if e := fmt.Sprintf(format, args...); !slices.Contains(s.evidence, e) && len(s.evidence) < 8 {
		s.evidence = append(s.evidence, e)
	}
}

// faulty returns the subjects of a path that a fault acted on.
func (k work) faulty(path map[int]time.Duration) map[string]bool {
	out := map[string]bool{}
	for i := range path {
		if k.spans[i].Word(faults) != "" {
			out[operationOf(&k.spans[i]).service] = true
		}
	}
	return out
}

// least is the share of what is to be explained from which on a suspect is named, unless a fault was on it.
const least = 0.05

// verdict orders the suspects, and adds what happened to them: faults first, then what makes requests
// fail, then what makes them slow.
func (w *whyer) verdict() []telemetry.Cause {
	var out []telemetry.Cause
	for subject, s := range w.suspects {
		if s.score < least && !s.fault || s.text == "" {
			continue
		}
		for _, f := range w.Facts {
			if about(f.Subject, subject) && !f.Time.Before(w.Asked.Since.Add(-moment)) && !f.Time.After(w.Asked.Until) {
				s.say("%s %s", f.Time.Format("15:04:05"), f.Text)
			}
		}
		out = append(out, telemetry.Cause{Subject: subject, Text: s.text, Evidence: s.evidence, Score: s.score, Traces: s.traces})
	}
	rank := func(c telemetry.Cause) float64 {
		s := w.suspects[c.Subject]
		r := c.Score
		if s.failures {
			r++
		}
		if s.fault {
			r += 2
		}
		return r
	}
	slices.SortFunc(out, func(a, b telemetry.Cause) int {
		return cmp.Or(-cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Subject, b.Subject))
	})
	return out
}

// about reports a fact of an edge, or of a service or one of its replicas at an end of it.
func about(of, subject string) bool {
	from, to, edge := strings.Cut(subject, ":")
	if of == subject {
		return true
	}
	name := from
	if edge {
		name = to
	}
	number, replica := strings.CutPrefix(of, name+"-")
	return of == name || replica && strings.Trim(number, "0123456789") == ""
}

func ranked(counts map[string]float64) []string {
	var keys []string
	for k := range counts {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int { return cmp.Or(-cmp.Compare(counts[a], counts[b]), cmp.Compare(a, b)) })
	return keys
}
