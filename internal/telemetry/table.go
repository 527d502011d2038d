package telemetry

import (
	"sync"
	"time"
)

// table is all records of one sort: those still in memory and those on disk.
type table struct {
	o   *Options
	log bool

	mu     sync.Mutex
	active *memory     // nil until something comes
	now    *snapshot   // of active; nil where it is out of date
	full   []*snapshot // not yet on disk, oldest first
}

// ingest reads a request into memory, all or nothing.
func (t *table) ingest(body []byte, record func(*decoder, []byte) (bool, error)) (Result, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.active != nil && (t.active.len() >= t.o.Rows || t.active.bytes() > t.o.Memory/16) {
		t.full = append(t.full, t.active.snapshot())
		t.active = nil
	}
	if t.active == nil {
		t.active = newMemory(t.log)
	}
	d := decoder{m: t.active, now: time.Now().UnixNano(), record: record}
	at := t.active.mark()
	if err := d.request(body); err != nil {
		t.active.undo(at)
		return Result{}, err
	}
	t.active.commit(at.rows)
	t.now = nil
	return Result{Accepted: d.accepted, Rejected: d.rejected}, nil
}

// blocks returns all rows there are, newest first. The caller calls done when it has read them.
func (t *table) blocks() (all []block, done func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.active != nil && t.active.len() > 0 {
		if t.now == nil {
			t.now = t.active.snapshot()
		}
		all = append(all, t.now)
	}
	for i := len(t.full) - 1; i >= 0; i-- {
		all = append(all, t.full[i])
	}
	return all, func() {}
}

func (t *table) count(c *Counts) (rows int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.active != nil {
		rows += int64(t.active.len())
		c.Memory += t.active.bytes()
	}
	for _, f := range t.full {
		rows += int64(f.rows())
		c.Memory += f.m.bytes()
	}
	return rows
}
