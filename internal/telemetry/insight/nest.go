package insight

import (
	"cmp"
	"strings"
	"time"

	"msctl.dev/msctl/internal/telemetry"
)

// slack is how far the clocks of a service and of its edge may disagree: they are one machine's.
const slack = time.Millisecond

// nearby bounds how many spans before and after another are looked at.
const nearby = 256

// inferred is the attribute of what an edge recorded while its caller had exactly one request in flight.
const inferred = "msctl.inferred"

// nest puts the spans of edges and those of services, who know nothing of each other, into one tree: the
// work on a message below the edge that delivered it, what an edge saw its caller do below the caller's
// own span of the same call, or else below the work that the caller did it for.
func (t *tree) nest() {
	t.pair(func(i int) bool { return t.spans[i].Kind == telemetry.Consumer && t.spans[i].Edge == "" }, t.delivered)
	guessed := func(i int) bool { return t.spans[i].Edge != "" && t.spans[i].Word(inferred) != "" }
	found := t.pair(guessed, t.asked)
	t.guessed = map[int]bool{}
	for i := range t.spans {
		if guessed(i) && !found[i] {
			t.guessed[i] = t.parent[i] >= 0
			t.adopt(i)
		}
	}
}

// pair gives each span that is meant the parent that fits best, no parent to two, and reports which found
// one.
func (t *tree) pair(meant func(i int) bool, fits func(parent, i int) bool) map[int]bool {
	taken, found := map[int]bool{}, map[int]bool{}
	for i := range t.spans {
		if !meant(i) {
			continue
		}
		best := -1
		for j := max(i-nearby, 0); j < min(i+nearby, len(t.spans)); j++ {
			if !taken[j] && fits(j, i) && (best < 0 || t.closer(j, best, i)) {
				best = j
			}
		}
		if best >= 0 {
			t.parent[i], taken[best], found[i] = best, true, true
		}
	}
	return found
}

// delivered reports that edge span j delivered the message that own span i of its consumer works on.
func (t *tree) delivered(j, i int) bool {
	e, s := &t.spans[j], &t.spans[i]
	return e.Kind == telemetry.Consumer && strings.HasPrefix(e.Edge, s.Service+":") && e.Parent == s.Parent && around(e, s)
}

// asked reports that client span j, of the caller of edge span i, may be the same call.
func (t *tree) asked(j, i int) bool {
	c, s := &t.spans[j], &t.spans[i]
	return c.Edge == "" && c.Kind == s.Kind && (c.Kind == telemetry.Client || c.Kind == telemetry.Producer) && strings.HasPrefix(s.Edge, c.Service+":") &&
		telemetry.ProtocolOf(c) != "http" && around(c, s)
}

// adopt puts what an edge saw a service do below the service's own span of the request or message: the
// edge knows only the call that led to it.
func (t *tree) adopt(i int) {
	s := &t.spans[i]
	for j := max(i-nearby, 0); j < min(i+nearby, len(t.spans)); j++ {
		own := &t.spans[j]
		if own.Edge == "" && (own.Kind == telemetry.Server || own.Kind == telemetry.Consumer) && t.parent[j] >= 0 && t.parent[j] == t.parent[i] &&
			strings.HasPrefix(s.Edge, own.Service+":") && around(own, s) {
			t.parent[i] = j
			return
		}
	}
}

// around reports that a call that spans one may have led to the other within it.
func around(outer, inner *telemetry.Span) bool {
	return !outer.Start.After(inner.Start.Add(slack)) && !ends(outer).Add(slack).Before(ends(inner))
}

// closer reports that span j is more likely than k to be the same call as span i: by its name, by how far
// span i sticks out of it, and by its length.
func (t *tree) closer(j, k, i int) bool {
	a, b, s := &t.spans[j], &t.spans[k], &t.spans[i]
	return cmp.Or(cmp.Compare(renamed(a, s), renamed(b, s)), cmp.Compare(outside(a, s), outside(b, s)), cmp.Compare(a.Duration, b.Duration)) < 0
}

// renamed is 0 where two spans begin with the same word, else 1.
func renamed(a, b *telemetry.Span) int {
	one, _, _ := strings.Cut(a.Name, " ")
	two, _, _ := strings.Cut(b.Name, " ")
	if strings.EqualFold(one, two) {
		return 0
	}
	return 1
}

// outside is how long the inner span ran before and after the outer one.
func outside(outer, inner *telemetry.Span) time.Duration {
	return max(outer.Start.Sub(inner.Start), 0) + max(ends(inner).Sub(ends(outer)), 0)
}
