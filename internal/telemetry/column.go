package telemetry

import (
	"encoding/binary"
	"errors"
	"math"
)

// How columns are written. Decoders take only what is whole: n values, and nothing behind them.

var errColumn = errors.New("column is damaged")

func zigzag(v int64) uint64   { return uint64(v<<1) ^ uint64(v>>63) }
func unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }

// putDeltas writes each value as its difference from the one before.
func putDeltas(n int, at func(int) int64) []byte {
	out := make([]byte, 0, 3*n)
	last := int64(0)
	for i := range n {
		v := at(i)
		out = binary.AppendUvarint(out, zigzag(v-last))
		last = v
	}
	return out
}

func readDeltas(b []byte, n int) ([]int64, error) {
	out := make([]int64, n)
	last := int64(0)
	for i := range out {
		v, k := uvarint(b)
		if k == 0 {
			return nil, errColumn
		}
		b = b[k:]
		last += unzigzag(v)
		out[i] = last
	}
	return out, nothing(b)
}

func nothing(rest []byte) error {
	if len(rest) > 0 {
		return errColumn
	}
	return nil
}

func putUints[T uint32 | uint64 | int64](in []T) []byte {
	out := make([]byte, 0, 2*len(in))
	for _, v := range in {
		out = binary.AppendUvarint(out, uint64(v))
	}
	return out
}

func readInts(b []byte, n int) ([]int64, error) {
	out := make([]int64, n)
	for i := range out {
		v, k := uvarint(b)
		if k == 0 || v > math.MaxInt64 {
			return nil, errColumn
		}
		b = b[k:]
		out[i] = int64(v)
	}
	return out, nothing(b)
}

// readIDs reads numbers below a limit.
func readIDs(b []byte, n, limit int) ([]uint32, error) {
	out := make([]uint32, n)
	at := 0
	for i := range out {
		var v uint64
		k := 0
		switch { // nearly all have one byte or two
		case at < len(b) && b[at] < 0x80:
			v, k = uint64(b[at]), 1
		case at+1 < len(b) && b[at+1] < 0x80:
			v, k = uint64(b[at]&0x7f)|uint64(b[at+1])<<7, 2
		default:
			v, k = uvarint(b[at:])
		}
		if k == 0 {
			return nil, errColumn
		}
		if v >= uint64(limit) {
			return nil, errColumn
		}
		at += k
		out[i] = uint32(v)
	}
	return out, nothing(b[at:])
}

// putRows writes ascending row numbers.
func putRows(rows []uint32) []byte {
	out := make([]byte, 0, len(rows))
	last := uint32(0)
	for _, r := range rows {
		out = binary.AppendUvarint(out, uint64(r-last))
		last = r
	}
	return out
}

func readRows(b []byte, n, limit int) ([]uint32, error) {
	out := make([]uint32, n)
	last := uint64(0)
	for i := range out {
		v, k := uvarint(b)
		if k == 0 || v >= uint64(limit) || i > 0 && v == 0 {
			return nil, errColumn
		}
		b = b[k:]
		if last += v; last >= uint64(limit) {
			return nil, errColumn
		}
		out[i] = uint32(last)
	}
	return out, nothing(b)
}

// putParts writes byte strings: all lengths, then all bytes.
func putParts(n int, at func(int) []byte) []byte {
	var out []byte
	for i := range n {
		out = binary.AppendUvarint(out, uint64(len(at(i))))
	}
	for i := range n {
		out = append(out, at(i)...)
	}
	return out
}

func readParts(b []byte, n int) (*parts, error) {
	p := &parts{end: make([]uint32, n)}
	sum := uint64(0)
	for i := range p.end {
		v, k := uvarint(b)
		if sum += v; k == 0 || v > math.MaxInt32 || sum > math.MaxInt32 {
			return nil, errColumn
		}
		b = b[k:]
		p.end[i] = uint32(sum)
	}
	if p.data = b; sum != uint64(len(b)) {
		return nil, errColumn
	}
	return p, nil
}

func (p *parts) values() *values {
	v := &values{start: make([]uint32, len(p.end)), end: p.end, data: p.data}
	copy(v.start[min(1, len(v.start)):], p.end)
	return v
}

// put64s writes numbers as they are: ids do not compress.
func put64s(in []uint64) []byte {
	out := make([]byte, 0, 8*len(in))
	for _, v := range in {
		out = binary.LittleEndian.AppendUint64(out, v)
	}
	return out
}

func read64s(b []byte, n int) ([]uint64, error) {
	if len(b) != 8*n {
		return nil, errColumn
	}
	out := make([]uint64, n)
	for i := range out {
		out[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return out, nil
}

// putParents writes the parents of spans: 0 for none, 1 and the id where it is elsewhere, and else 2 plus
// how many rows away it is.
func putParents(parent []uint64, rowOf func(row int) (int, bool)) []byte {
	out := make([]byte, 0, 2*len(parent))
	for i, id := range parent {
		if id == 0 {
			out = append(out, 0)
		} else if at, ok := rowOf(i); ok {
			out = binary.AppendUvarint(out, 2+zigzag(int64(at-i)))
		} else {
			out = binary.LittleEndian.AppendUint64(append(out, 1), id)
		}
	}
	return out
}

func readParents(b []byte, spans []uint64) ([]uint64, error) {
	out := make([]uint64, len(spans))
	for i := range out {
		v, k := uvarint(b)
		if k == 0 {
			return nil, errColumn
		}
		b = b[k:]
		switch v {
		case 0:
		case 1:
			if len(b) < 8 {
				return nil, errColumn
			}
			out[i] = binary.LittleEndian.Uint64(b)
			b = b[8:]
		default:
			at := int64(i) + unzigzag(v-2)
			if at < 0 || at >= int64(len(spans)) {
				return nil, errColumn
			}
			out[i] = spans[at]
		}
	}
	return out, nothing(b)
}
