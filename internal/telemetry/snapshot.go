package telemetry

import (
	"slices"
	"sync"
)

// snapshot is the block of the rows that a memory had at one moment.
type snapshot struct {
	seq   uint64 // of the batch
	m     memory
	live  bitset
	table traceColumn

	mu    sync.Mutex
	byKey map[string]*keyColumn // guarded by mu: the columns asked for so far
}

// snapshot copies the headers of the columns. The caller holds the lock that guards m.
func (m *memory) snapshot() *snapshot {
	s := &snapshot{m: *m, byKey: map[string]*keyColumn{}}
	s.m.traces, s.m.rows, s.m.index, s.m.table, s.m.hash = nil, rowIndex{}, nil, nil, nil
	s.table.ids, s.table.of = m.ids, m.trace
	if m.dead != nil {
		s.live = newBitset(m.len())
		copy(s.live, m.dead)
		s.live.not(m.len())
	}
	return s
}

func (s *snapshot) rows() int                      { return s.m.len() }
func (s *snapshot) bounds() *zone                  { return &s.m.zone }
func (s *snapshot) mayHave(TraceID) bool           { return true }
func (s *snapshot) mayEqual(string, []uint64) bool { return true }
func (s *snapshot) mayOwn(string) bool             { return true }
func (s *snapshot) keys() []string                 { return s.m.keys }
func (s *snapshot) alive() bitset                  { return slices.Clone(s.live) }
func (s *snapshot) traces() (*traceColumn, error)  { return &s.table, nil }
func (s *snapshot) spans() ([]uint64, error)       { return s.m.span, nil }
func (s *snapshot) parents() ([]uint64, error)     { return s.m.parent, nil }
func (s *snapshot) starts() ([]int64, error)       { return s.m.start, nil }
func (s *snapshot) durations() ([]int64, error)    { return s.m.dur, nil }
func (s *snapshot) tags() ([]byte, error)          { return s.m.tag, nil }
func (s *snapshot) extras() (*parts, error)        { return &parts{s.m.extEnd, s.m.ext}, nil }

// column gathers the values of a key once, and keeps them for the next question.
func (s *snapshot) column(key string) (*keyColumn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.byKey[key]; ok {
		return c, nil
	}
	var c *keyColumn
	if k := slices.Index(s.m.keys, key); k >= 0 {
		c = s.gather(uint32(k))
	}
	s.byKey[key] = c
	return c, nil
}

func (s *snapshot) gather(key uint32) *keyColumn {
	c := &keyColumn{values: &s.m.values}
	row, end := uint32(0), s.m.entEnd
	for i, e := range s.m.ent[:lastOf(end)] {
		for uint32(i) >= end[row] {
			row++
		}
		if s.m.key[e] == key {
			c.row, c.id = append(c.row, row), append(c.id, e)
		}
	}
	if len(c.row) == s.rows() {
		c.row = nil
	}
	return c
}

func lastOf(end []uint32) uint32 {
	if len(end) == 0 {
		return 0
	}
	return end[len(end)-1]
}

func (s *snapshot) opened(want []bool) (celler, error) { return &snapshotCells{&s.m, want}, nil }

type snapshotCells struct {
	m    *memory
	want []bool
}

func (s *snapshotCells) distinct(int) int { return s.m.values.len() }

func (s *snapshotCells) cells(row uint32, out []cell) []cell {
	for _, e := range s.m.entries(int(row)) {
		if k := int(s.m.key[e]); s.want == nil || s.want[k] {
			out = append(out, cell{k, e, s.m.values.at(e)})
		}
	}
	return out
}
