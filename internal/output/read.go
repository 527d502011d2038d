package output

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"time"
)

// Query chooses lines. The zero value chooses all that are kept.
type Query struct {
	FromSeq uint64         // the first sequence number
	Since   time.Time      // the earliest time; zero is any
	Grep    *regexp.Regexp // must match the text without colours; nil matches all
}

func (q Query) match(l Line) bool {
	return l.Seq >= q.FromSeq && (q.Since.IsZero() || !l.At.Before(q.Since)) &&
		(q.Grep == nil || q.Grep.Match(bare(l.Text)))
}

// Read calls fn for each line that is kept in dir and that q chooses, in order, until the end as it is
// now. The lines are fn's to keep.
func Read(ctx context.Context, dir string, q Query, fn func(Line) error) error {
	c := cursor{dir: dir, q: q, next: q.FromSeq}
	defer c.close()
	return c.drain(ctx, func(lines []Line) error {
		for _, l := range lines {
			if err := fn(l); err != nil {
				return err
			}
		}
		return nil
	})
}

// Tail returns the last n lines in dir, oldest first.
func Tail(dir string, n int) ([]Line, error) {
	segs, err := segments(dir)
	if err != nil {
		return nil, fmt.Errorf("read log: %w", err)
	}
	var tail []Line
	for i := len(segs) - 1; i >= 0 && len(tail) < n; i-- {
		lines, err := segs[i].last(n - len(tail))
		if err != nil {
			return nil, fmt.Errorf("read log: %w", err)
		}
		tail = append(lines, tail...)
	}
	return tail, nil
}

// last returns the last n lines of one segment.
func (s segment) last(n int) ([]Line, error) {
	f, err := os.Open(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // dropped meanwhile
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var ring []Line
	c := chunks{f: f}
	for {
		b, err := c.next()
		if err != nil || len(b) == 0 {
			return ring[max(0, len(ring)-n):], err
		}
		done, _ := parse(b, true, func(l Line, _ int) error {
			if ring = append(ring, l); len(ring) >= 2*n+64 {
				ring = append(ring[:0], ring[len(ring)-n:]...)
			}
			return nil
		})
		if done == 0 {
			return ring[max(0, len(ring)-n):], nil
		}
		c.off += int64(done)
	}
}

// cursor is a place in a log, moved forward by drain. It tolerates everything that a writer, retention or
// somebody with rm does meanwhile.
type cursor struct {
	dir  string
	q    Query
	next uint64 // the sequence number to come; 0 where the first line is not known
	gone uint64 // segments that begin here or before were dropped before they could be read
	seg  segment
	in   chunks
}

func (c *cursor) close() {
	if c.in.f != nil {
		c.in.f.Close()
		c.in.f = nil
	}
}

// unread is what kept a log from being read, told from what the reader's own function returns.
type unread struct{ err error }

func (u *unread) Error() string { return "read log: " + u.err.Error() }
func (u *unread) Unwrap() error { return u.err }

// drain hands out, in batches, all chosen lines from the cursor to the end as it is now.
func (c *cursor) drain(ctx context.Context, fn func([]Line) error) error {
	for ctx.Err() == nil {
		later, err := c.later()
		if err != nil {
			return &unread{err}
		}
		if c.in.f != nil {
			if err := c.rest(ctx, later != nil, fn); err != nil {
				return err
			}
		}
		if later == nil {
			return ctx.Err()
		}
		if err := c.enter(*later); err != nil {
			return &unread{err}
		}
	}
	return ctx.Err()
}

// later returns the segment after the cursor's, or nil. Looked up before the cursor's own is read to its
// end, it proves that nothing can be added to that any more.
func (c *cursor) later() (*segment, error) {
	segs, err := segments(c.dir)
	if err != nil {
		return nil, err
	}
	if c.in.f != nil && c.removed(segs) {
		c.close() // the log was removed and perhaps begun anew
		c.next, c.gone, c.q.FromSeq = 0, 0, 0
	}
	if c.in.f == nil {
		return c.first(segs), nil
	}
	for i := range segs {
		if segs[i].first > c.seg.first {
			return &segs[i], nil
		}
	}
	return nil, nil
}

// removed reports whether somebody else than retention took away the segment that is being read.
func (c *cursor) removed(segs []segment) bool {
	if len(segs) == 0 || segs[len(segs)-1].first < c.seg.first {
		return true
	}
	named, err := os.Stat(c.seg.path)
	if err != nil {
		return false
	}
	have, err := c.in.f.Stat()
	return err == nil && !os.SameFile(named, have)
}

// first returns the segment to begin with: the last that starts at or before what is wanted.
func (c *cursor) first(segs []segment) *segment {
	segs = slices.DeleteFunc(segs, func(s segment) bool { return s.first <= c.gone })
	if len(segs) == 0 {
		return nil
	}
	at := 0
	for i := range segs {
		if segs[i].first <= max(c.q.FromSeq, c.next) || (!c.q.Since.IsZero() && segs[i].before(c.q.Since)) {
			at = i
		}
	}
	return &segs[at]
}

// before reports whether the segment's first line is older than t.
func (s segment) before(t time.Time) bool {
	f, err := os.Open(s.path)
	if err != nil {
		return false
	}
	defer f.Close()
	b := make([]byte, headerSize)
	if _, err := f.ReadAt(b, int64(len(magic))); err != nil || b[0] != mark {
		return false
	}
	return headTime(b).Before(t)
}

// enter opens s. Where retention was faster it stays closed, and the next look finds what is left.
func (c *cursor) enter(s segment) error {
	c.close()
	f, err := os.Open(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		c.gone = s.first
		return nil
	}
	if err != nil {
		return err
	}
	c.seg, c.in, c.gone = s, chunks{f: f}, 0
	return nil
}

// rest reads the open segment to its end as it is now. final says that nothing will be added.
func (c *cursor) rest(ctx context.Context, final bool, fn func([]Line) error) error {
	for ctx.Err() == nil {
		b, err := c.in.next()
		if err != nil {
			return &unread{err}
		}
		if len(b) == 0 {
			return nil
		}
		lines, done := c.lines(b, final)
		if done == 0 {
			return nil
		}
		c.in.off += int64(done)
		if len(lines) > 0 {
			if err := fn(lines); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// lines parses b and keeps what was not handed out before and is chosen. A gap becomes a note.
func (c *cursor) lines(b []byte, final bool) (out []Line, done int) {
	out = make([]Line, 0, 1+bytes.Count(b, []byte{mark}))
	done, _ = parse(b, final, func(l Line, _ int) error {
		if l.Seq < c.next {
			return nil
		}
		if c.next > 0 && l.Seq > c.next && c.q.FromSeq <= c.next {
			text := fmt.Sprintf("%d lines are missing here: they were dropped to bound the log", l.Seq-c.next)
			out = append(out, Line{Seq: l.Seq - 1, At: l.At, Stream: Note, Text: []byte(text)})
		}
		c.next = l.Seq + 1
		if c.q.match(l) {
			out = append(out, l)
		}
		return nil
	})
	return out, done
}
