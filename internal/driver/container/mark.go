package container

import (
	"fmt"
	"time"

	"msctl.dev/msctl/internal/output"
)

const (
	tailLines = 2000
	// skew is more than the time by which the engine may write the lines of two streams in another order
	// than that of their time stamps.
	skew = 200 * time.Millisecond
)

// mark says where the stored output ends, by the engine's time stamps: for each stream the last one and how
// many lines carry it. Within one stream the stamps are in order, across the two they may not be.
type mark struct {
	out, err place
}

type place struct {
	at time.Time
	n  int
}

// markOf finds the mark at the end of stored lines.
func markOf(tail []output.Line) mark {
	var m mark
	if len(tail) == tailLines { // a stream that is silent in here ended before
		m.out.at, m.err.at = tail[0].At, tail[0].At
	}
	for _, line := range tail {
		m.add(line.Stream, line.At)
	}
	return m
}

// of returns the place of a stream, or nil for msctl's own remarks.
func (m *mark) of(s output.Stream) *place {
	switch s {
	case output.Stdout:
		return &m.out
	case output.Stderr:
		return &m.err
	}
	return nil
}

func (m *mark) add(s output.Stream, at time.Time) {
	p := m.of(s)
	switch {
	case p == nil:
	case at.Equal(p.at):
		p.n++
	default:
		*p = place{at: at, n: 1}
	}
}

// since is what to ask the engine for: a little more than what is missing, "" for all.
func (m *mark) since() string {
	last := m.out.at
	if m.err.at.After(last) {
		last = m.err.at
	}
	if last.IsZero() {
		return ""
	}
	from := last.Add(-skew)
	return fmt.Sprintf("%d.%09d", from.Unix(), from.Nanosecond())
}

// resume starts to skip what is stored.
func (m *mark) resume() *resumption { return &resumption{from: *m} }

// resumption tells, while output is read again, what is stored already.
type resumption struct {
	from     mark
	out, err bool // past what is stored
}

// skip reports whether this line is stored. After the last that is, none is, should the clock be set back.
func (r *resumption) skip(s output.Stream, at time.Time) bool {
	p, past := &r.from.out, &r.out
	if s == output.Stderr {
		p, past = &r.from.err, &r.err
	}
	switch {
	case *past:
		return false
	case at.Before(p.at):
		return true
	case at.Equal(p.at) && p.n > 0:
		p.n--
		*past = p.n == 0
		return true
	}
	*past = true
	return false
}
