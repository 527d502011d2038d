package telemetry

import (
	"fmt"
	"slices"
)

// chunk is some rows of a segment. It is a block.
type chunk struct {
	*layout
	s *segment
}

// column numbers in the cache: the fixed ones, then two for each key.
func keySlot(k int) int   { return fixedColumns + 2*k }
func bloomSlot(k int) int { return fixedColumns + 2*k + 1 }

// cachedColumn reads a column unless it is in memory still.
func cachedColumn[T any](c *chunk, slot int, read func() (T, int, error)) (T, error) {
	at := cacheKey{c, slot}
	if v, ok := c.s.cache.get(at); ok {
		return v.(T), nil
	}
	v, bytes, err := read()
	if err != nil {
		err = fmt.Errorf("read %s: %w", c.s.path, err)
		if c.s.say != nil {
			c.s.say(err)
		}
		return v, err
	}
	c.s.cache.put(at, v, int64(bytes)+128)
	return v, nil
}

func fixed[T any](c *chunk, col int, width int, read func([]byte) (T, error)) (T, error) {
	return cachedColumn(c, col, func() (out T, bytes int, err error) {
		b, err := c.s.load(&c.fixed[col])
		if err != nil {
			return out, 0, err
		}
		out, err = read(b)
		return out, c.layout.rows * width, err
	})
}

func (c *chunk) rows() int               { return c.layout.rows }
func (c *chunk) bounds() *zone           { return &c.zone }
func (c *chunk) keys() []string          { return c.names }
func (c *chunk) alive() bitset           { return nil }
func (c *chunk) mayHave(id TraceID) bool { return c.bloom.may(hashTrace(id)) }

func (c *chunk) traces() (*traceColumn, error) {
	return fixed(c, colTraces, 12, func(b []byte) (*traceColumn, error) {
		if len(b) != 16*c.layout.traces {
			return nil, errColumn
		}
		t := &traceColumn{ids: make([]TraceID, c.layout.traces), of: make([]uint32, c.layout.rows)}
		for i := range t.ids {
			t.ids[i] = TraceID(b[16*i:])
		}
		b, err := c.s.load(&c.fixed[colOf])
		if err != nil {
			return nil, err
		}
		of, err := readDeltas(b, c.layout.rows)
		for i, n := range of {
			if t.of[i] = uint32(n); n < 0 || n >= int64(len(t.ids)) {
				return nil, errColumn
			}
		}
		return t, err
	})
}

func (c *chunk) spans() ([]uint64, error) {
	return fixed(c, colSpans, 8, func(b []byte) ([]uint64, error) { return read64s(b, c.layout.rows) })
}

func (c *chunk) parents() ([]uint64, error) {
	spans, err := c.spans()
	if err != nil {
		return nil, err
	}
	return fixed(c, colParents, 8, func(b []byte) ([]uint64, error) { return readParents(b, spans) })
}

func (c *chunk) starts() ([]int64, error) {
	return fixed(c, colStarts, 8, func(b []byte) ([]int64, error) { return readDeltas(b, c.layout.rows) })
}

func (c *chunk) durations() ([]int64, error) {
	return fixed(c, colDurations, 8, func(b []byte) ([]int64, error) { return readInts(b, c.layout.rows) })
}

func (c *chunk) tags() ([]byte, error) {
	return fixed(c, colTags, 1, func(b []byte) ([]byte, error) {
		if len(b) != c.layout.rows {
			return nil, errColumn
		}
		return b, nil
	})
}

func (c *chunk) extras() (*parts, error) {
	return cachedColumn(c, colExtras, func() (*parts, int, error) {
		b, err := c.s.load(&c.fixed[colExtras])
		if err != nil {
			return nil, 0, err
		}
		p, err := readParts(b, c.layout.rows)
		return p, len(b) + 4*c.layout.rows, err
	})
}

func (c *chunk) column(key string) (*keyColumn, error) {
	k := slices.Index(c.names, key)
	if k < 0 {
		return nil, nil
	}
	return c.keyColumn(k)
}

func (c *chunk) keyColumn(k int) (*keyColumn, error) {
	return cachedColumn(c, keySlot(k), func() (*keyColumn, int, error) {
		out, err := c.readKey(&c.layout.keys[k])
		if err != nil {
			return nil, 0, err
		}
		return out, 4*(len(out.row)+len(out.id)) + 8*out.values.len() + len(out.values.data), nil
	})
}

func (c *chunk) readKey(m *keyMeta) (*keyColumn, error) {
	rows, values := int(m.rows), int(m.values)
	out := &keyColumn{exact: true, origins: &c.s.cache.origins}
	defer c.s.fetch([]*ref{&m.row, &m.id, &m.value})()
	b, err := c.s.load(&m.value)
	if err != nil {
		return nil, err
	}
	p, err := readParts(b, values)
	if err != nil {
		return nil, err
	}
	out.values = p.values()
	if b, err = c.s.load(&m.id); err != nil {
		return nil, err
	}
	if out.id, err = readIDs(b, rows, values); err != nil {
		return nil, err
	}
	if rows == c.layout.rows {
		return out, nil
	}
	if b, err = c.s.load(&m.row); err != nil {
		return nil, err
	}
	out.row, err = readRows(b, rows, c.layout.rows)
	return out, err
}

// mayEqual asks the bloom filter of a key. A key that is not there surely has none of the values.
func (c *chunk) mayEqual(key string, hashes []uint64) bool {
	k := slices.Index(c.names, key)
	if k < 0 {
		return false
	}
	if c.layout.keys[k].opaque {
		return true
	}
	if !c.s.cache.has(cacheKey{c, bloomSlot(k)}) {
		c.s.readBlooms(key)
	}
	b, err := c.bloomOf(k)
	return err != nil || len(b)&(len(b)-1) != 0 || slices.ContainsFunc(hashes, b.may)
}

func (c *chunk) bloomOf(k int) (bloom, error) {
	return cachedColumn(c, bloomSlot(k), func() (bloom, int, error) {
		b, err := c.s.load(&c.layout.keys[k].bloom)
		return b, len(b), err
	})
}

// mayOwn asks what is known of all resources of the segment.
func (c *chunk) mayOwn(key string) bool {
	_, ok := slices.BinarySearch(c.s.own, key)
	return ok || c.s.own == nil
}

// opened loads the columns that are wanted.
func (c *chunk) opened(want []bool) (celler, error) {
	out := &chunkCells{columns: make([]*keyColumn, len(c.layout.keys)), next: make([]int, len(c.layout.keys))}
	for k := range c.layout.keys {
		if want != nil && !want[k] {
			continue
		}
		var err error
		if out.columns[k], err = c.keyColumn(k); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// chunkCells remembers per key where it was: rows are mostly read one after the other.
type chunkCells struct {
	columns []*keyColumn // nil: not wanted
	next    []int
}

func (s *chunkCells) distinct(key int) int {
	if s.columns[key] == nil {
		return 0
	}
	return s.columns[key].values.len()
}

func (s *chunkCells) cells(row uint32, out []cell) []cell {
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
