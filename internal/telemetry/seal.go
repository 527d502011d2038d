package telemetry

import (
	"cmp"
	"encoding/binary"
	"hash/crc32"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// sealer writes a memory as the bytes of a segment.
type sealer struct {
	m     *memory
	enc   *zstd.Encoder
	order []uint32 // old row of each new one
	out   []byte
	meta  meta
}

// seal orders the rows (spans by trace, traces by start; log records by time), drops those that were
// replaced, and writes every column. Nothing may add to m meanwhile.
func seal(m *memory, enc *zstd.Encoder, now int64) []byte {
	s := &sealer{m: m, enc: enc, out: append(make([]byte, 0, 48*m.len()+4096), segmentMagic...)}
	s.sort()
	s.meta = meta{sealed: now, rows: len(s.order), zone: m.zone}
	s.traces()
	s.numbers()
	s.keys()
	packed := s.meta.pack()
	s.out = append(s.out, packed...)
	s.out = binary.LittleEndian.AppendUint32(s.out, uint32(len(packed)))
	s.out = binary.LittleEndian.AppendUint32(s.out, crc32.Checksum(packed, castagnoli))
	s.out = binary.LittleEndian.AppendUint32(s.out, segmentVersion)
	return append(s.out, segmentMagic...)
}

func (s *sealer) sort() {
	m, dead := s.m, bitset(s.m.dead)
	for i := range m.len() {
		if i/64 >= len(dead) || !dead.has(i) {
			s.order = append(s.order, uint32(i))
		}
	}
	if m.keep {
		slices.SortStableFunc(s.order, func(a, b uint32) int { return cmp.Compare(m.start[a], m.start[b]) })
		return
	}
	first := make([]int64, len(m.ids)) // start of each trace
	for i := range first {
		first[i] = 1<<63 - 1
	}
	for _, row := range s.order {
		t := m.trace[row]
		first[t] = min(first[t], m.start[row])
	}
	slices.SortStableFunc(s.order, func(a, b uint32) int {
		ta, tb := m.trace[a], m.trace[b]
		if ta != tb {
			return cmp.Or(cmp.Compare(first[ta], first[tb]), cmp.Compare(ta, tb))
		}
		return cmp.Compare(m.start[a], m.start[b])
	})
}

// minPacked is the size below which packing is not worth it.
const minPacked = 64

// put writes one column and says where it is.
func (s *sealer) put(b []byte, pack bool) ref {
	r := ref{off: int64(len(s.out)), raw: len(b)}
	if pack && len(b) >= minPacked {
		s.out = s.enc.EncodeAll(b, s.out)
		if r.size = len(s.out) - int(r.off); r.size < len(b)*9/10 {
			r.packed = true
		} else {
			s.out = s.out[:r.off]
		}
	}
	if !r.packed {
		s.out = append(s.out, b...)
		r.size = len(b)
	}
	r.sum = crc32.Checksum(s.out[r.off:], castagnoli)
	return r
}

func (s *sealer) traces() {
	number := make([]uint32, len(s.m.ids))
	of := make([]uint32, len(s.order))
	var ids []byte
	for i, row := range s.order {
		t := s.m.trace[row]
		if number[t] == 0 {
			ids = append(ids, s.m.ids[t][:]...)
			s.meta.traces++
			number[t] = uint32(s.meta.traces)
		}
		of[i] = number[t] - 1
	}
	s.meta.bloom = newBloom(s.meta.traces, 16)
	for i := range s.meta.traces {
		s.meta.bloom.add(hashTrace(TraceID(ids[16*i:])))
	}
	s.meta.fixed[colTraces] = s.put(ids, false)
	s.meta.fixed[colOf] = s.put(putDeltas(len(of), func(i int) int64 { return int64(of[i]) }), true)
}

func (s *sealer) numbers() {
	m, n := s.m, len(s.order)
	spans, parents := make([]uint64, n), make([]uint64, n)
	durs, tags := make([]int64, n), make([]byte, n)
	place := make([]uint32, m.len()) // new row of each old one
	for i, row := range s.order {
		spans[i], parents[i] = m.span[row], m.parent[row]
		durs[i], tags[i] = m.dur[row], m.tag[row]
		place[row] = uint32(i)
	}
	f := &s.meta.fixed
	f[colSpans] = s.put(put64s(spans), m.keep)
	f[colParents] = s.put(putParents(parents, func(i int) (int, bool) {
		old, ok := m.rows[rowKey{m.trace[s.order[i]], parents[i]}]
		return int(place[old]), ok
	}), true)
	f[colStarts] = s.put(putDeltas(n, func(i int) int64 { return m.start[s.order[i]] }), true)
	f[colDurations] = s.put(putUints(durs), true)
	f[colTags] = s.put(tags, true)
	f[colExtras] = s.put(putParts(n, func(i int) []byte { return m.extras(int(s.order[i])) }), true)
}

// gathered is one key while its column is put together.
type gathered struct {
	rows, ids []uint32
	entries   []uint32 // of the dict, by id
}

func (s *sealer) keys() {
	m := s.m
	all := make([]gathered, len(m.dict.keys))
	local := make([]uint32, m.values.len()) // id + 1 of each entry
	for i, row := range s.order {
		for _, e := range m.entries(int(row)) {
			g := &all[m.key[e]]
			if local[e] == 0 {
				g.entries = append(g.entries, e)
				local[e] = uint32(len(g.entries))
			}
			g.rows, g.ids = append(g.rows, uint32(i)), append(g.ids, local[e]-1)
		}
	}
	for k := range all {
		if len(all[k].rows) > 0 {
			s.key(m.dict.keys[k], &all[k])
		}
	}
}

func (s *sealer) key(name string, g *gathered) {
	value := func(i int) []byte { return s.m.values.at(g.entries[i]) }
	k := keyMeta{rows: len(g.rows), values: len(g.entries)}
	if k.rows < len(s.order) {
		k.row = s.put(putRows(g.rows), true)
	}
	k.id = s.put(putUints(g.ids), true)
	k.value = s.put(putParts(k.values, value), true)
	filter, read := newBloom(k.values, 10), readerOf(classOf(name))
	if name == reserved[classResource] || name == reserved[classScope] {
		k.opaque = true
	}
	for i := range k.values {
		if k.opaque = k.opaque || !hashValue(read(value(i)), filter.add); k.opaque {
			filter = nil
			break
		}
	}
	k.bloom = s.put(filter, false)
	s.meta.names, s.meta.keys = append(s.meta.names, name), append(s.meta.keys, k)
}
