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
	s.order = make([]uint32, 0, m.len())
	for i := range m.len() {
		if i/64 >= len(dead) || !dead.has(i) {
			s.order = append(s.order, uint32(i))
		}
	}
	byStart := func(a, b uint32) int { return cmp.Compare(m.start[a], m.start[b]) }
	if m.keep {
		slices.SortStableFunc(s.order, byStart)
		return
	}
	begin := s.byTrace()
	for t := range begin[1:] {
		slices.SortStableFunc(s.order[begin[t]:begin[t+1]], byStart)
	}
}

// byTrace orders the rows by trace, those of the earliest first, and returns where each of them begins.
func (s *sealer) byTrace() (begin []uint32) {
	m, n := s.m, len(s.m.ids)
	first, rows := make([]int64, n), make([]uint32, n)
	for _, row := range s.order {
		t := m.trace[row]
		if rows[t] == 0 || m.start[row] < first[t] {
			first[t] = m.start[row]
		}
		rows[t]++
	}
	traces := make([]uint32, n)
	for i := range traces {
		traces[i] = uint32(i)
	}
	slices.SortFunc(traces, func(a, b uint32) int { return cmp.Or(cmp.Compare(first[a], first[b]), cmp.Compare(a, b)) })
	begin = make([]uint32, 1, n+1)
	next := make([]uint32, n)
	for _, t := range traces {
		last := begin[len(begin)-1]
		next[t] = last
		begin = append(begin, last+rows[t])
	}
	old := s.order
	s.order = make([]uint32, len(old))
	for _, row := range old {
		t := m.trace[row]
		s.order[next[t]] = row
		next[t]++
	}
	return begin
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
		old, ok := m.rows.find(m, m.trace[s.order[i]], parents[i])
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
	all := s.gather()
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

// gather makes room for the rows and values of every key.
func (s *sealer) gather() []gathered {
	m := s.m
	rows, entries := make([]int, len(m.dict.keys)), make([]int, len(m.dict.keys))
	for _, e := range m.ent {
		rows[m.key[e]]++
	}
	for _, k := range m.key {
		if k != bad {
			entries[k]++
		}
	}
	of, values := make([]uint32, 2*len(m.ent)), make([]uint32, m.values.len())
	all := make([]gathered, len(m.dict.keys))
	for k := range all {
		n := rows[k]
		all[k] = gathered{of[:0:n], of[n : n : 2*n], values[:0:entries[k]]}
		of, values = of[2*n:], values[entries[k]:]
	}
	return all
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
	named := classOf(name) != classPair
	if name == reserved[classResource] || name == reserved[classScope] {
		k.opaque = true
	}
	for i := range k.values {
		if text, ok := plainText(value(i)); ok && !named {
			filter.add(hashText(text))
			continue
		}
		if k.opaque = k.opaque || !hashValue(read(value(i)), filter.add); k.opaque {
			filter = nil
			break
		}
	}
	k.bloom = s.put(filter, false)
	s.meta.names, s.meta.keys = append(s.meta.names, name), append(s.meta.keys, k)
}
