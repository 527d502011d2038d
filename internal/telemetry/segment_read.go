package telemetry

import (
	"fmt"
	"slices"
)

// column numbers in the cache: the fixed ones, then two for each key.
func keySlot(k int) int   { return fixedColumns + 2*k }
func bloomSlot(k int) int { return fixedColumns + 2*k + 1 }

// cachedColumn reads a column unless it is in memory still.
func cachedColumn[T any](s *segment, slot int, read func() (T, int, error)) (T, error) {
	at := cacheKey{s, slot}
	if v, ok := s.cache.get(at); ok {
		return v.(T), nil
	}
	v, bytes, err := read()
	if err != nil {
		err = fmt.Errorf("read %s: %w", s.path, err)
		if s.say != nil {
			s.say(err)
		}
		return v, err
	}
	s.cache.put(at, v, int64(bytes)+128)
	return v, nil
}

func fixed[T any](s *segment, col int, width int, read func([]byte) (T, error)) (T, error) {
	return cachedColumn(s, col, func() (out T, bytes int, err error) {
		b, err := s.load(&s.meta.fixed[col])
		if err != nil {
			return out, 0, err
		}
		out, err = read(b)
		return out, s.meta.rows * width, err
	})
}

func (s *segment) rows() int               { return s.meta.rows }
func (s *segment) bounds() *zone           { return &s.zone }
func (s *segment) keys() []string          { return s.names }
func (s *segment) alive() bitset           { return nil }
func (s *segment) mayHave(id TraceID) bool { return s.bloom.may(hashTrace(id)) }

func (s *segment) traces() (*traceColumn, error) {
	return fixed(s, colTraces, 12, func(b []byte) (*traceColumn, error) {
		if len(b) != 16*s.meta.traces {
			return nil, errColumn
		}
		t := &traceColumn{ids: make([]TraceID, s.meta.traces), of: make([]uint32, s.meta.rows)}
		for i := range t.ids {
			t.ids[i] = TraceID(b[16*i:])
		}
		b, err := s.load(&s.meta.fixed[colOf])
		if err != nil {
			return nil, err
		}
		of, err := readDeltas(b, s.meta.rows)
		for i, n := range of {
			if t.of[i] = uint32(n); n < 0 || n >= int64(len(t.ids)) {
				return nil, errColumn
			}
		}
		return t, err
	})
}

func (s *segment) spans() ([]uint64, error) {
	return fixed(s, colSpans, 8, func(b []byte) ([]uint64, error) { return read64s(b, s.meta.rows) })
}

func (s *segment) parents() ([]uint64, error) {
	spans, err := s.spans()
	if err != nil {
		return nil, err
	}
	return fixed(s, colParents, 8, func(b []byte) ([]uint64, error) { return readParents(b, spans) })
}

func (s *segment) starts() ([]int64, error) {
	return fixed(s, colStarts, 8, func(b []byte) ([]int64, error) { return readDeltas(b, s.meta.rows) })
}

func (s *segment) durations() ([]int64, error) {
	return fixed(s, colDurations, 8, func(b []byte) ([]int64, error) { return readInts(b, s.meta.rows) })
}

func (s *segment) tags() ([]byte, error) {
	return fixed(s, colTags, 1, func(b []byte) ([]byte, error) {
		if len(b) != s.meta.rows {
			return nil, errColumn
		}
		return b, nil
	})
}

func (s *segment) extras() (*parts, error) {
	return cachedColumn(s, colExtras, func() (*parts, int, error) {
		b, err := s.load(&s.meta.fixed[colExtras])
		if err != nil {
			return nil, 0, err
		}
		p, err := readParts(b, s.meta.rows)
		return p, len(b) + 4*s.meta.rows, err
	})
}

func (s *segment) column(key string) (*keyColumn, error) {
	k, ok := s.index[key]
	if !ok {
		return nil, nil
	}
	return s.keyColumn(k)
}

func (s *segment) keyColumn(k int) (*keyColumn, error) {
	return cachedColumn(s, keySlot(k), func() (*keyColumn, int, error) {
		c, err := s.readKey(&s.meta.keys[k])
		if err != nil {
			return nil, 0, err
		}
		return c, 4*(len(c.row)+len(c.id)) + 8*c.values.len() + len(c.values.data), nil
	})
}

func (s *segment) readKey(m *keyMeta) (*keyColumn, error) {
	c := &keyColumn{exact: true}
	defer s.fetch([]*ref{&m.row, &m.id, &m.value})()
	b, err := s.load(&m.value)
	if err != nil {
		return nil, err
	}
	p, err := readParts(b, m.values)
	if err != nil {
		return nil, err
	}
	c.values = p.values()
	if b, err = s.load(&m.id); err != nil {
		return nil, err
	}
	if c.id, err = readIDs(b, m.rows, m.values); err != nil {
		return nil, err
	}
	if m.rows == s.meta.rows {
		return c, nil
	}
	if b, err = s.load(&m.row); err != nil {
		return nil, err
	}
	c.row, err = readRows(b, m.rows, s.meta.rows)
	return c, err
}

// mayEqual asks the bloom filter of a key. A key that is not there surely has none of the values.
func (s *segment) mayEqual(key string, hashes []uint64) bool {
	k, ok := s.index[key]
	if !ok {
		return false
	}
	if s.meta.keys[k].opaque {
		return true
	}
	b, err := cachedColumn(s, bloomSlot(k), func() (bloom, int, error) {
		b, err := s.load(&s.meta.keys[k].bloom)
		return b, len(b), err
	})
	return err != nil || len(b)&(len(b)-1) != 0 || slices.ContainsFunc(hashes, b.may)
}

// opened loads the columns that are wanted.
func (s *segment) opened(want []bool) (celler, error) {
	out := &segmentCells{columns: make([]*keyColumn, len(s.meta.keys)), next: make([]int, len(s.meta.keys))}
	for k := range s.meta.keys {
		if want != nil && !want[k] {
			continue
		}
		var err error
		if out.columns[k], err = s.keyColumn(k); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// segmentCells remembers per key where it was: rows are mostly read one after the other.
type segmentCells struct {
	columns []*keyColumn // nil: not wanted
	next    []int
}

func (s *segmentCells) distinct(key int) int {
	if s.columns[key] == nil {
		return 0
	}
	return s.columns[key].values.len()
}

func (s *segmentCells) cells(row uint32, out []cell) []cell {
	for k, c := range s.columns {
		if c == nil {
			continue
		}
		at := int(row)
		if c.row != nil {
			if at = s.next[k]; at >= len(c.row) || c.row[at] != row {
				at, _ = slices.BinarySearch(c.row, row)
				s.next[k] = at
			}
			if at >= len(c.row) || c.row[at] != row {
				continue
			}
			s.next[k] = at + 1
		}
		id := c.id[at]
		out = append(out, cell{k, id, c.values.at(id)})
	}
	return out
}
