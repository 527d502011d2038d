package telemetry

import (
	"strings"
	"time"

	"msctl.dev/msctl/internal/telemetry/filter"
)

// matcher asks a filter of all rows of one block at once: each distinct value is looked at once.
type matcher struct {
	b   block
	log bool
	n   int
	v   *view
}

// could returns the rows for which a filter could have the answer want. It is exact but for what concerns
// the whole trace: there both answers are possible.
func (m *matcher) could(n *filter.Node, want bool) (bitset, error) {
	switch {
	case n == nil:
		return m.all(want), nil
	case n.Op == filter.Not:
		return m.could(n.Kids[0], !want)
	case n.Op == filter.And || n.Op == filter.Or:
		return m.join(n, want)
	case wholeTrace(n.Key) && !m.log:
		return m.all(true), nil
	}
	out, err := m.leaf(n)
	if err == nil && !want {
		out.not(m.n)
	}
	return out, err
}

func (m *matcher) all(yes bool) bitset {
	out := newBitset(m.n)
	if yes {
		out.fill(m.n)
	}
	return out
}

// join handles And and Or: all kids must hold for the one answer, one of them for the other.
func (m *matcher) join(n *filter.Node, want bool) (bitset, error) {
	every := (n.Op == filter.And) == want
	out := m.all(every)
	for _, k := range n.Kids {
		b, err := m.could(k, want)
		if err != nil {
			return nil, err
		}
		if !every {
			out.or(b)
			continue
		}
		if out.and(b); out.empty() {
			break
		}
	}
	return out, nil
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
	c.each(m.n, func(id uint32) bool {
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
	c.each(m.n, func(id uint32) bool { return n.MatchValue(read(c.values.at(id)), true) }, out)
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
	c.each(m.n, func(id uint32) bool { return n.MatchValue(decodeValue(c.values.at(id)), true) }, out)
	return out, nil
}

// each sets or clears every row that has a value, asking once for each value.
func (k *keyColumn) each(n int, holds func(id uint32) bool, out bitset) {
	known := make([]byte, k.values.len())
	for i, id := range k.id {
		if known[id] == 0 {
			known[id] = 1
			if holds(id) {
				known[id] = 2
			}
		}
		row := i
		if k.row != nil {
			row = int(k.row[i])
		}
		if known[id] == 2 {
			out.set(row)
		} else {
			out.clear(row)
		}
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
		found := newBitset(m.n)
		c.each(m.n, func(id uint32) bool { return holds(wordsOf(key, c.values.at(id))) }, found)
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
