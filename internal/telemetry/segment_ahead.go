package telemetry

import "slices"

// piece is a part of a file that was read before its columns are asked for.
type piece struct {
	off   int64
	bytes []byte
}

// pieceGap is how many bytes that nobody needs are read to save another read.
const pieceGap = 16 << 10

// ready brings columns into memory that are used together: what lies side by side in the file with one read.
// Keys are those that are wanted, nil all. What cannot be read is found out by who asks for the column.
func (c *chunk) ready(want []bool, extras bool) {
	var need []*ref
	var jobs []func()
	add := func(slot int, read func(), refs ...*ref) {
		if !c.s.cache.has(cacheKey{c, slot}) {
			need, jobs = append(need, refs...), append(jobs, read)
		}
	}
	f := &c.fixed
	add(colTraces, func() { _, _ = c.traces() }, &f[colTraces], &f[colOf])
	add(colParents, func() { _, _ = c.parents() }, &f[colSpans], &f[colParents])
	add(colStarts, func() { _, _ = c.starts() }, &f[colStarts])
	add(colDurations, func() { _, _ = c.durations() }, &f[colDurations])
	add(colTags, func() { _, _ = c.tags() }, &f[colTags])
	if extras {
		add(colExtras, func() { _, _ = c.extras() }, &f[colExtras])
	}
	for k := range c.layout.keys {
		if m := &c.layout.keys[k]; want == nil || want[k] {
			add(keySlot(k), func() { _, _ = c.keyColumn(k) }, &m.row, &m.id, &m.value)
		}
	}
	if len(jobs) < 2 {
		return
	}
	c.s.together(need, jobs)
}

// readBlooms reads the bloom filters of a key for all chunks at once: who asks one asks the others next.
func (s *segment) readBlooms(key string) {
	var need []*ref
	var jobs []func()
	for _, c := range s.parts {
		if k := slices.Index(c.names, key); k >= 0 && !c.layout.keys[k].opaque {
			need = append(need, &c.layout.keys[k].bloom)
			jobs = append(jobs, func() { _, _ = c.bloomOf(k) })
		}
	}
	s.together(need, jobs)
}

// together reads columns of which the bytes lie close to each other.
func (s *segment) together(need []*ref, jobs []func()) {
	defer s.fetch(need)()
	for _, read := range jobs {
		read()
	}
}

// fetch reads the bytes of columns. They are let go when the function is called that it returns.
func (s *segment) fetch(need []*ref) (release func()) {
	f, err := s.file()
	if err != nil {
		return func() {}
	}
	s.mu.Lock()
	need = slices.DeleteFunc(need, func(r *ref) bool { return r.size == 0 || s.inAhead(r) != nil })
	s.mu.Unlock()
	slices.SortFunc(need, func(a, b *ref) int { return int(a.off - b.off) })
	var got []*piece
	for len(need) > 0 {
		from, end, n := need[0].off, need[0].end(), 1
		for n < len(need) && need[n].off-end <= pieceGap {
			end = max(end, need[n].end())
			n++
		}
		if p := (&piece{from, make([]byte, end-from)}); n > 1 {
			if _, err := f.ReadAt(p.bytes, from); err == nil {
				got = append(got, p)
			}
		}
		need = need[n:]
	}
	s.mu.Lock()
	s.ahead = append(s.ahead, got...)
	s.mu.Unlock()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ahead = slices.DeleteFunc(s.ahead, func(p *piece) bool { return slices.Contains(got, p) })
	}
}

func (r *ref) end() int64 { return r.off + int64(r.size) }

// bytes returns what the file has of one column. It is read-only.
func (s *segment) bytes(r *ref) ([]byte, error) {
	s.mu.Lock()
	b := s.inAhead(r)
	s.mu.Unlock()
	if b != nil {
		return b, nil
	}
	f, err := s.file()
	if err != nil {
		return nil, err
	}
	b = make([]byte, r.size)
	_, err = f.ReadAt(b, r.off)
	return b, err
}

// inAhead returns the bytes of a column that were read before, or nil. The caller holds mu.
func (s *segment) inAhead(r *ref) []byte {
	for _, p := range s.ahead {
		if at := r.off - p.off; at >= 0 && at+int64(r.size) <= int64(len(p.bytes)) {
			return p.bytes[at : at+int64(r.size)]
		}
	}
	return nil
}
