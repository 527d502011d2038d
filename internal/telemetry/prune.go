package telemetry

import "msctl.dev/msctl/internal/telemetry/filter"

// may reports whether any row could give a filter the answer want, from what is known of the block
// without reading it: its bounds, its keys and their bloom filters.
func (m *matcher) may(n *filter.Node, want bool) bool {
	if n == nil {
		return want
	}
	switch n.Op {
	case filter.Not:
		return m.may(n.Kids[0], !want)
	case filter.And, filter.Or:
		every := (n.Op == filter.And) == want
		for _, k := range n.Kids {
			if m.may(k, want) != every {
				return !every
			}
		}
		return every
	}
	return !want || m.mayHold(n)
}

// mayHold answers for one comparison.
func (m *matcher) mayHold(n *filter.Node) bool {
	z := m.b.bounds()
	switch {
	case m.log:
	case n.Key == "duration" && n.Numeric && (n.Op == filter.Greater || n.Op == filter.GreaterEqual):
		return float64(z.maxDur) >= n.Number
	case n.Key == "status" && n.Op == filter.Equal && n.Value == "error":
		return z.failed > 0
	}
	return true
}
