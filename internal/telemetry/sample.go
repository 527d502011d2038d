package telemetry

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"
)

// Sample is some traces of a window that stand for all of them.
type Sample struct {
	Groups []Group
	Speaks []string // services that sent spans of their own about that time; nil where all traces are read
}

// Group is traces that are alike: they begin with the same, take about as long and do about the same.
type Group struct {
	Count  int      // of all of them; 0: they stand only for what they show
	Asked  bool     // somebody asked something of a service
	Broke  bool     // a part failed, and not because it was asked for the wrong thing
	Traces [][]Span // those that were read
	Lots   int      // how many of Traces, the first ones, are as if drawn by lot; each of the rest was chosen for what it is
}

// Weight is for how many traces one of those that were read stands.
func (g *Group) Weight(i int) float64 {
	switch n := len(g.Traces); {
	case g.Lots == 0 || g.Lots == n || g.Count == 0:
		return float64(g.Count) / float64(n)
	case i < g.Lots:
		return float64(g.Count-n+g.Lots) / float64(g.Lots)
	}
	return 1
}

// Sample reads some traces of a window, about so many spans: of each sort of trace that the window has, those
// that failed and those that took long above all, and every one where they are no more. Spans have only
// the attributes under these keys. They come from few segments, so that little is unpacked.
func (s *Store) Sample(ctx context.Context, since, until time.Time, keys []string, spans int) (Sample, error) {
	blocks, done := s.spans.blocks()
	defer done()
	p, err := s.atlas.pick(ctx, blocks, windowOf(since, until), spans)
	if err != nil {
		return Sample{}, err
	}
	return p.read(ctx, keys)
}

// pick chooses the traces of a sample.
func (a *atlas) pick(ctx context.Context, blocks []block, w span, spans int) (*picker, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	defer a.trim()
	if err := a.draw(ctx, a.newest(volumesOf(blocks), w, mostDrawn), w); err != nil {
		return nil, err
	}
	p := &picker{a: a, w: w, spans: spans, at: map[*chart][2]int{}, open: map[*sheet]bool{}, took: map[int]bool{}}
	if p.gather() <= spans {
		p.all()
	} else {
		p.sort()
		p.some()
	}
	p.settle()
	return p, nil
}

// mostDrawn is how many rows are drawn for a sample at most, in under half a second. Where there are more it is one of
// those that came last, and of what a map has drawn. The charts of two such samples, which `why` compares, fit into
// the memory of the atlas, so that the next question finds them.
const mostDrawn = 700_000

// newest leaves out what has no chart yet, so that charts are drawn of what came last, up to so many rows with
// those that have one.
func (a *atlas) newest(all []volume, w span, most int) []volume {
	drawn := map[uint64]bool{}
	for _, c := range a.charts {
		drawn[c.seq] = true
	}
	rows := 0
	return slices.DeleteFunc(all, func(v volume) bool {
		if v.zone.far(w) {
			return false
		}
		rows += v.rows
		return !drawn[v.seq] && rows > most && rows > v.rows
	})
}

// picker chooses traces.
type picker struct {
	a      *atlas
	w      span
	spans  int
	every  []pickable
	at     map[*chart][2]int // where the candidates of a chart begin and end
	groups []*group
	open   map[*sheet]bool // what is read
	took   map[int]bool    // candidates that are read
	speaks map[string]bool
	parts  []part
}

// pickable is a trace of the window.
type pickable struct {
	on    *chart
	trace uint32 // its number there
	group int32
}

func (c *pickable) gist() *gist { return &c.on.gists[c.trace] }

// group is traces that are alike.
type group struct {
	traits uint16
	count  int
	want   int   // how many of them are taken
	picks  []int // candidates, those of the lowest rank first
	lots   int   // the first of them, that were not chosen for what they are
	most   int   // the one of those on the charts that are read that took longest, and one; 0: none
}

// part is what one block has of a trace that is read.
type part struct {
	b            block
	seq          uint64
	row, trace   uint32 // the first row of the block, and the number of the trace there
	group, place int
}

