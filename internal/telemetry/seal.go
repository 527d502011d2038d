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
	place []uint32 // new row of each old one
	cuts  []int    // where the chunks begin, and the end
	out   []byte
	meta  meta
	local []uint32 // id + 1 of each entry of the dict in the column that is put together
}

// seal orders the rows (spans by trace, traces by start; log records by time), drops those that were
// replaced, cuts them into chunks of about so many, and writes every column. Nothing may add to m meanwhile.
func seal(m *memory, enc *zstd.Encoder, now int64, chunk int) []byte {
	s := &sealer{m: m, enc: enc, out: append(make([]byte, 0, 48*m.len()+4096), segmentMagic...)}
	s.meta = meta{sealed: now}
	s.sort()
	s.cut(chunk)
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

// cut begins a chunk with the first trace behind so many rows. A trace that is larger than a chunk lies on several,
// and log records are cut anywhere.
func (s *sealer) cut(rows int) {
	m, n := s.m, len(s.order)
	for from := 0; from < n; {
		s.cuts = append(s.cuts, from)
		to := min(from+rows, n)
		for !m.keep && to < n && to < from+2*rows && m.trace[s.order[to]] == m.trace[s.order[to-1]] {
			to++
		}
		if n-to < rows/4 { // too little for a chunk
			to = n
		}
		l := &layout{rows: to - from, zone: noZone}
		for _, row := range s.order[from:to] {
			m.widen(&l.zone, int(row))
		}
		s.meta.add(l)
		from = to
	}
	s.cuts = append(s.cuts, n)
	s.place = make([]uint32, m.len())
	for i, row := range s.order {
		s.place[row] = uint32(i)
	}
}

// minPacked is the size below which packing is not worth it.
const minPacked = 64

// put writes one column and says where it is.
func (s *sealer) put(b []byte, pack bool) ref {
	r := ref{off: int64(len(s.out)), raw: int32(len(b))}
	if pack && len(b) >= minPacked {
		s.out = s.enc.EncodeAll(b, s.out)
		if r.size = int32(len(s.out) - int(r.off)); int(r.size) < len(b)*9/10 {
			r.packed = true
		} else {
			s.out = s.out[:r.off]
		}
	}
	if !r.packed {
		s.out = append(s.out, b...)
		r.size = r.raw
	}
	r.sum = crc32.Checksum(s.out[r.off:], castagnoli)
	return r
}

// column writes what all chunks have of one column. Encode is given the old rows of a chunk, in order, and the
// new one of its first.
func (s *sealer) column(col int, pack bool, encode func(rows []uint32, first int) []byte) {
	for i, l := range s.meta.chunks {
		l.fixed[col] = s.put(encode(s.order[s.cuts[i]:s.cuts[i+1]], s.cuts[i]), pack)
	}
}

func (s *sealer) traces() {
	of := make([]int64, len(s.order))
	number := make([]int64, len(s.m.ids))
	s.column(colTraces, false, func(rows []uint32, first int) []byte {
		var ids []byte
		n := int64(0)
		for i, row := range rows {
			t := s.m.trace[row]
			if number[t] == 0 {
				ids = append(ids, s.m.ids[t][:]...)
				n++
				number[t] = n
			}
			of[first+i] = number[t] - 1
		}
		for _, row := range rows {
			number[s.m.trace[row]] = 0
		}
		return ids
	})
	for _, l := range s.meta.chunks {
		ids := s.out[l.fixed[colTraces].off:][:l.fixed[colTraces].size]
		l.traces = len(ids) / 16
		l.bloom = newBloom(l.traces, 16)
		for i := range l.traces {
			l.bloom.add(hashTrace(TraceID(ids[16*i:])))
		}
	}
	s.column(colOf, true, func(rows []uint32, first int) []byte {
		return putDeltas(len(rows), func(i int) int64 { return of[first+i] })
	})
}

func (s *sealer) numbers() {
	m := s.m
	s.column(colSpans, m.keep, func(rows []uint32, _ int) []byte { return put64s(pick(m.span, rows)) })
	s.column(colParents, true, s.parents)
	s.column(colStarts, true, func(rows []uint32, _ int) []byte {
		return putDeltas(len(rows), func(i int) int64 { return m.start[rows[i]] })
	})
	s.column(colDurations, true, func(rows []uint32, _ int) []byte { return putUints(pick(m.dur, rows)) })
	s.column(colTags, true, func(rows []uint32, _ int) []byte { return pick(m.tag, rows) })
	s.column(colExtras, true, func(rows []uint32, _ int) []byte {
		return putParts(len(rows), func(i int) []byte { return m.extras(int(rows[i])) })
	})
}

func pick[T any](of []T, rows []uint32) []T {
	out := make([]T, len(rows))
	for i, row := range rows {
		out[i] = of[row]
	}
	return out
}

// parents encodes the parents of a chunk. Those in another chunk are elsewhere.
func (s *sealer) parents(rows []uint32, first int) []byte {
	m, parent := s.m, pick(s.m.parent, rows)
	return putParents(parent, func(i int) (int, bool) {
		old, ok := m.rows.find(m, m.trace[rows[i]], parent[i])
		at := int(s.place[old]) - first
		return at, ok && at >= 0 && at < len(rows)
	})
}

// gathered is one key of all chunks: which rows have a value, and the entry of the dict that it is.
type gathered struct{ rows, entries []uint32 }

func (s *sealer) keys() {
	all := s.gather()
	s.local = make([]uint32, s.m.values.len())
	s.meta.own = []string{}
	for k := range all {
		if len(all[k].rows) > 0 {
			s.key(s.m.dict.keys[k], &all[k])
		}
	}
}

// gather sorts the entries of all rows by key. It writes numbers alone in its inner loop, no slices.
func (s *sealer) gather() []gathered {
	m := s.m
	next := make([]int, len(m.dict.keys)+1) // where the next row of each key goes
	for _, e := range m.ent {
		next[m.key[e]+1]++
	}
	for k := range m.dict.keys {
		next[k+1] += next[k]
	}
	begin := slices.Clone(next)
	rows, entries := make([]uint32, len(m.ent)), make([]uint32, len(m.ent))
	for i, row := range s.order {
		for _, e := range m.entries(int(row)) {
			at := next[m.key[e]]
			rows[at], entries[at] = uint32(i), e
			next[m.key[e]] = at + 1
		}
	}
	all := make([]gathered, len(m.dict.keys))
	for k := range all {
		all[k] = gathered{rows[begin[k]:next[k]], entries[begin[k]:next[k]]}
	}
	return all
}

// keyed is what one chunk has of a key.
type keyed struct {
	*layout
	rows, ids []uint32
	entries   []uint32 // of the dict, by id
}

func (s *sealer) key(name string, g *gathered) {
	var parts []keyed
	for i, l := range s.meta.chunks {
		if k := s.part(g, s.cuts[i], s.cuts[i+1]); len(k.rows) > 0 {
			k.layout = l
			parts = append(parts, k)
		}
	}
	for _, k := range parts {
		if name == reserved[classResource] {
			s.own(k.entries)
		}
		m := keyMeta{rows: int32(len(k.rows)), values: int32(len(k.entries))}
		var filter bloom
		filter, m.opaque = s.filter(name, k.entries)
		m.bloom = s.put(filter, false)
		k.names, k.keys = append(k.names, name), append(k.keys, m)
	}
	for _, k := range parts {
		m := &k.keys[len(k.keys)-1]
		if len(k.rows) < k.layout.rows {
			m.row = s.put(putRows(k.rows), true)
		}
		m.id = s.put(putUints(k.ids), true)
		m.value = s.put(putParts(len(k.entries), func(i int) []byte { return s.m.values.at(k.entries[i]) }), true)
	}
}

// part takes the rows of one chunk from what is gathered, and gives its values numbers.
func (s *sealer) part(g *gathered, from, to int) (k keyed) {
	n, _ := slices.BinarySearch(g.rows, uint32(to))
	k.rows, k.ids = g.rows[:n:n], g.entries[:n:n]
	g.rows, g.entries = g.rows[n:], g.entries[n:]
	for i, e := range k.ids {
		if s.local[e] == 0 {
			k.entries = append(k.entries, e)
			s.local[e] = uint32(len(k.entries))
		}
		k.rows[i] -= uint32(from)
		k.ids[i] = s.local[e] - 1
	}
	for _, e := range k.entries {
		s.local[e] = 0
	}
	return k
}

// maxOwn is how many keys of resources are noted.
const maxOwn = 256

// own notes the keys of the attributes of resources.
func (s *sealer) own(entries []uint32) {
	for _, e := range entries {
		_ = each(s.m.values.at(e), 1, func(pair []byte) error {
			raw, _, _ := splitPair(pair)
			key := validText(raw)
			if at, twice := slices.BinarySearch(s.meta.own, key); !twice && s.meta.own != nil {
				s.meta.own = slices.Insert(s.meta.own, at, key)
			}
			return nil
		})
		if len(s.meta.own) > maxOwn {
			s.meta.own = nil
		}
	}
}

// filter makes the bloom filter of values, unless they are such that it cannot tell them.
func (s *sealer) filter(name string, entries []uint32) (filter bloom, opaque bool) {
	if name == reserved[classResource] || name == reserved[classScope] {
		return nil, true
	}
	filter = newBloom(len(entries), 10)
	read, named := readerOf(classOf(name)), classOf(name) != classPair
	for _, e := range entries {
		value := s.m.values.at(e)
		if text, ok := plainText(value); ok && !named {
			filter.add(hashText(text))
		} else if !hashValue(read(value), filter.add) {
			return nil, true
		}
	}
	return filter, false
}
