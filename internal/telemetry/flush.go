package telemetry

import (
	"context"
	"errors"
	"slices"
	"time"
)

// flushEvery is how long what was accepted waits at most until it is written to the journal. Much is written
// sooner.
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
		s.pause(ctx)
	}
}

// pause waits until ctx ends, until the time has come, or until so much waits that more would be refused.
func (s *Store) pause(ctx context.Context) {
	t := time.NewTimer(flushEvery)
	defer t.Stop()
	select {
	case <-ctx.Done():
		wake(s.flushNow)
	case <-s.flushMuch:
	case <-t.C:
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
	j *journal
	pages
}

func (t *table) flush() error {
	t.mu.Lock()
	var work []pending
	for _, b := range t.batches() {
		if b.j.pending.size > 0 {
			work = append(work, pending{b.j, b.j.pending})
			b.j.pending = pages{}
		}
	}
	ended := t.ended
	t.ended = nil
	t.mu.Unlock()

	var errs []error
	for _, w := range work {
		n, err := w.j.flush(w.pages)
		errs = append(errs, err)
		t.flushed(w, n, err)
	}
	for _, j := range ended {
		errs = append(errs, j.remove())
	}
	return errors.Join(errs...)
}

// flushed puts back what could not be written, and keeps some pages for what comes next.
func (t *table) flushed(w pending, n int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if w.j.full = err != nil; err != nil {
		p := &w.j.pending
		p.list = append(w.list[n:len(w.list):len(w.list)], p.list...)
		for _, b := range w.list[n:] {
			p.size += int64(len(b))
		}
	}
	for _, b := range w.list[:n] {
		if cap(b) == pageSize && int64(len(t.spare)) < t.o.Memory/journalShare/pageSize {
			t.spare = append(t.spare, b)
		}
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
