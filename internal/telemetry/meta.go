package telemetry

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// A segment is a file of columns, and behind them what the segment has and where it is:
//
//	magic (8 bytes) | columns | meta | length of meta (4) | CRC-32C of meta (4) | version (4) | magic (8)
//
// Its rows are cut into chunks, each with columns of its own; what chunks have of one column lies side by
// side. A segment of the first version is one chunk. A segment never changes once it has its name.
const (
	segmentMagic   = "msctlseg"
	segmentVersion = 2
	oldestVersion  = 1
	trailerSize    = 20
	maxMeta        = 64 << 20
)

// The columns that every chunk has.
const (
	colTraces  = iota // ids of the traces
	colOf             // number of the trace of each row
	colSpans          // ids of the spans
	colParents        // ids of their parents
	colStarts
	colDurations
	colTags
	colExtras // events and links
	fixedColumns
)

var (
	errDamaged = errors.New("segment is damaged")
	errForeign = errors.New("segment is of another version")
)

// ref is where a column is.
type ref struct {
	off    int64
	size   int32 // in the file
	raw    int32 // unpacked; the same as size where it is not packed
	sum    uint32
	packed bool
}

// meta is what is known of a segment without reading its columns.
type meta struct {
	sealed int64 // when it was written, ns since 1970
	rows   int
	own    []string // keys of the attributes that resources have, sorted; nil: not known
	chunks []*layout
}

// layout is what is known of a chunk without reading its columns.
type layout struct {
	rows   int
	traces int
	zone   zone
	fixed  [fixedColumns]ref
	keys   []keyMeta
	names  []string // of keys
	bloom  bloom    // of the ids of traces
}

// keyMeta is where the values of one key are.
type keyMeta struct {
	rows   int32 // that have a value
	values int32 // distinct ones
	opaque bool  // some values cannot be told by their hashes
	row    ref   // empty where every row has a value
	id     ref
	value  ref
	bloom  ref
}

// packer writes meta.
type packer struct{ b []byte }

func (p *packer) uint(v uint64) { p.b = binary.AppendUvarint(p.b, v) }
func (p *packer) int(v int64)   { p.uint(zigzag(v)) }

func (p *packer) bytes(b []byte) {
	p.uint(uint64(len(b)))
	p.b = append(p.b, b...)
}

func (p *packer) bool(v bool) {
	if v {
		p.uint(1)
	} else {
		p.uint(0)
	}
}

func (p *packer) ref(r *ref) {
	p.uint(uint64(r.off))
	p.uint(uint64(r.size))
	p.uint(uint64(r.raw))
	p.uint(uint64(r.sum))
	p.bool(r.packed)
}

func (m *meta) pack() []byte {
	var p packer
	p.int(m.sealed)
	numbers := map[string]int{}
	var names []string
	for _, l := range m.chunks {
		for _, name := range l.names {
			if _, twice := numbers[name]; !twice {
				numbers[name] = len(names)
				names = append(names, name)
			}
		}
	}
	p.bool(m.own != nil)
	p.names(m.own)
	p.names(names)
	p.uint(uint64(len(m.chunks)))
	for _, l := range m.chunks {
		p.layout(l, numbers)
	}
	return p.b
}

func (p *packer) names(names []string) {
	p.uint(uint64(len(names)))
	for _, name := range names {
		p.bytes([]byte(name))
	}
}

func (p *packer) layout(l *layout, numbers map[string]int) {
	p.uint(uint64(l.rows))
	p.uint(uint64(l.traces))
	z := &l.zone
	for _, v := range []int64{z.minTime, z.maxTime, z.maxEnd, z.maxDur, int64(z.failed)} {
		p.int(v)
	}
	for i := range l.fixed {
		p.ref(&l.fixed[i])
	}
	p.uint(uint64(len(l.keys)))
	for i := range l.keys {
		k := &l.keys[i]
		p.uint(uint64(numbers[l.names[i]]))
		p.uint(uint64(k.rows))
		p.uint(uint64(k.values))
		p.bool(k.opaque)
		for _, r := range []*ref{&k.row, &k.id, &k.value, &k.bloom} {
			p.ref(r)
		}
	}
	p.bytes(l.bloom)
}

// unpacker reads meta. After the first mistake it gives zeroes.
type unpacker struct {
	b   []byte
	bad bool
}

func (u *unpacker) uint() uint64 {
	v, n := uvarint(u.b)
	if n == 0 {
		u.b, u.bad = nil, true
		return 0
	}
	u.b = u.b[n:]
	return v
}

