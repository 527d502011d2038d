package insight

import (
	"cmp"
	"fmt"
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
	for _, t := range q.Asked.traces {
		one := t.spans[0].Trace == q.Trace
		if q.Trace != (telemetry.TraceID{}) && !one {
			continue
		}
		if !one && !t.request() {
			continue
		}
		out.Total++
		works := w.usual.slow(t)
		if len(works) > 0 {
			out.Slow++
		}
		if t.failed() { // which explains why it took long, too: tries, and waiting between them
			out.Failed++
			failed = append(failed, t)
			continue
		}
		if one && len(works) == 0 {
			works = []work{{t, t.roots[0]}}
		}
		slow = append(slow, works...)
	}
	w.blameFailures(failed)
	w.blameDelays(slow)
	out.Causes = w.verdict()
	return out
}

// request reports that somebody asked something of a service: a trace of nothing but commands to databases
// and brokers is a service's own affair.
func (t *tree) request() bool {
	return slices.ContainsFunc(t.spans, func(s telemetry.Span) bool {
		if s.Edge != "" {
			p := text(&s, "network.protocol.name")
			return p == "http" || p == "grpc"
		}
		return s.Kind == telemetry.Server || s.Kind == telemetry.Consumer
	})
}

// failed reports a request that failed, or that did though a part of it failed.
func (t *tree) failed() bool {
	return slices.ContainsFunc(t.spans, func(s telemetry.Span) bool { return broke(&s) })
}

// broke reports a span that failed. Clients mark answers such as 404 as failures too, which they are not:
// the callee did what it should.
func broke(s *telemetry.Span) bool {
	code := text(s, "http.response.status_code")
	return s.Status == telemetry.Failed && !(len(code) == 3 && code[0] == '4')
}

