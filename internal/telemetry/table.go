package telemetry

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// table is all records of one sort: those still in memory and those on disk.
type table struct {
	o     *Options
	log   bool
	name  string // the start of its files' names
	dir   string
	cache *cache
	said  *notices

	flushNow  chan struct{} // something is to be written to a journal, or a journal to be removed
	flushMuch chan struct{} // so much is to be written that it should not wait
	sealNow   chan struct{} // a batch is full

	mu       sync.Mutex
	readOnly bool
	active   *batch     // nil until something comes
	model    *memory    // the batch before, when more of the kind are to be expected
	full     []*batch   // not yet on disk, oldest first
	segs     []*segment // oldest first
	spare    [][]byte   // pages for journals
	ended    []*journal // of batches that are on disk
	seq      uint64     // of the last batch

	dropped atomic.Int64 // rows
	expired atomic.Int64
}

// batch is the records of one segment before it is written.
type batch struct {
	*memory
	seq  uint64
	j    *journal
	last time.Time // when something came last
	snap *snapshot // nil where it is out of date
}

// Shares of the memory: what waits for the disk, one batch, and what waits for the journal.
const (
	fullShare    = 4
	batchShare   = 16
	journalShare = 32
	maxFull      = 16 // batches
)

var errReadOnly = errors.New("store is open for reading only")

func (t *table) path(seq uint64, kind string) string {
	return filepath.Join(t.dir, fmt.Sprintf("%s-%08d.%s", t.name, seq, kind))
}

// ingest reads a request into memory and its journal, all or nothing.
func (t *table) ingest(body []byte, record func(*decoder, []byte) (bool, error)) (Result, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.room(len(body)); err != nil {
		return Result{}, err
	}
	now := t.o.now()
	if t.active == nil {
		t.active = t.newBatch()
	}
	b := t.active
	r, err := b.read(body, now.UnixNano(), record)
	if err != nil {
		return Result{}, err
	}
	b.last = now
	if r.Accepted > 0 {
		t.journal(b.j, now.UnixNano(), body)
	}
	return r, nil
}

// read decodes a request into the batch.
func (b *batch) read(body []byte, now int64, record func(*decoder, []byte) (bool, error)) (Result, error) {
	d := decoder{m: b.memory, now: now, record: record}
	at := b.mark()
	if err := d.request(body); err != nil {
		b.undo(at)
		return Result{}, err
	}
	b.commit(at.rows)
	b.snap = nil
	return Result{Accepted: d.accepted, Rejected: d.rejected}, nil
}

// room makes room for a request, or returns ErrFull. The caller holds mu.
func (t *table) room(size int) error {
	switch {
	case t.readOnly:
		return errReadOnly
	case size > maxRequest:
		return fmt.Errorf("request has %d bytes, at most %d are read", size, maxRequest)
	}
	if b := t.active; b != nil && (b.len() >= t.o.Rows || b.bytes() > t.o.Memory/batchShare || b.j.bytes() > t.o.journals()/8) {
		t.retire()
	}
	waits, logged := int64(0), int64(0)
	for _, b := range t.full {
		waits += b.bytes()
		logged += b.j.bytes() + b.j.pending.size
	}
	if len(t.full) >= maxFull || waits > t.o.Memory/fullShare || logged > t.o.journals()/2 {
		wake(t.sealNow)
		return ErrFull
	}
	if b := t.active; b != nil && !b.j.full && b.j.pending.size > t.o.Memory/journalShare {
		wake(t.flushNow)
		return ErrFull
	}
	return nil
}

// maxRequest is the largest request in bytes. It is also what a batch may be over its size.
const maxRequest = 64 << 20

// retire hands the active batch to the sealer. The caller holds mu.
func (t *table) retire() {
	t.active.snapshot()
	t.full = append(t.full, t.active)
	t.model, t.active = t.active.memory, nil
	if t.model.len() < t.o.Rows || t.model.bytes() > t.o.Memory/batchShare {
		t.model = nil // not a usual one
	}
	wake(t.sealNow)
}

func (t *table) newBatch() *batch {
	t.seq++
	m := newMemory(t.log)
	if t.model != nil {
		m.like(t.model)
		t.model = nil
	}
	b := &batch{memory: m, seq: t.seq, j: &journal{d: t.o.disk, path: t.path(t.seq, "wal")}}
	return b
}

// journal adds a request to what is written next. Where the disk takes nothing, only so much waits.
func (t *table) journal(j *journal, at int64, body []byte) {
	if j.full && j.pending.size+int64(len(body)) > t.o.Memory/journalShare {
		return
	}
	j.pending.add(at, body, &t.spare)
	wake(t.flushNow)
	if j.pending.size > t.o.Memory/journalShare/4 {
		wake(t.flushMuch)
	}
}

// wake tells a goroutine that there is work, without waiting for it.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// snapshot returns the rows of a batch as they are now. The caller holds the lock of the table.
func (b *batch) snapshot() *snapshot {
	if b.snap == nil {
		b.snap = b.memory.snapshot()
		b.snap.seq = b.seq
	}
	return b.snap
}

// blocks returns all rows there are, newest first. The caller calls done when it has read them.
func (t *table) blocks() (all []block, done func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.active != nil && t.active.len() > 0 {
		all = append(all, t.active.snapshot())
	}
	for _, b := range slices.Backward(t.full) {
		all = append(all, b.snapshot())
	}
	used := make([]*segment, 0, len(t.segs))
	for _, s := range slices.Backward(t.segs) {
		if s.bad == nil {
			s.use()
			used = append(used, s)
			for _, c := range s.parts {
				all = append(all, c)
			}
		}
	}
	return all, func() {
		for _, s := range used {
			s.release()
		}
	}
}

// count adds the figures of the table.
func (t *table) count(c *Counts) (rows int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	batches := t.full
	if t.active != nil {
		batches = append(slices.Clone(batches), t.active)
	}
	for _, b := range batches {
		rows += int64(b.len())
		c.Memory += b.bytes() + b.j.pending.size
		c.Bytes += b.j.bytes()
	}
	for _, s := range t.segs {
		c.Bytes += s.size
		if c.Segments++; s.bad != nil {
			c.Bad++
			continue
		}
		rows += int64(s.meta.rows)
		for _, l := range s.chunks {
			c.Memory += int64(len(l.bloom) + 150*len(l.keys))
		}
	}
	c.Dropped += t.dropped.Load()
	c.Expired += t.expired.Load()
	return rows
}
