package telemetry

import (
	"context"
	"errors"
	"slices"
	"time"
)

// flushEvery is how long what was accepted waits at most until it is written to the journal.
const flushEvery = 100 * time.Millisecond

// flusher writes the journals until ctx ends, and then once more. It does nothing while nothing comes.
func (s *Store) flusher(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			s.flush()
			s.closeJournals()
			return
		case <-s.flushNow:
		}
		s.flush()
		if !pause(ctx, flushEvery) {
			wake(s.flushNow)
		}
	}
}

// pause waits, and returns false when ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func (s *Store) flush() {
	for _, t := range []*table{&s.spans, &s.logs} {
		if err := t.flush(); err != nil {
			s.said.warn("journal not written", err)
			time.AfterFunc(time.Second, func() { wake(s.flushNow) })
		}
	}
}

// pending is what is to be written to one journal.
type pending struct {
	j     *journal
	bytes []byte
}

func (t *table) flush() error {
	t.mu.Lock()
	var work []pending
	for _, b := range t.batches() {
		if len(b.j.pending) > 0 {
			work = append(work, pending{b.j, b.j.pending})
			b.j.pending, t.spare = t.spare[:0], nil
		}
	}
	ended := t.ended
	t.ended = nil
	t.mu.Unlock()

	var errs []error
	for _, w := range work {
		err := w.j.flush(w.bytes)
		errs = append(errs, err)
		t.flushed(w, err)
	}
	for _, j := range ended {
		errs = append(errs, j.remove())
	}
	return errors.Join(errs...)
}

// flushed puts back what could not be written.
func (t *table) flushed(w pending, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if w.j.full = err != nil; err != nil {
		w.j.pending = append(w.bytes, w.j.pending...)
	} else if int64(cap(w.bytes)) <= t.o.Memory/journalShare {
		t.spare = w.bytes[:0]
	}
}

// batches returns all that is in memory, oldest first. The caller holds mu.
func (t *table) batches() []*batch {
	if t.active == nil {
		return slices.Clone(t.full)
	}
	return append(slices.Clone(t.full), t.active)
}

func (s *Store) closeJournals() {
	for _, t := range []*table{&s.spans, &s.logs} {
		t.mu.Lock()
		all := t.batches()
		t.mu.Unlock()
		for _, b := range all {
			b.j.close()
		}
	}
}