// gather finds the traces of the window and returns how many spans they have.
func (p *picker) gather() (spans int) {
	p.speaks = map[string]bool{}
	n := 0
	for _, c := range p.a.charts {
		n += len(c.gists)
	}
	p.every = make([]pickable, 0, n)
	for _, c := range p.a.charts {
		from := len(p.every)
		for i := range c.gists { // also where the chart is far: its gists tell of the rows of others too
			if g := &c.gists[i]; g.rows > 0 && g.start <= p.w.until && g.last >= p.w.since {
				p.every = append(p.every, pickable{c, uint32(i), 0})
				spans += int(g.rows)
			}
		}
		p.at[c] = [2]int{from, len(p.every)}
		if c.zone.far(p.w) {
			continue
		}
		for name := range c.speaks {
			p.speaks[name] = true
		}
	}
	return spans
}

// all takes every trace, which tell themselves who speaks.
func (p *picker) all() {
	p.speaks = nil
	at := map[uint16]int32{}
	for i := range p.every {
		c := &p.every[i]
		traits := c.gist().traits & (1<<traitFlags - 1)
		n, ok := at[traits]
		if !ok {
			n = int32(len(p.groups))
			at[traits] = n
			p.groups = append(p.groups, &group{traits: traits})
		}
		c.group = n
		p.groups[n].count++
		p.take(i)
	}
}

// take adds a trace to what is read.
func (p *picker) take(i int) {
	if p.took[i] {
		return
	}
	p.took[i] = true
	g := p.groups[p.every[i].group]
	g.picks = append(g.picks, i)
}

// maxSorts is how many groups are made of one trait of traces before a coarser one is taken.
const maxSorts = 64

// sort puts alike traces into groups: by what they do, or, where that are too many sorts, what is rare by how it
// begins, or else by its traits.
func (p *picker) sort() {
	rest := make([]int32, len(p.every))
	for i := range rest {
		rest[i] = int32(i)
	}
	rest = p.sortBy(rest, func(g *gist) uint32 { return g.form }, maxSorts)
	rest = p.sortBy(rest, func(g *gist) uint32 { return g.kind }, maxSorts)
	p.sortBy(rest, func(g *gist) uint32 { return uint32(g.traits) }, math.MaxInt)
}

// sortBy makes groups of those that are equal, and returns those of which there are so few that they would
// make more groups than most.
func (p *picker) sortBy(of []int32, key func(*gist) uint32, most int) (rest []int32) {
	type sort struct{ count, group int32 }
	var sorts []sort
	number := map[uint32]int32{} // of a sort
	for _, i := range of {
		c := &p.every[i]
		k := key(c.gist())
		n, known := number[k]
		if !known {
			if n = int32(len(sorts)); n >= 32*maxSorts && most < math.MaxInt {
				return of // hardly two are alike
			}
			sorts, number[k] = append(sorts, sort{group: -1}), n
		}
		sorts[n].count++
		c.group = n
	}
	least := int32(0)
	if len(sorts) > most {
		least = int32(len(of) / most)
	}
	for _, i := range of {
		c := &p.every[i]
		s := &sorts[c.group]
		if s.count < least {
			rest = append(rest, i)
			continue
		}
		if s.group < 0 {
			s.group = int32(len(p.groups))
			p.groups = append(p.groups, &group{traits: c.gist().traits})
		}
		c.group = s.group
		p.groups[s.group].count++
	}
	return rest
}

// settle notes which blocks have what is read.
func (p *picker) settle() {
	for n, g := range p.groups {
		for place, i := range g.picks {
			c := &p.every[i]
			p.a.eachPlace(c.on.traces[c.trace], func(on *chart, trace uint32) {
				s := on.sheetOf(trace)
				p.parts = append(p.parts, part{s.b, on.seq, s.row, trace - s.trace, n, place})
			})
		}
	}
	slices.SortStableFunc(p.parts, func(x, y part) int { return cmp.Or(cmp.Compare(x.seq, y.seq), cmp.Compare(x.row, y.row)) })
}

// eachPlace calls fn with each chart that a trace is on.
func (a *atlas) eachPlace(hash uint64, fn func(on *chart, trace uint32)) {
	for i := a.heads[hash]; i != 0; i = a.places[i].next {
		if p := &a.places[i]; p.on.here {
			fn(p.on, p.trace)
		}
	}
}
