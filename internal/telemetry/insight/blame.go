package insight

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"msctl.dev/msctl/internal/telemetry"
)

// blame is what failed first at one subject.
type blame struct {
	failed []*tree
	errors map[string]float64
	faults map[string]bool
	quick  float64 // failed without the call that fails elsewhere
}

func (b *blame) add(t *tree, s *telemetry.Span) {
	b.failed = append(b.failed, t)
	b.errors[complaint(s)] += t.weight
	if f := s.Word(faults); f != "" {
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
			blames[subject] = &blame{errors: map[string]float64{}, faults: map[string]bool{}}
		}
		blames[subject].add(t, &t.spans[i])
	}
	follow(blames)
	all := weigh(failed)
	for subject, b := range blames {
		s := w.suspect(subject)
		for _, t := range b.failed {
			s.example(t.id())
		}
		mine := weigh(b.failed)
		s.failures, s.fault = true, len(b.faults) > 0
		s.score = mine / all
		s.text = fmt.Sprintf("%d of %d failed requests fail first at %s", whole(mine), whole(all), subject)
		for f := range b.faults {
			s.say("a fault was on it: %s", f)
		}
		for _, e := range ranked(b.errors) {
			s.say("error first seen here: %s (%d of %d)", e, whole(b.errors[e]), whole(mine-b.quick))
		}
		if b.quick > 0 {
			s.say("%d more failed in %s without calling at all, as behind an open circuit breaker", whole(b.quick), caller(subject))
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
			if strings.HasPrefix(edge, service+":") && (worst == "" || weigh(b.failed) > weigh(blames[worst].failed)) {
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
			to.failed, to.quick = append(to.failed, t), to.quick+t.weight
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
	case s.Word(faults) != "":
		return s.Edge
	case s.Word("http.response.status_code") != "" || s.Word("rpc.response.status_code") != "" || s.Word("db.response.status_code") != "":
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
		words = cmp.Or(s.Word("error.type"), s.Word("exception.message"), exception(s))
	}
	if code := s.Word("http.response.status_code"); code != "" && !strings.Contains(words, code) {
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
