package telemetry

import "math/rand/v2"

// rowIndex finds the rows of a memory by trace and span. The zero value has none.
type rowIndex struct {
	slots []uint32 // row + 1, open addressing
	n     int
	seed  uint64 // odd; so that no sender can make all spans meet
}

// slotOf is where a span is to be looked for first.
func (x *rowIndex) slotOf(trace uint32, span uint64) uint64 {
	h := (span ^ uint64(trace)<<32) * x.seed
	return (h ^ h>>32) & uint64(len(x.slots)-1)
}

// find returns the row of a span.
func (x *rowIndex) find(m *memory, trace uint32, span uint64) (row uint32, ok bool) {
	if x.n == 0 {
		return 0, false
	}
	at := x.search(m, trace, span)
	if x.slots[at] == 0 {
		return 0, false
	}
	return x.slots[at] - 1, true
}

// search returns the slot of a span, or the empty one where it belongs.
func (x *rowIndex) search(m *memory, trace uint32, span uint64) uint64 {
	mask := uint64(len(x.slots) - 1)
	at := x.slotOf(trace, span)
	for ; x.slots[at] != 0; at = (at + 1) & mask {
		if row := x.slots[at] - 1; m.span[row] == span && m.trace[row] == trace {
			break
		}
	}
	return at
}

// put adds a row, and returns the one that it takes the place of.
func (x *rowIndex) put(m *memory, row uint32) (old uint32, twice bool) {
	if x.seed == 0 {
		x.seed = rand.Uint64() | 1
	}
	if x.n*4 >= len(x.slots)*3 {
		x.grow(m)
	}
	at := x.search(m, m.trace[row], m.span[row])
	old, x.slots[at] = x.slots[at], row+1
	if old != 0 {
		return old - 1, true
	}
	x.n++
	return 0, false
}

func (x *rowIndex) grow(m *memory) {
	old := x.slots
	x.slots = make([]uint32, max(2*len(old), 1024))
	for _, row := range old {
		if row != 0 {
			x.slots[x.search(m, m.trace[row-1], m.span[row-1])] = row
		}
	}
}
