package telemetry

import (
	"strings"
	"time"

	"msctl.dev/msctl/internal/telemetry/filter"
)

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

// resource decodes a resource, once for all that is asked of it.
func (m *matcher) resource(c *keyColumn, id uint32) *origin {
	o := m.origins[id]
	if o == nil {
		if m.origins == nil {
			m.origins = map[uint32]*origin{}
		}
		o = c.origins.of(c.values.at(id))
		m.origins[id] = o
	}
	return o
}

// origin asks what the resources say.
func (m *matcher) origin(n *filter.Node, get func(*origin) (any, bool)) (bitset, error) {
	c, err := m.b.column(reserved[classResource])
	if err != nil || c == nil {
		return m.all(n.MatchValue(nil, false)), err
	}
	out, known := newBitset(m.n), map[uint32]bool{}
	m.each(c, func(id uint32) bool {
		holds, asked := known[id]
		if !asked {
			v, there := get(m.resource(c, id))
			holds = n.MatchValue(v, there)
			known[id] = holds
		}
		return holds
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
	if m.log || !m.b.mayOwn(n.Key) {
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
	clean := out.empty()                  // nothing is to be cleared
	if c.exact && m.simply(c, holds, known, clean, out) {
		return
	}
	for i, id := range c.id {
		k := known[id]
		if k == 0 {
			if k = 1; holds(id) {
				k = 2
			}
			known[id] = k
		}
		if clean && k == 1 {
			continue
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

// simply asks every value, and marks the rows where no value holds, all do, or only one. It returns false for
// the rest.
func (m *matcher) simply(c *keyColumn, holds func(id uint32) bool, known []byte, clean bool, out bitset) bool {
	n, one := 0, uint32(0)
	for id := range known {
		if known[id] = 1; holds(uint32(id)) {
			known[id], one = 2, uint32(id)
			n++
		}
	}
	switch {
	case n == 0:
		return clean
	case n == len(known) && c.row == nil:
		out.fill(m.n)
		return true
	case n > 1 || !clean:
		return false
	}
	for i, id := range c.id {
		if id == one && c.row == nil {
			out.set(i)
		} else if id == one {
			out.set(int(c.row[i]))
		}
	}
	return true
}

// asker compares the encoded values of an attribute. Where a string is asked to be equal to another, as
// nearly always, it does so without decoding.
func asker(n *filter.Node, v *values) func(id uint32) bool {
	same := putBytes(nil, 1, n.Value)
	plainly := n.Op == filter.Equal && n.Key != "status" && n.Key != "kind" && n.Key != "level" && n.Key != "severity"
	return func(id uint32) bool {
		b := v.at(id)
		if plainly && len(b) > 1 && b[0] == same[0] && int(b[1]) == len(b)-2 && b[1] < 0x80 {
			return len(b) == len(same) && string(b) == string(same)
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
