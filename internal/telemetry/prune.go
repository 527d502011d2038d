package telemetry

import (
	"slices"

	"msctl.dev/msctl/internal/telemetry/filter"
)

// may reports whether any row could give a filter the answer want, from what is known of the block
// without reading its columns: its bounds, its keys and their bloom filters.
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
	case filter.Text:
		return true
	}
	return !want || m.mayHold(n)
}

// mayHold answers for one comparison.
func (m *matcher) mayHold(n *filter.Node) bool {
	z := m.b.bounds()
	switch n.Key {
	case "duration":
		if !m.log {
			return !n.Numeric || n.Op != filter.Greater && n.Op != filter.GreaterEqual || float64(z.maxDur) >= n.Number
		}
	case "status":
		if !m.log {
			return n.Op != filter.Equal || n.Value != "error" || z.failed > 0
		}
	case "trace":
		var id TraceID
		return n.Op != filter.Equal || id.UnmarshalText([]byte(n.Value)) != nil || m.b.mayHave(id)
	case "kind", "level", "severity", "printed", "instance", "span", "parent", "service":
		return true
	}
	if wholeTrace(n.Key) && !m.log || n.MatchValue(nil, false) {
		return true
	}
	key := m.plain(n.Key)
	if key == "" {
		return m.mayHaveAttr(n, n.Key) || !m.log && m.inResource(n)
	}
	return m.always(key) && n.MatchValue("", true) || m.mayHaveAttr(n, key)
}

// mayHaveAttr answers for one column.
func (m *matcher) mayHaveAttr(n *filter.Node, key string) bool {
	if n.Op != filter.Equal {
		return slices.Contains(m.b.keys(), key)
	}
	hashes := []uint64{hashText(n.Value)}
	if n.Numeric {
		hashes = append(hashes, hashNumber(n.Number))
	}
	return m.b.mayEqual(key, hashes)
}

// inResource says that a resource of the block has an attribute for which n holds.
func (m *matcher) inResource(n *filter.Node) bool {
	if !m.b.mayOwn(n.Key) {
		return false
	}
	c, err := m.b.column(reserved[classResource])
	if err != nil || c == nil {
		return err != nil
	}
	has := func(id uint32) bool {
		v, ok := valueOf(m.resource(c, id).attrs, n.Key)
		return ok && n.MatchValue(v, true)
	}
	if c.exact {
		for id := range c.values.len() {
			if has(uint32(id)) {
				return true
			}
		}
		return false
	}
	seen := newBitset(c.values.len())
	for _, id := range c.id {
		if seen.has(int(id)) {
			continue
		}
		if seen.set(int(id)); has(id) {
			return true
		}
	}
	return false
}
