package telemetry

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync"
	"time"
)

// atlas knows of each row what it adds to the map of calls. Most rows tell by themselves; the others need
// their parent or their children, which may lie in any segment. So it has a chart of each segment and of
// each batch in memory, drawn once, and of each trace the charts that it is on. When a chart comes, grows
// or goes, the traces on it are joined anew, which changes no others. A map adds up the sums of charts.
//
// Charts are drawn when a map asks for their time, and the oldest go when they take too much memory.
type atlas struct {
	mu     sync.Mutex
	max    int64 // bytes
	charts []*chart
	heads  map[uint64]int32     // by hash of the trace: its first place
	places []placed             // the first stands for none
	free   int32                // the first place that is not used
	torn   map[uint64]bool      // traces to be joined anew
	roles  numbers[role]        // 0 is the role that says nothing
	calls  numbers[Call]        // 0 is no call
	told   map[[2]uint16]uint16 // number of a call, by the roles of its caller and of who served it
	opened []*chart             // whose columns are held, the longest first
	rows   []joined             // of the trace that is joined
	does   []uint64             // what its rows do
	scale  scale
}

// placed says that a trace is on a chart.
type placed struct {
	on    *chart
	trace uint32 // its number there
	next  int32  // 0: no other chart
}

// near is how far apart a span and its parent may start to be seen as such on the map.
const near = int64(time.Minute)

// numbers gives equal values one number, as long as there are numbers. The zero value has number 0.
type numbers[T comparable] struct {
	all []T
	of  map[T]uint16
}

func (n *numbers[T]) put(v T) uint16 {
	i, ok := n.of[v]
	if ok {
		return i
	}
	if n.of == nil {
		var zero T
		n.all, n.of = []T{zero}, map[T]uint16{zero: 0}
		return n.put(v)
	}
	if len(n.all) == 1<<16 {
		return 0
	}
	i = uint16(len(n.all))
	n.all, n.of[v] = append(n.all, v), i
	return i
}

// draw brings the charts up to date with the blocks, those that a window needs. What is not finished when
// ctx ends is done by the next call.
func (a *atlas) draw(ctx context.Context, all []volume, w span) error {
	if a.heads == nil {
		a.heads, a.torn, a.told = map[uint64]int32{}, map[uint64]bool{}, map[[2]uint16]uint16{}
		a.places = make([]placed, 1)
	}
	at := make(map[uint64]*chart, len(a.charts))
	for _, c := range a.charts {
		at[c.seq] = c
		c.release()
	}
	for i := range slices.Backward(all) {
		if err := ctx.Err(); err != nil {
			return err
		}
		v := &all[i]
		c := at[v.seq]
		if c != nil && c.sealed == v.sealed {
			c.hold(v)
		}
		if v.zone.far(w) {
			continue
		}
		if c == nil || c.sealed != v.sealed {
			c = &chart{seq: v.seq, sealed: v.sealed}
			c.hold(v)
			a.charts = append(a.charts, c)
		}
		c.wanted = true
		c.grow(a, v.rows)
	}
	a.charts = slices.DeleteFunc(a.charts, func(c *chart) bool {
		if !c.here { // its blocks have gone
			a.remove(c)
		}
		return !c.here
	})
	return a.join(ctx)
}

// place notes that a trace is on a chart.
func (a *atlas) place(c *chart, hash uint64, trace uint32) {
	i := a.free
	if i != 0 {
		a.free = a.places[i].next
	} else {
		i = int32(len(a.places))
		a.places = append(a.places, placed{})
	}
	a.places[i] = placed{c, trace, a.heads[hash]}
	a.heads[hash] = i
}

// remove takes a chart off all its traces.
func (a *atlas) remove(c *chart) {
	for _, hash := range c.traces {
		a.torn[hash] = true
		for last, i := int32(0), a.heads[hash]; i != 0; {
			p := &a.places[i]
			next := p.next
			if p.on != c {
				last, i = i, next
				continue
			}
			if last != 0 {
				a.places[last].next = next
			} else if next != 0 {
				a.heads[hash] = next
			} else {
				delete(a.heads, hash)
			}
			*p, a.free = placed{next: a.free}, i
			i = next
		}
	}
}

// join joins the traces that need it and adds the charts up again that changed by it. It goes by chart,
// because the charts of a trace lie next to each other, and from the end, where most changes are.
func (a *atlas) join(ctx context.Context) error {
	for _, c := range slices.Backward(a.charts) {
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, hash := range c.traces {
			if len(a.torn) == 0 {
				break
			}
			if a.torn[hash] {
				a.joinTrace(hash)
				delete(a.torn, hash)
			}
		}
	}
	a.torn = map[uint64]bool{} // what is left is on no chart; a map that was large stays so
	for _, c := range a.charts {
		if c.changed {
			c.sums, c.changed = c.add(a, span{math.MinInt64, math.MaxInt64}), false
		}
	}
	return nil
}

// trim lets go of all blocks, and forgets charts that the last window did not need, the oldest first,
// until the rest fits.
func (a *atlas) trim() {
	a.opened = nil
	size := int64(0)
	for _, c := range a.charts {
		c.release()
		size += c.bytes()
	}
	slices.SortStableFunc(a.charts, func(x, y *chart) int { return cmp.Compare(x.seq, y.seq) })
	a.charts = slices.DeleteFunc(a.charts, func(c *chart) bool {
		gone := !c.wanted && size > a.max
		if c.wanted = false; gone {
			size -= c.bytes()
			a.remove(c)
		}
		return gone
	})
	a.pack()
}

// pack gives back the places of charts that have gone, when they are more than those in use.
func (a *atlas) pack() {
	used := 0
	for _, c := range a.charts {
		used += len(c.traces)
	}
	if len(a.places) < 2*used+spare {
		return
	}
	a.heads, a.places, a.free = make(map[uint64]int32, used), make([]placed, 1, used+1), 0
	for _, c := range a.charts {
		for trace, hash := range c.traces {
			a.place(c, hash, uint32(trace))
		}
	}
}

// spare is how many unused places are always left.
const spare = 8
