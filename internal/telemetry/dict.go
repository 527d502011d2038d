package telemetry

import "hash/maphash"

// class says what the bytes of an entry of a dict are.
type class byte

const (
	classPair     class = iota // an encoded KeyValue
	className                  // the name of a span
	classMessage               // the message of a status
	classBody                  // an encoded AnyValue: the body of a log record
	classScope                 // an encoded InstrumentationScope
	classResource              // an encoded Resource
	classes
)

// reserved are the keys of what is no attribute, by class. No attribute's key starts with a NUL.
var reserved = [classes]string{className: "\x00name", classMessage: "\x00message", classBody: "\x00body",
	classScope: "\x00scope", classResource: "\x00resource"}

// classOf is the class of the values under a key.
func classOf(key string) class {
	if key == "" || key[0] != 0 {
		return classPair
	}
	for c, k := range reserved {
		if k == key {
			return class(c)
		}
	}
	return classPair
}

// bad is the key of an entry that may not be stored.
const bad = ^uint32(0)

// dict gives equal bytes one number. Entries are only ever added, so that a copy of the struct is a
// snapshot, of which everything but put and find may be used while another goroutine adds.
type dict struct {
	values
	key   []uint32 // per entry: its key, or bad
	begin []uint32 // per entry: where its bytes start; they end where its value ends
	class []class
	keys  []string

	seed  maphash.Seed
	hash  []uint64
	table []uint64 // upper half of the hash, entry + 1; open addressing
	index map[string]uint32
}

// values are byte strings by number.
type values struct {
	start, end []uint32
	data       []byte
}

func (v *values) at(i uint32) []byte { return v.data[v.start[i]:v.end[i]] }

func (v *values) len() int { return len(v.end) }

// put returns the number of b and whether it may be stored.
func (d *dict) put(c class, b []byte) (uint32, bool) {
	if len(d.hash)*4 >= len(d.table)*3 {
		d.grow()
	}
	h := maphash.Bytes(d.seed, b) + uint64(c)*0x9e3779b97f4a7c15
	mask := uint64(len(d.table) - 1)
	p := h & mask
	for ; d.table[p] != 0; p = (p + 1) & mask {
		if d.table[p]>>32 != h>>32 {
			continue
		}
		i := uint32(d.table[p]) - 1
		if d.class[i] == c && string(d.data[d.begin[i]:d.end[i]]) == string(b) {
			return i, d.key[i] != bad
		}
	}
	return d.add(p, h, c, b)
}

func (d *dict) add(slot, hash uint64, c class, b []byte) (uint32, bool) {
	key, value, ok := []byte(reserved[c]), b, true
	switch c {
	case classPair:
		key, value, ok = checkPair(b, 0)
	case classBody:
		ok = checkValue(b, 0)
	}
	ok = ok && (c != classPair || len(key) <= maxKey && (len(key) == 0 || key[0] != 0))
	d.table[slot] = hash>>32<<32 | uint64(len(d.end)+1)
	d.hash = append(d.hash, hash)
	d.class = append(d.class, c)
	d.begin = append(d.begin, uint32(len(d.data)))
	d.data = append(d.data, b...)
	if len(value) <= len(b) && string(b[len(b)-len(value):]) == string(value) {
		d.start = append(d.start, uint32(len(d.data)-len(value)))
	} else { // the value does not stand at the end, or came in parts: keep it apart, behind the whole
		d.relocate(b, value)
	}
	d.end = append(d.end, uint32(len(d.data)))
	if !ok {
		d.key = append(d.key, bad)
		return uint32(len(d.end) - 1), false
	}
	d.key = append(d.key, d.keyOf(key))
	return uint32(len(d.end) - 1), true
}

// relocate stores a value behind the bytes b that were just added. The entry is then never found again by
// its bytes, and added once more when they come back: rare, and harmless.
func (d *dict) relocate(b, value []byte) {
	d.data = append(d.data, value...)
	d.start = append(d.start, uint32(len(d.data)-len(value)))
}

func (d *dict) keyOf(key []byte) uint32 {
	if i, ok := d.index[string(key)]; ok {
		return i
	}
	i := uint32(len(d.keys))
	d.keys = append(d.keys, validText(key))
	d.index[string(key)] = i
	return i
}

// like makes room for as many entries as another dict has.
func (d *dict) like(o *dict) {
	n := o.values.len()
	d.data = make([]byte, 0, len(o.data)+len(o.data)/16)
	for _, c := range []*[]uint32{&d.start, &d.end, &d.key, &d.begin} {
		*c = make([]uint32, 0, n+n/16)
	}
	d.class, d.hash = make([]class, 0, n+n/16), make([]uint64, 0, n+n/16)
	d.table = make([]uint64, len(o.table)/2)
	d.grow()
}

func (d *dict) grow() {
	n := len(d.table) * 2
	if n == 0 {
		n = 1024
	}
	if d.index == nil {
		d.seed = maphash.MakeSeed()
		d.index = map[string]uint32{}
	}
	d.table = make([]uint64, n)
	mask := uint64(n - 1)
	for i, h := range d.hash {
		p := h & mask
		for d.table[p] != 0 {
			p = (p + 1) & mask
		}
		d.table[p] = h>>32<<32 | uint64(i+1)
	}
}
