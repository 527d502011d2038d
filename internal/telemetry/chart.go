package telemetry

import (
	"bytes"
	"cmp"
	"slices"
)

// chart is what the rows of one batch or segment add to the map of calls.
type chart struct {
	seq     uint64
	sealed  bool
	traces  []uint64        // hash of each trace, by its number
	role    []uint16        // per row, by the atlas's numbers
	call    []uint16        // per row: what it adds; 0: nothing
	name    []uint16        // per row: hash of its name
	badge   []badge         // per row
	gists   []gist          // per trace
	speaks  map[string]bool // services that sent spans of their own
	dead    bitset          // rows that were replaced, as far as the chart knows
	sums    []sum           // of all rows
	changed bool            // sums are out of date
	wanted  bool            // by the window that is asked for
	sheets  []sheet         // in the order of their rows
	zone    zone
	here    bool // the sheets have their blocks
}

// sum is all rows of one call.
type sum struct {
	call   uint16
	errors int64
	took   Spread
	failed []Example
	fine   []Example
}

// bytes is about how much memory a chart takes, with the places of its traces.
func (c *chart) bytes() int64 {
	n := int64(cap(c.role)+cap(c.call)+cap(c.name))*2 + int64(cap(c.badge)) + int64(cap(c.traces))*72 + int64(cap(c.gists))*32
	for i := range c.sums {
		n += 256 + 16*int64(cap(c.sums[i].took.steps))
	}
	return n
}

// grow reads the rows that its blocks have beyond those of a chart. A block that cannot be read adds nothing.
func (c *chart) grow(a *atlas, n int) {
	from := len(c.role)
	if c.sealed && from == n {
		return
	}
	c.role, c.call = slices.Grow(c.role, n-from)[:n], slices.Grow(c.call, n-from)[:n]
	c.name, c.badge = slices.Grow(c.name, n-from)[:n], slices.Grow(c.badge, n-from)[:n]
	row := uint32(0)
	for i := range c.sheets {
		s := &c.sheets[i]
		if s.row = row; i > 0 {
			s.trace = uint32(len(c.traces))
		}
		c.read(a, s, uint32(from))
		row += uint32(s.b.rows())
	}
	c.changed = c.changed || from < n
}

// read reads the rows of one sheet, from one of the chart on.
func (c *chart) read(a *atlas, s *sheet, from uint32) {
	v, err := newView(s.b, false, slices.Concat(callKeys[:], badgeKeys[:], briefly, []string{edgeKey}))
	if err != nil {
		return
	}
	for t := len(c.traces) - int(s.trace); t < len(v.trace.ids); t++ {
		hash := hashTrace(v.trace.ids[t])
		a.place(c, hash, uint32(len(c.traces)))
		c.traces = append(c.traces, hash)
	}
	c.gists = append(c.gists, make([]gist, len(c.traces)-len(c.gists))...)
	r := newRoleReader(a, v, c)
	for at := max(from, s.row) - s.row; int(at) < s.b.rows(); at++ {
		r.read(at, s.row+at)
		a.torn[c.traces[s.trace+v.trace.of[at]]] = true
	}
	c.bury(a, s, v)
}

// bury takes out the rows that were replaced since the chart was drawn.
func (c *chart) bury(a *atlas, s *sheet, v *view) {
	live := s.b.alive()
	if live == nil {
		return
	}
	c.dead = append(c.dead, make(bitset, len(live)-len(c.dead))...)
	for row := range s.b.rows() {
		if !live.has(row) && !c.dead.has(row) {
			c.dead.set(row)
			c.call[row], c.changed = 0, true
			a.torn[c.traces[v.trace.of[row]]] = true
		}
	}
}

// alive reports a row that counts: one that the chart has and that was not replaced.
func (c *chart) alive(row uint32) bool {
	return int(row) < len(c.role) && (c.dead == nil || !c.dead.has(int(row)))
}

// roleReader reads what a chart knows of each row, each combination of values once.
type roleReader struct {
	*view
	a     *atlas
	c     *chart
	slot  []uint8 // by key of the block: its place among the keys of roleCells
	known map[roleCells]told
}

// told is what a combination of values tells of a row.
type told struct {
	role  uint16
	badge badge
}

// roleCells are the values that make a role and a badge: the kind and status, and for each key the number of
// its value, and one.
type roleCells struct {
	tag byte
	id  [2 + len(callKeys) + len(badgeKeys)]uint32
}

// The first places of roleCells, where those of the badges begin, and a place that is none.
const (
	slotService = iota
	slotEdge
	slotKeys
	slotBadges = slotKeys + len(callKeys)
	slotName   = 255
)

