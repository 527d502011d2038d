package insight

import (
	"cmp"
	"slices"
	"time"

	"msctl.dev/msctl/internal/telemetry"
)

// Limits are from where on the traffic is worth a finding. The zero value takes the defaults.
type Limits struct {
	Same    int           // calls alike in one request: n+1; 0 means 5
	Chatty  int           // calls of one request to one callee; 0 means 15
	Depth   int           // services in a row that wait for each other; 0 means 5
	Repeats int           // tries of one call in one request, most of which failed; 0 means 3
	Patient time.Duration // a caller that waited so long has no useful timeout; 0 means 10 s
}

func (l Limits) filled() Limits {
	return Limits{
		Same: cmp.Or(l.Same, 5), Chatty: cmp.Or(l.Chatty, 15), Depth: cmp.Or(l.Depth, 5),
		Repeats: cmp.Or(l.Repeats, 3), Patient: cmp.Or(l.Patient, 10*time.Second),
	}
}

// rule looks for one kind of finding.
type rule struct {
	kind   string
	weight float64 // of one trace that shows it
	// trace looks at one trace; nil where only the whole window tells.
	trace func(x *seen, l Limits, report report)
	// window looks at all; nil where a trace tells.
	window func(all []*seen, topo *Topology, report report)
}

// report notes that a trace shows a finding on a subject. key sets apart findings on one subject.
type report func(subject, key, text, hint string, by shown, size float64)

// shown is a trace that shows a finding, and how many such there are.
type shown struct {
	trace  string
	weight float64
}

// rules is every finding, the gravest first.
var rules = []rule{
	{kind: "retry-storm", weight: 5, trace: retryStorm},
	{kind: "cycle", weight: 5, window: cycles},
	{kind: "lost-context", weight: 4, window: lostContext},
	{kind: "n+1", weight: 3, trace: nPlusOne},
	{kind: "no-timeout", weight: 3, trace: noTimeout},
	{kind: "deep-chain", weight: 2, trace: deepChain},
	{kind: "chatty", weight: 2, trace: chatty},
	{kind: "sequential", weight: 1, trace: sequential},
	{kind: "shared-database", weight: 2, window: sharedDatabase},
	{kind: "undeclared", weight: 2, window: undeclared},
	{kind: "silent", weight: 1, window: silent},
}

// FindingKinds names every kind of finding, for completion and help.
func FindingKinds() []string {
	var kinds []string
	for _, r := range rules {
		kinds = append(kinds, r.kind)
	}
	return kinds
}

// seen is one trace with its calls.
type seen struct {
	*tree
	name  string // the id of the trace
	in    *Window
	made  []call
	owned map[int][]int // indexes into made, by the request that did them
}

func (x *seen) shown() shown { return shown{x.name, x.weight} }

// Findings looks for what a person should know of the traffic of a window, the gravest first.
func (w *Window) Findings(topo *Topology, l Limits) []telemetry.Finding {
	l = l.filled()
	all := make([]*seen, len(w.traces))
	each(len(all), func(i int) { all[i] = w.see(w.traces[i], topo) })
	found := make([][]telemetry.Finding, len(rules))
	each(len(rules), func(i int) { found[i] = rules[i].find(all, topo, l) })
	out := slices.Concat(found...)
	slices.SortStableFunc(out, func(a, b telemetry.Finding) int { return -cmp.Compare(a.Weight, b.Weight) })
	return out
}

// see finds the calls of a trace.
func (w *Window) see(t *tree, topo *Topology) *seen {
	x := &seen{tree: t, name: t.id(), in: w, made: t.single(t.calls(topo)), owned: map[int][]int{}}
	for j, c := range x.made {
		if c.owner >= 0 {
			x.owned[c.owner] = append(x.owned[c.owner], j)
		}
	}
	return x
}

// find applies one rule and puts together what it says of one subject.
func (r rule) find(all []*seen, topo *Topology, l Limits) []telemetry.Finding {
	type pile struct {
		telemetry.Finding
		size   float64 // of the worst, whose words are taken
		ids    map[string]bool
		traces float64 // for which they stand
	}
	piles := map[[2]string]*pile{}
	var order [][2]string
	note := func(subject, key, text, hint string, by shown, size float64) {
		p := piles[[2]string{subject, key}]
		if p == nil {
			p = &pile{ids: map[string]bool{}, size: -1}
			piles[[2]string{subject, key}] = p
			order = append(order, [2]string{subject, key})
		}
		if size > p.size {
			p.size, p.Text, p.Hint = size, text, hint
		}
		if by.trace != "" && !p.ids[by.trace] {
			p.ids[by.trace] = true
			p.traces += by.weight
			if len(p.Traces) < examples {
				p.Traces = append(p.Traces, by.trace)
			}
		}
	}
	if r.window != nil {
		r.window(all, topo, note)
	} else {
		for _, x := range all {
			r.trace(x, l, note)
		}
	}
	var out []telemetry.Finding
	for _, key := range order {
		p := piles[key]
		p.Kind, p.Subject, p.Count = r.kind, key[0], max(whole(p.traces), min(len(p.ids), 1))
		p.Weight = r.weight * float64(1+min(p.Count, 100))
		out = append(out, p.Finding)
	}
	return out
}
