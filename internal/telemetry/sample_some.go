package telemetry

import (
	"cmp"
	"maps"
	"slices"
)

// leastPicks is what a sample takes of each group, where there is so much.
const leastPicks = 3

// Segments that are read: where most traces are taken from, and what may be added for the rare ones, for calls
// that no trace shows yet, and for those that were under way meanwhile.
const (
	mostCharts = 8
	moreCharts = 6
)

// together is how many neighbouring segments are read together: the spans of a trace come at about one time.
const together = 4

// some takes some traces of each group.
func (p *picker) some() {
	p.share()
	p.common()
	p.rare()
	p.cover()
	p.meanwhile()
}

// share says how many traces are taken of each group: half of all of them as many of each, for what is rare, and half
// by how many they are, for what is counted.
func (p *picker) share() {
	rows := 0
	for i := range p.every {
		rows += int(p.every[i].gist().rows)
	}
	all := len(p.every)
	most := p.spans / max(rows/all, 1)
	for _, g := range p.groups {
		g.want = max(most/2/len(p.groups)+most/2*g.count/all, leastPicks)
	}
}

// common takes traces from a few runs of segments. Which ones changes little while spans come, so that they
// are in memory when somebody asks again.
func (p *picker) common() {
	charts := slices.Clone(p.a.charts)
	slices.SortFunc(charts, func(x, y *chart) int {
		return cmp.Or(cmp.Compare(mix(x.seq/together), mix(y.seq/together)), cmp.Compare(x.seq, y.seq))
	})
	for len(charts) > 0 && len(p.open) < mostCharts && p.short() {
		n := 1
		for n < len(charts) && charts[n].seq/together == charts[0].seq/together {
			n++
		}
		p.from(charts[:n])
		charts = charts[n:]
	}
	for _, g := range p.groups {
		g.lots = len(g.picks)
		for _, i := range g.picks {
			p.took[i] = true
		}
		if g.most != 0 {
			p.take(g.most - 1)
		}
	}
}

// short reports a group of which more is wanted.
func (p *picker) short() bool {
	return slices.ContainsFunc(p.groups, func(g *group) bool { return len(g.picks) < min(leastPicks, g.count) })
}

// from takes traces that lie in these charts and those taken from before.
func (p *picker) from(charts []*chart) {
	for _, c := range charts {
		if of := p.at[c]; of[0] < of[1] {
			for i := range c.sheets {
				p.open[&c.sheets[i]] = true
			}
		}
	}
	for _, c := range charts {
		for i := p.at[c][0]; i < p.at[c][1]; i++ {
			if p.new(i) == 0 {
				p.offer(i)
			}
		}
	}
}

// new is how many more charts would have to be read for a trace.
func (p *picker) new(i int) (n int) {
	c := &p.every[i]
	p.a.eachPlace(c.on.traces[c.trace], func(on *chart, trace uint32) {
		if !p.open[on.sheetOf(trace)] {
			n++
		}
	})
	return n
}

// offer takes a trace if its group wants more, or if its rank, which is as good as drawn by lot, is lower.
func (p *picker) offer(i int) {
	g := p.groups[p.every[i].group]
	if g.most == 0 || p.every[i].gist().size > p.every[g.most-1].gist().size {
		g.most = i + 1
	}
	at, _ := slices.BinarySearchFunc(g.picks, p.rank(i), func(o int, rank uint64) int { return cmp.Compare(p.rank(o), rank) })
	if at < g.want {
		g.picks = slices.Insert(g.picks, at, i)
		g.picks = g.picks[:min(len(g.picks), g.want)]
	}
}

func (p *picker) rank(i int) uint64 {
	c := &p.every[i]
	return mix(c.on.traces[c.trace])
}

// add takes a trace if that needs few more charts.
func (p *picker) add(i int, left *int) bool {
	n := p.new(i)
	if n > *left {
		return false
	}
	*left -= n
	c := &p.every[i]
	p.a.eachPlace(c.on.traces[c.trace], func(on *chart, trace uint32) { p.open[on.sheetOf(trace)] = true })
	p.take(i)
	return true
}

// rare takes one trace of each group that none was taken of: the slowest first, and those that failed before
// others that took a little longer.
func (p *picker) rare() {
	one := map[int32]int{}
	for i := range p.every {
		n := p.every[i].group
		if len(p.groups[n].picks) > 0 {
			continue
		}
		if o, ok := one[n]; !ok || p.every[i].gist().size > p.every[o].gist().size {
			one[n] = i
		}
	}
	var order []int
	for _, i := range one {
		order = append(order, i)
	}
	grave := func(i int) uint16 {
		t := p.every[i].gist().traits
		return t>>longShift&15 + t&traitBroke + t&traitDisturbed
	}
	slices.SortFunc(order, func(x, y int) int {
		return cmp.Or(-cmp.Compare(grave(x), grave(y)), cmp.Compare(p.rank(x), p.rank(y)))
	})
	left := moreCharts
	for _, i := range order {
		p.add(i, &left)
	}
}

// find returns the pickable that is the trace of this hash.
func (p *picker) find(hash uint64) (i int, ok bool) {
	head := p.a.heads[hash]
	if head == 0 {
		return 0, false
	}
	on, trace := p.a.places[head].on, p.a.places[head].trace
	of := p.at[on]
	i, ok = slices.BinarySearchFunc(p.every[of[0]:of[1]], trace, func(c pickable, trace uint32) int { return cmp.Compare(c.trace, trace) })
	return of[0] + i, ok
}

// cover takes a trace for each call that the map shows and no trace yet.
func (p *picker) cover() {
	shown := make([]bool, max(len(p.a.calls.all), 1))
	for _, i := range slices.Sorted(maps.Keys(p.took)) { // by chart
		p.show(i, shown)
	}
	left := moreCharts
	for _, c := range p.a.charts {
		for k := range c.sums {
			if s := &c.sums[k]; !shown[s.call] {
				p.example(s, shown, &left)
			}
		}
	}
}

// example takes a trace that shows a call.
func (p *picker) example(s *sum, shown []bool, left *int) {
	for _, e := range slices.Concat(s.fine, s.failed) {
		if i, ok := p.find(hashTrace(e.Trace)); ok && p.add(i, left) {
			p.show(i, shown)
			return
		}
	}
}

// show notes the calls of a trace.
func (p *picker) show(i int, shown []bool) {
	c := &p.every[i]
	p.a.eachPlace(c.on.traces[c.trace], func(on *chart, trace uint32) {
		p.a.eachOf(on, trace, func(r joined) bool {
			shown[on.call[r.row]] = true
			return true
		})
	})
}
