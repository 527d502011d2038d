package insight

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

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
			excess[subject] += time.Duration(float64(more) * k.weight)
			all += time.Duration(float64(more) * k.weight)
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
			if f := k.spans[i].Word(faults); f != "" && excess[subject] > 0 {
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

// traces counts the traces that works stand for.
func traces(works []work) int {
	seen := map[*tree]bool{}
	n := 0.0
	for _, k := range works {
		if !seen[k.tree] {
			seen[k.tree] = true
			n += k.weight
		}
	}
	return whole(n)
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