// suspect is one edge or service with what speaks against it.
type suspect struct {
	text     string
	evidence []string
	score    float64
	failures int  // requests that fail first here
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

// blame is what failed first at one subject.
type blame struct {
	failed []*tree
	errors map[string]int
	faults map[string]bool
	quick  int // failed without the call that fails elsewhere
}

func (b *blame) add(t *tree, s *telemetry.Span) {
	b.failed = append(b.failed, t)
	b.errors[complaint(s)]++
	if f := text(s, faults); f != "" {
		b.faults[f] = true
	}
}

// blameFailures finds in each failed trace where the error was first seen.
func (w *whyer) blameFailures(failed []*tree) {
	blames := map[string]*blame{}
	for _, t := range failed {
		i := t.firstError()
		subject := t.culprit(i)
		if blames[subject] == nil {
			blames[subject] = &blame{errors: map[string]int{}, faults: map[string]bool{}}
		}
		blames[subject].add(t, &t.spans[i])
	}
	follow(blames)
	for subject, b := range blames {
		s := w.suspect(subject)
		for _, t := range b.failed {
			s.example(t.id())
		}
		s.failures, s.fault = len(b.failed), len(b.faults) > 0
		s.score = float64(len(b.failed)) / float64(len(failed))
		s.text = fmt.Sprintf("%d of %d failed requests fail first at %s", len(b.failed), len(failed), subject)
		for f := range b.faults {
			s.say("a fault was on it: %s", f)
		}
		for _, e := range ranked(b.errors) {
			s.say("error first seen here: %s (%d of %d)", e, b.errors[e], len(b.failed)-b.quick)
		}
		if b.quick > 0 {
			s.say("%d more failed in %s without calling at all, as behind an open circuit breaker", b.quick, caller(subject))
		}
	}
}

// caller is the service at the beginning of an edge.
func caller(edge string) string {
	from, _, _ := strings.Cut(edge, ":")
	return from
}

// follow leads failures of a service that did not even call, as behind an open circuit breaker, back to
// its edge that fails most.
func follow(blames map[string]*blame) {
	for service, own := range blames {
		if strings.Contains(service, ":") {
			continue
		}
		worst := ""
		for edge, b := range blames {
			if strings.HasPrefix(edge, service+":") && (worst == "" || len(b.failed) > len(blames[worst].failed)) {
				worst = edge
			}
		}
		if worst == "" {
			continue
		}
		to := blames[worst]
		stay := own.failed[:0:0]
		for _, t := range own.failed {
			if t.uses(worst) {
				stay = append(stay, t)
				continue
			}
			to.failed, to.quick = append(to.failed, t), to.quick+1
		}
		if own.failed = stay; len(stay) == 0 {
			delete(blames, service)
		}
	}
}

// uses reports a trace in which something went over an edge.
func (t *tree) uses(edge string) bool {
	return slices.ContainsFunc(t.spans, func(s telemetry.Span) bool { return s.Edge == edge })
}

// firstError returns the failed span that ended first among those below which nothing failed.
func (t *tree) firstError() int {
	best := -1
	for i := range t.spans {
		if !broke(&t.spans[i]) || slices.ContainsFunc(t.kids[i], func(k int) bool { return broke(&t.spans[k]) }) {
			continue
		}
		if best < 0 || ends(&t.spans[i]).Before(ends(&t.spans[best])) {
			best = i
		}
	}
	return best
}

// culprit names who is to blame for a failed span: the edge, when the callee did not answer or a fault
// was on it; the callee, when it answered with an error; the service itself for a span of its own.
func (t *tree) culprit(i int) string {
	s := &t.spans[i]
	_, to, edge := strings.Cut(s.Edge, ":")
	switch {
	case !edge:
		return s.Service
	case text(s, faults) != "":
		return s.Edge
	case text(s, "http.response.status_code") != "" || text(s, "rpc.response.status_code") != "" || text(s, "db.response.status_code") != "":
		return to
	}
	return s.Edge
}

// faults is the attribute with the faults that acted on a call.
const faults = "msctl.faults"

// complaint says how a span failed.
func complaint(s *telemetry.Span) string {
	words := s.Message
	if words == "" {
		words = cmp.Or(text(s, "error.type"), text(s, "exception.message"), exception(s))
	}
	if code := text(s, "http.response.status_code"); code != "" && !strings.Contains(words, code) {
		words = strings.TrimSpace("HTTP " + code + " " + words)
	}
	return short(s.Name) + ": " + short(cmp.Or(words, "failed"))
}

// delay is how much longer than usual something took in one trace.
type delay struct {
	trace string
	more  time.Duration
}

// exception is the message of the exception that a span noted, or "".
func exception(s *telemetry.Span) string {
	for _, e := range s.Events {
		for _, a := range e.Attrs {
			if words, ok := a.Value.(string); ok && a.Key == "exception.message" {
				return words
			}
		}
	}
	return ""
}

// blameDelays finds on the critical paths of slow works what took longer than usual.
func (w *whyer) blameDelays(slow []work) {
	excess := map[string]time.Duration{}
	shown := map[string][]delay{}
	worst := map[string]string{}
	most := map[string]time.Duration{}
	var all time.Duration
	for _, k := range slow {
		path := k.critical(k.root)
		for op, d := range k.efforts(path) {
			usual, known := w.usual.took[part{k.key(), op}]
			more := d - usual
			if more < slowLeast/4 {
				continue
			}
			subject := op.service
			excess[subject] += more
			all += more
			shown[subject] = append(shown[subject], delay{k.id(), more})
			if more > most[subject] {
				most[subject] = more
				worst[subject] = fmt.Sprintf("%s took %s of its own", short(op.name), round(d))
				if known {
					worst[subject] += fmt.Sprintf(", usually %s", round(usual))
				}
				if !known {
					worst[subject] = fmt.Sprintf("%s took %s of its own, and was not seen before", short(op.name), round(d))
				}
			}
		}
		for i := range path {
			subject := operationOf(&k.spans[i]).service
			if f := text(&k.spans[i], faults); f != "" && excess[subject] > 0 {
				w.suspect(subject).fault = true
				w.suspect(subject).say("a fault was on it: %s", f)
			}
		}
	}
	for subject, d := range excess {
		s := w.suspect(subject)
		slices.SortStableFunc(shown[subject], func(a, b delay) int { return cmp.Compare(b.more, a.more) })
		for _, one := range shown[subject] {
			s.example(one.trace)
		}
		part := float64(d) / float64(max(all, 1))
		if s.text == "" {
			s.text = fmt.Sprintf("%.0f %% of the extra time of %d slow requests is spent %s", 100*part, traces(slow), w.place(subject, slow))
		}
		s.score = max(s.score, part)
		s.say("%s", worst[subject])
	}
}

// traces counts the traces of works.
func traces(works []work) int {
	seen := map[*tree]bool{}
	for _, k := range works {
		seen[k.tree] = true
	}
	return len(seen)
}

// place says in words where the time of a subject is spent.
func (w *whyer) place(subject string, slow []work) string {
	_, to, edge := strings.Cut(subject, ":")
	if !edge {
		return "in " + subject
	}
	for _, t := range slow {
		for i := range t.spans {
			if t.spans[i].Service == to && t.spans[i].Edge == "" {
				return "on the edge " + subject + ", outside of " + to
			}
		}
	}
	return "on the edge " + subject + " or in " + to
}

func round(d time.Duration) time.Duration {
	if d > 100*time.Millisecond {
		return d.Round(time.Millisecond)
	}
	return d.Round(10 * time.Microsecond)
}

// faulty returns the subjects of a path that a fault acted on.
func (k work) faulty(path map[int]time.Duration) map[string]bool {
	out := map[string]bool{}
	for i := range path {
		if text(&k.spans[i], faults) != "" {
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
		if s.failures > 0 {
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

func ranked(counts map[string]int) []string {
	var keys []string
	for k := range counts {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int { return cmp.Or(-cmp.Compare(counts[a], counts[b]), cmp.Compare(a, b)) })
	return keys
}
