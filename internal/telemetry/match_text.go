package telemetry

import "msctl.dev/msctl/internal/telemetry/filter"

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
