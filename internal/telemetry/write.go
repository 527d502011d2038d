package telemetry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/klauspost/compress/zstd"
)

// How often the sealer looks by itself, and how long it waits after the disk took nothing.
const (
	tidyEvery  = time.Minute
	retryAfter = time.Second
	retryMost  = 30 * time.Second
)

// sealer writes full batches as segments and removes what is too old or too much, until ctx ends.
func (s *Store) sealer(ctx context.Context) {
	wait := tidyEvery
	for {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-s.sealNow:
			timer.Stop()
		case <-timer.C:
			s.enc = nil
			s.spans.rest()
			s.logs.rest()
		}
		if err := s.tidy(ctx); err == nil {
			wait = tidyEvery
		} else if wait = min(2*wait, retryMost); wait > retryMost/2 {
			wait = retryAfter
		}
	}
}

// tidy writes every full batch and keeps to the bounds of the disk.
func (s *Store) tidy(ctx context.Context) error {
	var errs []error
	for _, t := range []*table{&s.spans, &s.logs} {
		for ctx.Err() == nil {
			more, err := s.seal(t)
			if err != nil {
				s.said.warn("segment not written", err)
				t.shed()
			}
			errs = append(errs, err)
			if !more || err != nil {
				break
			}
		}
	}
	s.retain(0)
	s.version.Add(1)
	return errors.Join(errs...)
}

// seal writes the oldest full batch of a table. It returns false when there is none.
func (s *Store) seal(t *table) (bool, error) {
	t.mu.Lock()
	var b *batch
	if len(t.full) > 0 {
		b = t.full[0]
	}
	t.mu.Unlock()
	if b == nil {
		return false, nil
	}
	if s.enc == nil {
		var err error
		if s.enc, err = newEncoder(); err != nil {
			return false, err
		}
	}
	bytes := seal(b.memory, s.enc, t.o.now().UnixNano(), t.o.Chunk)
	s.retain(int64(len(bytes)))
	path := t.path(b.seq, "seg")
	if err := writeFile(t.o.disk, t.dir, path, bytes); err != nil {
		return false, err
	}
	seg := openSegment(t.o.disk, t.cache, path, b.seq)
	if seg.bad != nil {
		return false, fmt.Errorf("read back %s: %w", path, seg.bad)
	}
	seg.say = t.tell
	t.mu.Lock()
	t.segs = append(t.segs, seg)
	t.full = t.full[1:]
	t.ended = append(t.ended, b.j)
	t.mu.Unlock()
	wake(t.flushNow)
	return true, nil
}

func newEncoder() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true))
}

// writeFile gives a file its name only when all of it is on the disk.
func writeFile(d disk, dir, path string, b []byte) error {
	tmp := path + ".tmp"
	f, err := d.Create(tmp)
	if err != nil {
		return err
	}
	if _, err = f.WriteAt(b, 0); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = d.Rename(tmp, path)
	}
	if err != nil {
		return errors.Join(err, d.Remove(tmp))
	}
	return d.SyncDir(dir)
}

func (t *table) tell(err error) { t.said.warn("segment not readable", err) }

// shed drops the oldest batches where too many wait for a disk that takes nothing.
func (t *table) shed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	waits := int64(0)
	for _, b := range t.full {
		waits += b.bytes()
	}
	for len(t.full) > 1 && (len(t.full) >= maxFull || waits > t.o.Memory/fullShare) {
		old := t.full[0]
		waits -= old.bytes()
		t.full = t.full[1:]
		t.ended = append(t.ended, old.j)
		t.dropped.Add(int64(old.len()))
	}
	wake(t.flushNow)
}

// rest hands over a batch that is not small and into which nothing came for a while: what rests takes no memory.
func (t *table) rest() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.spare, t.model = nil, nil
	if b := t.active; b != nil && b.len() >= t.o.Rows/4 && t.o.now().Sub(b.last) >= tidyEvery {
		t.retire()
	}
}

// logShare is the part of the disk, in tenths, that logs may fill when there are spans enough for the rest.
const logShare = 3

// retain removes the oldest segments until the store and so many bytes more keep to age and size.
func (s *Store) retain(more int64) {
	oldest := s.o.now().Add(-s.o.Age).UnixNano()
	s.spans.expire(oldest)
	s.logs.expire(oldest)
	for {
		spans, logs := s.spans.bytes(), s.logs.bytes()
		if spans+logs+more+s.o.journals() <= s.o.Disk {
			return
		}
		from, other := &s.spans, &s.logs
		if logs > s.o.Disk*logShare/10 {
			from, other = other, from
		}
		if !from.evict() && !other.evict() {
			return
		}
	}
}

// bytes is the size of the segments.
func (t *table) bytes() (n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.segs {
		n += s.size
	}
	return n
}

// journals is the part of the disk that is kept free for journals.
func (o *Options) journals() int64 { return min(o.Disk/4, 128<<20) }

// expire removes segments that were written before a time.
func (t *table) expire(before int64) {
	for {
		t.mu.Lock()
		old := len(t.segs) > 0 && t.segs[0].bad == nil && t.segs[0].sealed < before
		t.mu.Unlock()
		if !old || !t.evict() {
			return
		}
	}
}

// evict removes the oldest segment. It returns false when there is none.
func (t *table) evict() bool {
	t.mu.Lock()
	if len(t.segs) == 0 {
		t.mu.Unlock()
		return false
	}
	old := t.segs[0]
	t.segs = t.segs[1:]
	t.mu.Unlock()
	old.drop()
	t.expired.Add(int64(old.meta.rows))
	return true
}
