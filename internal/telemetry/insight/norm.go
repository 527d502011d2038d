package insight

import (
	"slices"
	"time"
)

// norm is what is usual: how long each request takes, and how much of the critical path each operation.
type norm struct {
	requests map[operation]time.Duration // median
	took     map[operation]time.Duration // median of what it adds to a critical path
}

// fewest traces make a usual time.
const fewest = 3

// usual learns from the traces before that did not fail, and, for requests that were not seen then, from
// the faster half of those asked about.
func usual(before, asked *Window) norm {
	n := norm{requests: map[operation]time.Duration{}, took: map[operation]time.Duration{}}
	known := map[operation][]*tree{}
	if before != nil {
		known = before.byRequest()
	}
	for key, traces := range asked.byRequest() {
		if len(known[key]) < fewest {
			half := traces[:(len(traces)+1)/2]
			known[key] = append(known[key], half...)
		}
	}
	took := map[operation]durations{}
	for key, traces := range known {
		var d durations
		for _, t := range traces {
			d = append(d, t.spans[t.roots[0]].Duration)
			for op, c := range efforts(t, t.critical()) {
				took[op] = append(took[op], c)
			}
		}
		slices.Sort(d)
		n.requests[key] = d.quantile(0.5)
	}
	for op, d := range took {
		slices.Sort(d)
		n.took[op] = d.quantile(0.5)
	}
	return n
}

// efforts sums a critical path up by operation.
func efforts(t *tree, path map[int]time.Duration) map[operation]time.Duration {
	sum := map[operation]time.Duration{}
	for i, d := range path {
		sum[operationOf(&t.spans[i])] += d
	}
	return sum
}

// byRequest groups the traces that did not fail by their root, the fastest first.
func (w *Window) byRequest() map[operation][]*tree {
	groups := map[operation][]*tree{}
	for _, t := range w.traces {
		if len(t.roots) > 0 && t.request() && !t.failed() {
			key := operationOf(&t.spans[t.roots[0]])
			groups[key] = append(groups[key], t)
		}
	}
	for _, g := range groups {
		slices.SortStableFunc(g, func(a, b *tree) int {
			return int(a.spans[a.roots[0]].Duration - b.spans[b.roots[0]].Duration)
		})
	}
	return groups
}

// slow reports a request that took far longer than such requests usually do.
func (n norm) slow(t *tree) bool {
	if len(t.roots) == 0 {
		return false
	}
	root := &t.spans[t.roots[0]]
	usual, known := n.requests[operationOf(root)]
	return known && root.Duration > slowFactor*usual && root.Duration-usual > slowLeast
}