func (u *unpacker) int() int64 { return unzigzag(u.uint()) }

// count reads a number that something of that size must be allocated for.
func (u *unpacker) count() int {
	v := u.uint()
	if v > 1<<28 {
		u.bad = true
		return 0
	}
	return int(v)
}

func (u *unpacker) bytes() []byte {
	n := u.uint()
	if n > uint64(len(u.b)) {
		u.bad = true
		return nil
	}
	out := u.b[:n:n]
	u.b = u.b[n:]
	return out
}

func (u *unpacker) ref(file int64) (r ref) {
	off := u.uint()
	r.size, r.raw = int32(u.count()), int32(u.count())
	r.sum, r.packed = uint32(u.uint()), u.uint() == 1
	r.off = int64(off)
	if off > uint64(file) || int64(r.size) > file-r.off || !r.packed && r.raw != r.size {
		u.bad = true
	}
	return r
}

// unpackMeta reads the meta of a file of that version and size.
func unpackMeta(b []byte, version uint32, file int64) (*meta, error) {
	u := unpacker{b: b}
	m := &meta{sealed: u.int()}
	if version == oldestVersion {
		m.add(u.layout(func() string { return string(u.bytes()) }, file))
	} else {
		u.chunks(m, file)
	}
	if u.bad || len(u.b) > 0 {
		return nil, errDamaged
	}
	return m, nil
}

func (m *meta) add(l *layout) {
	m.rows += l.rows
	m.chunks = append(m.chunks, l)
}

func (u *unpacker) names() []string {
	out := []string{}
	for range u.count() {
		if u.bad {
			return out
		}
		out = append(out, string(u.bytes()))
	}
	return out
}

// chunks reads the names of all keys, and the chunks that name them by their number.
func (u *unpacker) chunks(m *meta, file int64) {
	known := u.uint() == 1
	if m.own = u.names(); !known {
		m.own = nil
	}
	names := u.names()
	name := func() string {
		n := u.uint()
		if n >= uint64(len(names)) {
			u.bad = true
			return ""
		}
		return names[n]
	}
	for range u.count() {
		if u.bad {
			return
		}
		m.add(u.layout(name, file))
	}
}

func (u *unpacker) layout(name func() string, file int64) *layout {
	l := &layout{rows: u.count(), traces: u.count()}
	z := &l.zone
	for _, v := range []*int64{&z.minTime, &z.maxTime, &z.maxEnd, &z.maxDur} {
		*v = u.int()
	}
	z.failed = int(u.int())
	for i := range l.fixed {
		l.fixed[i] = u.ref(file)
	}
	for range u.count() {
		if u.bad {
			break
		}
		l.names = append(l.names, name())
		k := keyMeta{rows: int32(u.count()), values: int32(u.count()), opaque: u.uint() == 1}
		for _, r := range []*ref{&k.row, &k.id, &k.value, &k.bloom} {
			*r = u.ref(file)
		}
		l.keys = append(l.keys, k)
		u.bad = u.bad || int(k.rows) > l.rows
	}
	l.bloom = bloom(u.bytes())
	n := len(l.bloom)
	u.bad = u.bad || l.traces > l.rows || n&(n-1) != 0
	return l
}

// readMeta reads the end of a segment file.
func readMeta(f file) (*meta, int64, error) {
	size, err := f.Size()
	if err != nil {
		return nil, 0, err
	}
	if size < int64(len(segmentMagic)+trailerSize) {
		return nil, size, errDamaged
	}
	var t [trailerSize]byte
	if _, err := f.ReadAt(t[:], size-trailerSize); err != nil {
		return nil, size, err
	}
	n, sum, version := int64(binary.LittleEndian.Uint32(t[:])), binary.LittleEndian.Uint32(t[4:]), binary.LittleEndian.Uint32(t[8:])
	if string(t[12:]) != segmentMagic {
		return nil, size, errDamaged
	}
	if version < oldestVersion || version > segmentVersion {
		return nil, size, fmt.Errorf("%w: %d, this is %d", errForeign, version, segmentVersion)
	}
	if n > maxMeta || n > size-trailerSize {
		return nil, size, errDamaged
	}
	b := make([]byte, n)
	if _, err := f.ReadAt(b, size-trailerSize-n); err != nil && err != io.EOF {
		return nil, size, err
	}
	if crc32.Checksum(b, castagnoli) != sum {
		return nil, size, errDamaged
	}
	m, err := unpackMeta(b, version, size)
	return m, size, err
}
