package insight

import (
	"cmp"
	"slices"
	"time"

	"msctl.dev/msctl/internal/telemetry"
)

// norm is what is usual: how long each work takes, and how much of its critical path each operation.
type norm struct {
	works map[operation]time.Duration // median
	took  map[part]time.Duration      // median of what an operation adds to the critical path of a work
}

// part is an operation within a work.
type part struct{ work, of operation }

// work is one request, or something that a request set off and did not wait for.
type work struct {
	*tree
	root int
}

func (w work) span() *telemetry.Span { return &w.spans[w.root] }
func (w work) key() operation        { return operationOf(w.span()) }

// efforts sums the critical path up by operation.
func (w work) efforts(path map[int]time.Duration) map[operation]time.Duration {
	sum := map[operation]time.Duration{}
	for i, d := range path {
		sum[operationOf(&w.spans[i])] += d
	}
	return sum
}

// fewest works make a usual time.
const fewest = 3

// usual learns from the works before that did not fail, and, for those that were not seen then, from the
// faster half of those asked about.
func usual(before, asked *Window) norm {
	n := norm{works: map[operation]time.Duration{}, took: map[part]time.Duration{}}
	known := map[operation][]work{}
	if before != nil {
		known = before.byWork()
	}
	for key, works := range asked.byWork() {
		if weight(known[key]) < fewest {
			known[key] = append(known[key], faster(works)...)
		}
	}
	for key, works := range known {
		n.learn(key, works)
	}
	return n
}

// weight is for how many works these stand.
func weight(works []work) (n float64) {
	for _, w := range works {
		n += w.weight
	}
	return n
}

// faster is the first half of works, the fastest of which come first.
func faster(works []work) []work {
	half := weight(works) / 2
	for i, w := range works {
		if half <= 0 {
			return works[:i]
		}
		half -= w.weight
	}
	return works
}

// learn takes the medians of works of one kind.
func (n norm) learn(key operation, works []work) {
	var long durations
	took := map[operation]durations{}
	for _, w := range works {
		long = append(long, weighed{w.span().Duration, w.weight})
		for op, d := range w.efforts(w.critical(w.root)) {
			took[op] = append(took[op], weighed{d, w.weight})
		}
	}
	n.works[key] = long.median()
	for op, d := range took {
		n.took[part{key, op}] = d.median()
	}
}

// byWork groups the works of requests that did not fail, the fastest first.
func (w *Window) byWork() map[operation][]work {
	groups := map[operation][]work{}
	for _, t := range w.traces {
		if t.weight == 0 || !t.request() || t.failed() || t.disturbed() {
			continue
		}
		for _, i := range t.works() {
			one := work{t, i}
			groups[one.key()] = append(groups[one.key()], one)
		}
	}
	for _, g := range groups {
		slices.SortStableFunc(g, func(a, b work) int { return cmp.Compare(a.span().Duration, b.span().Duration) })
	}
	return groups
}

// disturbed reports a trace that a fault acted on.
func (t *tree) disturbed() bool {
	return slices.ContainsFunc(t.spans, func(s telemetry.Span) bool { return s.Word(faults) != "" })
}

// slow returns the works of a trace that took far longer than such works usually do.
func (n norm) slow(t *tree) []work {
	var out []work
	for _, i := range t.works() {
		w := work{t, i}
		took := w.span().Duration
		usual, known := n.works[w.key()]
		if known && took > slowFactor*usual && took-usual > slowLeast || !known && took > slowLeast && len(w.faulty(w.critical(i))) > 0 {
			out = append(out, w)
		}
	}
	return out
}

// durations is how long things took, each with the number of those for which it stands.
type durations []weighed

type weighed struct {
	took   time.Duration
	weight float64
}

// median sorts durations and returns the one in the middle, 0 where there are none.
func (d durations) median() time.Duration {
	slices.SortFunc(d, func(a, b weighed) int { return cmp.Compare(a.took, b.took) })
	half := 0.0
	for _, one := range d {
		half += one.weight / 2
	}
	for _, one := range d {
		if half -= one.weight; half < 0 {
			return one.took
		}
	}
	if len(d) == 0 {
		return 0
	}
	return d[len(d)-1].took
}
