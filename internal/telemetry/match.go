package telemetry

import (
	"cmp"
	"slices"
	"strings"

	"msctl.dev/msctl/internal/telemetry/filter"
)

// matcher asks a filter of all rows of one block at once: each distinct value is looked at once.
type matcher struct {
	b   block
	log bool
	n   int

	within bitset // rows that the leaf that is asked now is about
	few    bool   // they are so few that each is looked up by itself

	origins map[uint32]*origin // decoded so far, by id
}

// could returns the rows of within for which a filter could have the answer want. It is exact but for what
// concerns the whole trace: there both answers are possible. It does not keep or change within.
func (m *matcher) could(n *filter.Node, want bool, within bitset) (bitset, error) {
	switch {
	case n == nil:
		return m.some(want, within), nil
	case n.Op == filter.Not:
		return m.could(n.Kids[0], !want, within)
	case n.Op == filter.And || n.Op == filter.Or:
		return m.join(n, want, within)
	case wholeTrace(n.Key) && !m.log:
		return m.some(true, within), nil
	}
	m.within, m.few = within, within.count()*16 < m.n
	out, err := m.leaf(n)
	if err != nil {
		return nil, err
	}
	if !want {
		out.not(m.n)
	}
	out.and(within)
	return out, nil
}

// some is within, or nothing.
func (m *matcher) some(yes bool, within bitset) bitset {
	if yes {
		return slices.Clone(within)
	}
	return newBitset(m.n)
}

func (m *matcher) all(yes bool) bitset {
	out := newBitset(m.n)
	if yes {
		out.fill(m.n)
	}
	return out
}

// join handles And and Or: all kids must hold for the one answer, one of them for the other. What is cheap
// and leaves few rows is asked first.
func (m *matcher) join(n *filter.Node, want bool, within bitset) (bitset, error) {
	every := (n.Op == filter.And) == want
	kids := slices.SortedStableFunc(slices.Values(n.Kids), func(a, b *filter.Node) int { return cmp.Compare(m.price(a), m.price(b)) })
	out := m.some(every, within)
	for _, k := range kids {
		if every {
			within = out
		}
		b, err := m.could(k, want, within)
		if err != nil {
			return nil, err
		}
		if !every {
			out.or(b)
		} else if out = b; out.empty() {
			break
		}
	}
	return out, nil
}

// price orders what is asked: bounds of numbers and few values first, then single values, then patterns.
func (m *matcher) price(n *filter.Node) int {
	switch {
	case len(n.Kids) > 0:
		return 5
	case n.Op == filter.Text:
		return 6
	case wholeTrace(n.Key) && !m.log:
		return 7
	case n.Key == "service" || n.Key == "instance" || m.tagged(n.Key) && (n.Key == "status" || n.Key == "kind" || n.Key == "level" || n.Key == "severity"):
		return 1
	case n.Op == filter.Equal:
		return 0
	case n.Key == "duration":
		return 2
	case n.Op == filter.Match || n.Op == filter.NotMatch || n.Op == filter.Contains:
		return 4
	}
	return 3
}

// wholeTrace says that a key is about the trace and not about a span.
func wholeTrace(key string) bool { return strings.HasPrefix(key, "trace.") }

// leaf returns the rows that one comparison holds for.
func (m *matcher) leaf(n *filter.Node) (bitset, error) {
	if n.Op == filter.Text {
		return m.text(n)
	}
	switch n.Key {
	case "duration":
		if !m.log {
			return m.durations(n)
		}
	case "kind", "status", "level", "severity", "printed":
		if m.tagged(n.Key) {
			return m.tags(n)
		}
	case "service":
		return m.origin(n, func(o *origin) (any, bool) { return o.service, o.service != "" })
	case "instance":
		return m.origin(n, func(o *origin) (any, bool) { return o.instance, o.instance != "" })
	case "trace":
		return m.traces(n)
	case "span":
		return m.ids(n, m.b.spans, m.log)
	case "parent":
		if !m.log {
			return m.ids(n, m.b.parents, true)
		}
	}
	if key := m.plain(n.Key); key != "" {
		return m.column(n, key, m.always(key))
	}
	return m.attr(n)
}

// tagged says that the tag of a row answers a key.
func (m *matcher) tagged(key string) bool { return m.log == (key != "kind" && key != "status") }

// plain is the reserved key of a column that a filter calls by a short name; "" where there is none.
func (m *matcher) plain(key string) string {
	switch {
	case m.log && (key == "body" || key == "message"):
		return reserved[classBody]
	case m.log:
		return ""
	case key == "name":
		return reserved[className]
	case key == "message":
		return reserved[classMessage]
	case key == "scope":
		return reserved[classScope]
	case key == "edge":
		return edgeKey
	}
	return ""
}

// always says that a column has a value for every row, "" where none was sent.
func (m *matcher) always(key string) bool {
	return key == reserved[className] || key == reserved[classBody]
}
