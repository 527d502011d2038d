package telemetry

import (
	"math/bits"
	"slices"
	"sync"
)

// block is a set of rows that does not change: a snapshot of what is in memory, or a segment of the disk.
// What its methods return is shared and read-only. Their errors mean that the segment cannot be read.
type block interface {
	rows() int
	bounds() *zone
	mayHave(id TraceID) bool
	mayEqual(key string, hashes []uint64) bool // one of the values; false: surely not
	mayOwn(key string) bool                    // a resource has an attribute of this key; false: surely not
	keys() []string                            // reserved ones included
	alive() bitset                             // a copy; nil: all rows

	traces() (*traceColumn, error)
	spans() ([]uint64, error)
	parents() ([]uint64, error)
	starts() ([]int64, error)
	durations() ([]int64, error)
	tags() ([]byte, error)
	column(key string) (*keyColumn, error) // nil: no row has it
	extras() (*parts, error)
	opened(want []bool) (celler, error) // for reading rows; want by key, nil: all
}

// keyColumn is all values of one key.
type keyColumn struct {
	row    []uint32 // ascending; nil: every row, in order
	id     []uint32 // of the value of each of these rows
	values *values
	exact  bool // each value has a row

	origins *origins // of a column of resources; nil: each is decoded anew
}

// find returns the number of the value of one row.
func (k *keyColumn) find(row uint32) (id uint32, ok bool) {
	if k.row == nil {
		return k.id[row], true
	}
	i, ok := slices.BinarySearch(k.row, row)
	if !ok {
		return 0, false
	}
	return k.id[i], true
}

// parts are byte strings that lie one behind the other.
type parts struct {
	end  []uint32
	data []byte
}

func (p *parts) at(i uint32) []byte {
	from := uint32(0)
	if i > 0 {
		from = p.end[i-1]
	}
	return p.data[from:p.end[i]]
}

// traceColumn says which rows belong to which trace.
type traceColumn struct {
	ids []TraceID
	of  []uint32 // per row

	once  sync.Once
	begin []uint32 // per trace: where its rows begin in order; one more at the end
	order []uint32
}

// rowsOf returns the rows of a trace by its number, ascending.
func (t *traceColumn) rowsOf(trace uint32) []uint32 {
	t.once.Do(func() {
		t.begin = make([]uint32, len(t.ids)+1)
		for _, n := range t.of {
			t.begin[n+1]++
		}
		for i := range t.ids {
			t.begin[i+1] += t.begin[i]
		}
		next := slices.Clone(t.begin)
		t.order = make([]uint32, len(t.of))
		for row, n := range t.of {
			t.order[next[n]] = uint32(row)
			next[n]++
		}
	})
	return t.order[t.begin[trace]:t.begin[trace+1]]
}

// rowsWith returns the rows of a trace by its id.
func (t *traceColumn) rowsWith(id TraceID) []uint32 {
	n := slices.Index(t.ids, id)
	if n < 0 {
		return nil
	}
	return t.rowsOf(uint32(n))
}

// bitset is a set of rows.
type bitset []uint64

func newBitset(n int) bitset { return make(bitset, (n+63)/64) }

func (b bitset) set(i int)      { b[i>>6] |= 1 << (i & 63) }
func (b bitset) clear(i int)    { b[i>>6] &^= 1 << (i & 63) }
func (b bitset) has(i int) bool { return b[i>>6]&(1<<(i&63)) != 0 }

// fill adds the first n.
func (b bitset) fill(n int) {
	for i := range b {
		b[i] = ^uint64(0)
	}
	if n&63 != 0 {
		b[len(b)-1] = 1<<(n&63) - 1
	}
}

func (b bitset) and(o bitset) {
	for i := range b {
		b[i] &= o[i]
	}
}

func (b bitset) or(o bitset) {
	for i := range b {
		b[i] |= o[i]
	}
}

// not turns b around within the first n.
func (b bitset) not(n int) {
	for i := range b {
		b[i] = ^b[i]
	}
	if n&63 != 0 {
		b[len(b)-1] &= 1<<(n&63) - 1
	}
}

func (b bitset) count() (n int) {
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

// each calls fn with each, ascending.
func (b bitset) each(fn func(i int)) {
	for w, word := range b {
		for ; word != 0; word &= word - 1 {
			fn(w<<6 + bits.TrailingZeros64(word))
		}
	}
}

func (b bitset) empty() bool {
	for _, w := range b {
		if w != 0 {
			return false
		}
	}
	return true
}
