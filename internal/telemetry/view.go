package telemetry

import (
	"slices"
	"time"
)

// cell is one value of one row.
type cell struct {
	key   int    // index in keys of the block
	id    uint32 // equal for equal values of this key
	value []byte
}

// celler gives the values of rows. Only one goroutine uses it.
type celler interface {
	cells(row uint32, out []cell) []cell // appends the values of a row
	distinct(key int) int                // the ids of a key are below it
}

// view reads whole rows of a block.
type view struct {
	b       block
	log     bool
	want    []bool
	class   []class // per key
	keys    []string
	trace   *traceColumn
	span    []uint64
	parent  []uint64
	start   []int64
	dur     []int64
	tag     []byte
	extra   *parts // nil: not wanted
	buf     []cell
	cells   celler
	memo    [][]any            // per key, by id: of keys with few values
	shared  *origins           // nil: none
	origins map[uint32]*origin // by id
}

// newView opens a block for reading rows. Only nil reads all; otherwise attributes under these keys alone,
// and neither events nor links.
func newView(b block, log bool, only []string) (*view, error) {
	v := &view{b: b, log: log, keys: b.keys(), origins: map[uint32]*origin{}}
	v.memo = make([][]any, len(v.keys))
	v.class = make([]class, len(v.keys))
	for i, k := range v.keys {
		v.class[i] = classOf(k)
	}
	if only != nil {
		v.want = make([]bool, len(v.keys))
		for i, k := range v.keys {
			v.want[i] = slices.Contains(only, k)
		}
	}
	if c, ok := b.(*chunk); ok {
		v.shared = &c.s.cache.origins
		c.ready(v.want, only == nil)
	}
	var err error
	get := func(fn func() error) {
		if err == nil {
			err = fn()
		}
	}
	get(func() (e error) { v.trace, e = b.traces(); return })
	get(func() (e error) { v.span, e = b.spans(); return })
	get(func() (e error) { v.parent, e = b.parents(); return })
	get(func() (e error) { v.start, e = b.starts(); return })
	get(func() (e error) { v.dur, e = b.durations(); return })
	get(func() (e error) { v.tag, e = b.tags(); return })
	if only == nil {
		get(func() (e error) { v.extra, e = b.extras(); return })
		get(func() (e error) { v.cells, e = b.opened(nil); return })
		return v, err
	}
	get(func() (e error) { v.cells, e = b.opened(v.want); return })
	return v, err
}

// briefly are the keys of what a list of traces shows.
var briefly = []string{reserved[className], reserved[classResource]}

// maxMemo is how many values of a key are kept decoded.
const maxMemo = 1024

// value decodes a cell, where there are few distinct ones each of them once.
func (v *view) value(c cell) any {
	m := v.memo[c.key]
	if m == nil {
		n := v.cells.distinct(c.key)
		if n > maxMemo {
			return v.decode(c)
		}
		m = make([]any, n)
		v.memo[c.key] = m
	}
	if m[c.id] == nil {
		m[c.id] = v.decode(c)
	}
	return m[c.id]
}

func (v *view) decode(c cell) any {
	switch v.class[c.key] {
	case className, classMessage:
		return validText(c.value)
	case classScope:
		return scopeName(c.value)
	case classResource:
		o := v.origins[c.id]
		if o == nil {
			o = v.shared.of(c.value)
			v.origins[c.id] = o
		}
		return o
	}
	return decodeValue(c.value)
}

func scopeName(b []byte) string {
	name := ""
	_ = each(b, 1, func(p []byte) error { name = validText(p); return nil })
	return name
}

// unique keeps the first of attributes with one key.
func unique(attrs []Attr) []Attr {
	out := attrs[:0]
	for _, a := range attrs {
		if _, twice := valueOf(out, a.Key); !twice {
			out = append(out, a)
		}
	}
	return out
}

// others is how many values of a row are no attributes, at least: the resource, and mostly the name.
func (v *view) others() int {
	if v.want == nil {
		return 0
	}
	return 2
}

// readSpan fills in one row.
func (v *view) readSpan(row uint32) (s Span) {
	s = Span{Trace: v.trace.ids[v.trace.of[row]], ID: spanID(v.span[row]), Parent: spanID(v.parent[row]),
		Kind: tagKind(v.tag[row]), Status: tagStatus(v.tag[row]), Start: moment(v.start[row])}
	s.Duration = time.Duration(v.dur[row])
	v.buf = v.cells.cells(row, v.buf[:0])
	if len(v.buf) > v.others() {
		s.Attrs = make([]Attr, 0, len(v.buf)-v.others())
	}
	for _, c := range v.buf {
		switch x := v.value(c); v.class[c.key] {
		case className:
			s.Name = x.(string)
		case classMessage:
			s.Message = x.(string)
		case classScope:
			s.Scope = x.(string)
		case classResource:
			o := x.(*origin)
			s.Service, s.Instance, s.Resource = o.service, o.instance, o.attrs
		default:
			if k := v.keys[c.key]; k == edgeKey {
				s.Edge = Format(x)
			} else {
				s.Attrs = append(s.Attrs, Attr{k, x})
			}
		}
	}
	if v.extra != nil {
		decodeExtras(v.extra.at(row), &s)
	}
	return s
}

// readLog fills in one row.
func (v *view) readLog(row uint32) (l Log) {
	l = Log{Time: moment(v.start[row]), Severity: tagSeverity(v.tag[row]), Printed: v.tag[row]&printedTag != 0,
		Trace: v.trace.ids[v.trace.of[row]], Span: spanID(v.span[row])}
	v.buf = v.cells.cells(row, v.buf[:0])
	for _, c := range v.buf {
		switch x := v.value(c); v.class[c.key] {
		case classBody:
			l.Body = Format(x)
		case classResource:
			l.Service, l.Instance = x.(*origin).service, x.(*origin).instance
		case classPair:
			l.Attrs = append(l.Attrs, Attr{v.keys[c.key], x})
		}
	}
	return l
}

// decodeExtras reads the events and links of a span.
func decodeExtras(b []byte, s *Span) {
	_ = eachField(b, func(f *field) error {
		if f.num == 11 {
			s.Events = append(s.Events, decodeEvent(f.p))
		} else {
			s.Links = append(s.Links, decodeLink(f.p))
		}
		return nil
	})
}

func decodeEvent(b []byte) SpanEvent {
	e := SpanEvent{Time: moment(0)}
	if attrs := decodePairs(b, 3); len(attrs) > 0 {
		e.Attrs = attrs
	}
	_ = eachField(b, func(f *field) error {
		if f.num == 1 && f.wire == wire64 {
			e.Time = moment(signed(f.v))
		} else if f.isBytes(2) {
			e.Name = validText(f.p)
		}
		return nil
	})
	return e
}

func decodeLink(b []byte) (l Link) {
	if attrs := decodePairs(b, 4); len(attrs) > 0 {
		l.Attrs = attrs
	}
	_ = eachField(b, func(f *field) error {
		if f.isBytes(1) && len(f.p) == 16 {
			copy(l.Trace[:], f.p)
		} else if f.isBytes(2) && len(f.p) == 8 {
			copy(l.Span[:], f.p)
		}
		return nil
	})
	return l
}
