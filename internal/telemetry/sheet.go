package telemetry

// volume is the blocks of one batch or segment.
type volume struct {
	seq    uint64
	sealed bool
	blocks []block
	zone   zone
	rows   int
}

// numbered is a block that is known by the number of its batch or segment.
type numbered interface {
	block
	number() (seq uint64, sealed bool)
}

func (s *snapshot) number() (uint64, bool) { return s.seq, false }
func (c *chunk) number() (uint64, bool)    { return c.s.seq, true }

// volumesOf puts the blocks of each batch and segment together, which lie side by side.
func volumesOf(blocks []block) (out []volume) {
	for _, b := range blocks {
		seq, sealed := b.(numbered).number()
		if n := len(out); n == 0 || out[n-1].seq != seq || out[n-1].sealed != sealed {
			out = append(out, volume{seq: seq, sealed: sealed, zone: noZone})
		}
		v := &out[len(out)-1]
		v.blocks = append(v.blocks, b)
		v.rows += b.rows()
		v.zone.hold(b.bounds())
	}
	return out
}

// hold makes a zone hold another.
func (z *zone) hold(o *zone) {
	z.minTime, z.maxTime = min(z.minTime, o.minTime), max(z.maxTime, o.maxTime)
	z.maxDur, z.maxEnd, z.failed = max(z.maxDur, o.maxDur), max(z.maxEnd, o.maxEnd), z.failed+o.failed
}

// far reports that nothing in a zone can have to do with what began in a window.
func (z *zone) far(w span) bool {
	return add(z.maxTime, near) < w.since || z.minTime > add(w.until, near)
}

// sheet is the part of a chart that is drawn from one block.
type sheet struct {
	row, trace uint32 // the first ones
	b          block  // while the atlas draws
	v          *view  // while its rows are read
}

// hold gives a chart its blocks, which are those that it had before.
func (c *chart) hold(v *volume) {
	if c.sheets == nil {
		c.sheets = make([]sheet, len(v.blocks))
	}
	for i, b := range v.blocks {
		c.sheets[i].b = b
	}
	c.zone, c.here = v.zone, true
}

// release lets the blocks go.
func (c *chart) release() {
	c.here = false
	for i := range c.sheets {
		c.sheets[i].b, c.sheets[i].v = nil, nil
	}
}

// shut lets the columns go.
func (c *chart) shut() {
	for i := range c.sheets {
		c.sheets[i].v = nil
	}
}

// maxOpen is how many charts have their columns at hand.
const maxOpen = 16

// open makes the columns of a sheet readable. It returns false for a block that cannot be read.
func (a *atlas) open(c *chart, s *sheet) bool {
	if s.v != nil {
		return true
	}
	v, err := newView(s.b, false, []string{})
	if err != nil {
		return false
	}
	for _, o := range a.opened {
		if o == c {
			s.v = v
			return true
		}
	}
	if a.opened = append(a.opened, c); len(a.opened) > maxOpen {
		a.opened[0].shut()
		a.opened = a.opened[1:]
	}
	s.v = v
	return true
}

// openAll makes the columns of a whole chart readable, as far as they can be read.
func (a *atlas) openAll(c *chart) {
	for i := range c.sheets {
		a.open(c, &c.sheets[i])
	}
}

// sheetOf is where a trace is.
func (c *chart) sheetOf(trace uint32) *sheet {
	i := len(c.sheets) - 1
	for c.sheets[i].trace > trace {
		i--
	}
	return &c.sheets[i]
}

// eachOf calls fn with the rows of a trace on a chart that count, until it returns false.
func (a *atlas) eachOf(c *chart, trace uint32, fn func(r joined) bool) bool {
	s := c.sheetOf(trace)
	if !a.open(c, s) {
		return true
	}
	v := s.v
	for _, at := range v.trace.rowsOf(trace - s.trace) {
		row := s.row + at
		if c.alive(row) && !fn(joined{on: c, row: row, id: v.span[at], parent: v.parent[at], start: v.start[at], dur: v.dur[at], role: c.role[row]}) {
			return false
		}
	}
	return true
}
