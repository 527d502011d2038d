package telemetry

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"msctl.dev/msctl/internal/telemetry/filter"
)

// matcher asks a filter of all rows of one block at once: each distinct value is looked at once.
type matcher struct {
	b   block
	log bool
	n   int

	within bitset // rows that the leaf that is asked now is about
	few    bool   // they are so few that each is looked up by itself
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

func (m *matcher) durations(n *filter.Node) (bitset, error) {
	durs, err := m.b.durations()
	if err != nil {
		return nil, err
	}
	out := newBitset(m.n)
	over := n.Numeric && n.Op == filter.Greater
	if m.few {
		m.within.each(func(row int) {
			if n.MatchValue(time.Duration(durs[row]), true) {
				out.set(row)
			}
		})
		return out, nil
	}
	for i, d := range durs {
		if over && float64(d) > n.Number || !over && n.MatchValue(time.Duration(d), true) {
			out.set(i)
		}
	}
	return out, nil
}

func (m *matcher) tags(n *filter.Node) (bitset, error) {
	tags, err := m.b.tags()
	if err != nil {
		return nil, err
	}
	var known, holds [256]bool
	out := newBitset(m.n)
	for i, t := range tags {
		if !known[t] {
			v, there := tagValue(n.Key, t)
			known[t], holds[t] = true, n.MatchValue(v, there)
		}
		if holds[t] {
			out.set(i)
		}
	}
	return out, nil
}

func tagValue(key string, t byte) (any, bool) {
	switch key {
	case "kind":
		return tagKind(t).String(), true
	case "status":
		return tagStatus(t).String(), true
	case "printed":
		return t&printedTag != 0, true
	}
	return tagSeverity(t), tagSeverity(t) != 0
}

func (m *matcher) traces(n *filter.Node) (bitset, error) {
	t, err := m.b.traces()
	if err != nil {
		return nil, err
	}
	holds := make([]bool, len(t.ids))
	for i, id := range t.ids {
		holds[i] = n.MatchValue(id.String(), id != TraceID{} || !m.log)
	}
	out := newBitset(m.n)
	for i, of := range t.of {
		if holds[of] {
			out.set(i)
		}
	}
	return out, nil
}

// ids asks the id of a span, or of its parent.
func (m *matcher) ids(n *filter.Node, column func() ([]uint64, error), mayMiss bool) (bitset, error) {
	ids, err := column()
	if err != nil {
		return nil, err
	}
	out := newBitset(m.n)
	for i, id := range ids {
		if n.MatchValue(spanID(id).String(), id != 0 || !mayMiss) {
			out.set(i)
		}
	}
	return out, nil
}

// origin asks what the resources say.
func (m *matcher) origin(n *filter.Node, get func(*origin) (any, bool)) (bitset, error) {
	c, err := m.b.column(reserved[classResource])
	if err != nil || c == nil {
		return m.all(n.MatchValue(nil, false)), err
	}
	out := newBitset(m.n)
	m.each(c, func(id uint32) bool {
		v, there := get(decodeOrigin(c.values.at(id)))
		return n.MatchValue(v, there)
	}, out)
	return out, nil
}

// column asks one column. Rows without a value have "" where always is set, and else none.
func (m *matcher) column(n *filter.Node, key string, always bool) (bitset, error) {
	out := m.all(n.MatchValue("", always))
	c, err := m.b.column(key)
	if err != nil || c == nil {
		return out, err
	}
	read := readerOf(classOf(key))
	if key == reserved[classBody] || key == edgeKey {
		read = func(b []byte) any { return Format(decodeValue(b)) }
	}
	m.each(c, func(id uint32) bool { return n.MatchValue(read(c.values.at(id)), true) }, out)
	return out, nil
}

// attr asks an attribute of the record, and of spans that have none the resource's.
func (m *matcher) attr(n *filter.Node) (bitset, error) {
	var out bitset
	var err error
	if m.log {
		out = m.all(n.MatchValue(nil, false))
	} else if out, err = m.origin(n, func(o *origin) (any, bool) { return valueOf(o.attrs, n.Key) }); err != nil {
		return nil, err
	}
	c, err := m.b.column(n.Key)
	if err != nil || c == nil || strings.HasPrefix(n.Key, "\x00") {
		return out, err
	}
	m.each(c, asker(n, c.values), out)
	return out, nil
}

// each sets or clears every row that has a value, asking once for each value.
func (m *matcher) each(c *keyColumn, holds func(id uint32) bool, out bitset) {
	if m.few {
		m.within.each(func(row int) {
			if id, ok := c.find(uint32(row)); !ok {
				return
			} else if holds(id) {
				out.set(row)
			} else {
				out.clear(row)
			}
		})
		return
	}
	known := make([]byte, c.values.len()) // 1: does not hold, 2: holds
	for i, id := range c.id {
		k := known[id]
		if k == 0 {
			if k = 1; holds(id) {
				k = 2
			}
			known[id] = k
		}
		row := i
		if c.row != nil {
			row = int(c.row[i])
		}
		if k == 2 {
			out.set(row)
		} else {
			out.clear(row)
		}
	}
}

// asker compares the encoded values of an attribute. Where a string is asked to be equal to another, as
// nearly always, it does so without decoding.
func asker(n *filter.Node, v *values) func(id uint32) bool {
	same := putBytes(nil, 1, n.Value)
	return func(id uint32) bool {
		b := v.at(id)
		if n.Op == filter.Equal && len(b) > 1 && b[0] == same[0] && int(b[1]) == len(b)-2 && b[1] < 0x80 && n.Key != "status" && n.Key != "kind" && n.Key != "level" && n.Key != "severity" {
			return string(b) == string(same)
		}
		return n.MatchValue(decodeValue(b), true)
	}
}

func readerOf(c class) func([]byte) any {
	switch c {
	case className, classMessage:
		return func(b []byte) any { return validText(b) }
	case classScope:
		return func(b []byte) any { return scopeName(b) }
	}
	return decodeValue
}

// text looks for a word in all values of a row.
func (m *matcher) text(n *filter.Node) (bitset, error) {
	out := newBitset(m.n)
	holds := func(s string) bool { return n.Match(nil, func() string { return s }) }
	for _, key := range m.b.keys() {
		c, err := m.b.column(key)
		if err != nil {
			return nil, err
		}
		if c == nil || key == reserved[classScope] {
			continue
		}
		inString := holds(string(c.values.data))
		found := newBitset(m.n)
		m.each(c, func(id uint32) bool {
			b := c.values.at(id)
			if !inString && (len(b) == 0 || b[0] == 0x0a || classOf(key) != classPair) {
				return false
			}
			return holds(wordsOf(key, b))
		}, found)
		out.or(found)
	}
	if m.log {
		return out, nil
	}
	return out, m.textOfExtras(holds, out)
}

// wordsOf is the text of one value that a bare word is searched in.
func wordsOf(key string, b []byte) string {
	if key == reserved[classResource] {
		o := decodeOrigin(b)
		return o.service + "\n" + o.instance
	}
	return Format(readerOf(classOf(key))(b))
}

// textOfExtras looks for a word in the names and attributes of events.
func (m *matcher) textOfExtras(holds func(string) bool, out bitset) error {
	x, err := m.b.extras()
	if err != nil {
		return err
	}
	if len(x.data) == 0 {
		return nil
	}
	for i := range m.n {
		p := x.at(uint32(i))
		if len(p) == 0 || out.has(i) {
			continue
		}
		var s Span
		decodeExtras(p, &s)
		for _, e := range s.Events {
			if holds(e.Name + "\n" + string(appendValues(nil, e.Attrs))) {
				out.set(i)
				break
			}
		}
	}
	return nil
}
