package telemetry

import (
	"context"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// read reads what was picked, on all processors. Segments that cannot be read are passed over.
func (p *picker) read(ctx context.Context, keys []string) (Sample, error) {
	keys = slices.Concat(briefly, []string{edgeKey, reserved[classMessage]}, keys)
	spans := make([][]Span, len(p.parts))
	var blocks [][2]int // where the parts of a block begin and end
	for from := 0; from < len(p.parts); {
		end := from
		for end < len(p.parts) && p.parts[end].b == p.parts[from].b {
			end++
		}
		blocks = append(blocks, [2]int{from, end})
		from = end
	}
	var next atomic.Int64
	var working sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(blocks)) {
		working.Go(func() {
			for n := int(next.Add(1)) - 1; n < len(blocks) && ctx.Err() == nil; n = int(next.Add(1)) - 1 {
				from, end := blocks[n][0], blocks[n][1]
				p.readBlock(p.parts[from:end], keys, spans[from:end])
			}
		})
	}
	working.Wait()
	return p.sample(spans), ctx.Err()
}

// readBlock reads what one block has.
func (p *picker) readBlock(parts []part, keys []string, out [][]Span) {
	v, err := newView(parts[0].b, false, keys)
	if err != nil {
		return
	}
	if v.extra, err = v.b.extras(); err != nil {
		return
	}
	live := v.b.alive()
	for i, one := range parts {
		for _, row := range v.trace.rowsOf(one.trace) {
			if v.start[row] >= p.w.since && v.start[row] <= p.w.until && (live == nil || live.has(int(row))) {
				out[i] = append(out[i], v.readSpan(row))
			}
		}
	}
}

// sample puts the parts of traces together.
func (p *picker) sample(spans [][]Span) Sample {
	s := Sample{Groups: make([]Group, len(p.groups)), Speaks: slices.Sorted(maps.Keys(p.speaks))}
	for i, g := range p.groups {
		s.Groups[i] = Group{Count: g.count, Asked: g.traits&traitAsked != 0, Broke: g.traits&traitBroke != 0, Traces: make([][]Span, len(g.picks))}
	}
	for i, one := range p.parts {
		t := &s.Groups[one.group].Traces[one.place]
		*t = append(*t, spans[i]...)
	}
	for i := range s.Groups {
		g, empty := &s.Groups[i], func(t []Span) bool { return len(t) == 0 }
		for _, t := range g.Traces[:p.groups[i].lots] {
			if !empty(t) {
				g.Lots++
			}
		}
		g.Traces = slices.DeleteFunc(g.Traces, empty)
	}
	return s
}