func newRoleReader(a *atlas, v *view, c *chart) *roleReader {
	r := &roleReader{view: v, a: a, c: c, slot: make([]uint8, len(v.keys)), known: map[roleCells]told{}}
	for k, name := range v.keys {
		switch i, j := slices.Index(callKeys[:], name), slices.Index(badgeKeys[:], name); {
		case i >= 0:
			r.slot[k] = uint8(slotKeys + i)
		case j >= 0:
			r.slot[k] = uint8(slotBadges + j)
		case name == edgeKey:
			r.slot[k] = slotEdge
		case name == reserved[className]:
			r.slot[k] = slotName
		}
	}
	return r
}

// read reads a row of the view, which is one of the chart.
func (r *roleReader) read(from, row uint32) {
	at := roleCells{tag: r.tag[from]}
	r.c.name[row] = 0
	r.buf = r.cells.cells(from, r.buf[:0])
	for _, c := range r.buf {
		if slot := r.slot[c.key]; slot != slotName {
			at.id[slot] = c.id + 1
		} else {
			r.c.name[row] = nameHash(c.value)
		}
	}
	switch kind := tagKind(at.tag); { // who is no client tells only its name, an edge also its protocol
	case kind == Client || kind == Producer:
	case at.id[slotEdge] != 0:
		clear(at.id[slotKeys+1 : slotBadges])
	default:
		clear(at.id[slotKeys:slotBadges])
	}
	t, ok := r.known[at]
	if !ok {
		s := r.readSpan(from)
		t = told{r.a.roles.put(roleOf(&s)), badgeOf(&s)}
		r.known[at] = t
		r.c.hear(&s)
	}
	r.c.role[row], r.c.badge[row] = t.role, t.badge
}

// hear notes that a service sent a span of its own.
func (c *chart) hear(s *Span) {
	if s.Edge != "" {
		return
	}
	if c.speaks == nil {
		c.speaks = map[string]bool{}
	}
	c.speaks[s.Service] = true
}

// add adds up the rows that began in a window.
func (c *chart) add(a *atlas, w span) []sum {
	a.openAll(c)
	rows, ends := c.byCall(a, w)
	var out []sum
	from := uint32(0)
	for call, end := range ends {
		if from < end {
			out = append(out, c.sum(a, uint16(call), rows[from:end]))
		}
		from = end
	}
	return out
}

// byCall sorts the rows that began in a window by their calls, and tells where the rows of each call end.
func (c *chart) byCall(a *atlas, w span) (rows, ends []uint32) {
	ends = make([]uint32, len(a.calls.all)+1)
	c.within(w, func(_ uint32, call uint16) { ends[call+1]++ })
	for i := 1; i < len(ends); i++ {
		ends[i] += ends[i-1]
	}
	rows = make([]uint32, ends[len(ends)-1])
	c.within(w, func(row uint32, call uint16) {
		rows[ends[call]] = row
		ends[call]++
	})
	return rows, ends[:len(ends)-1]
}

// within calls fn with the rows that began in a window and add to a call.
func (c *chart) within(w span, fn func(row uint32, call uint16)) {
	for i := range c.sheets {
		s := &c.sheets[i]
		if s.v == nil {
			continue
		}
		for at, start := range s.v.start {
			row := s.row + uint32(at)
			if call := c.call[row]; call != 0 && start >= w.since && start <= w.until {
				fn(row, call)
			}
		}
	}
}

// sum adds up rows, which ascend.
func (c *chart) sum(a *atlas, call uint16, rows []uint32) sum {
	s := sum{call: call}
	sheets := c.sheets
	for _, row := range rows {
		for len(sheets) > 1 && row >= sheets[1].row {
			sheets = sheets[1:]
		}
		v, at := sheets[0].v, row-sheets[0].row
		a.scale.add(v.dur[at])
		list := &s.fine
		if tagStatus(v.tag[at]) == Failed {
			s.errors++
			list = &s.failed
		}
		if start := v.start[at]; len(*list) < maxExamples || start <= (*list)[maxExamples-1].At {
			*list = addExample(*list, Example{start, v.trace.ids[v.trace.of[at]]})
		}
	}
	s.took = a.scale.take()
	return s
}

// Example is a trace, and when the first of its calls of a sort began, ns since 1970.
type Example struct {
	At    int64
	Trace TraceID
}

// maxExamples is how many traces of each sort are named with a call.
const maxExamples = 3

// addExample keeps the first few traces.
func addExample(list []Example, e Example) []Example {
	before := func(a, b Example) int {
		return cmp.Or(cmp.Compare(a.At, b.At), bytes.Compare(a.Trace[:], b.Trace[:]))
	}
	if n := len(list); n == maxExamples && before(e, list[n-1]) >= 0 {
		return list
	}
	if i := slices.IndexFunc(list, func(o Example) bool { return o.Trace == e.Trace }); i >= 0 {
		if list[i].At <= e.At {
			return list
		}
		list = slices.Delete(list, i, i+1)
	}
	i, _ := slices.BinarySearchFunc(list, e, before)
	list = slices.Insert(list, i, e)
	return list[:min(len(list), maxExamples)]
}
