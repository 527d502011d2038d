package proxy

import (
	"cmp"
	"errors"
)

// turn is one question to a callee and the first of its answer.
type turn struct {
	try  func(fd uintptr) bool // sayNow, bound when it is first asked for
	w    *wire
	by   sayer // nil: it is said
	size int
	idle bool
}

// sayer is told that something was said: how much of it, and why not all. Nothing was waited for yet. An error of its own ends
// the turn.
type sayer interface{ said(n int, err error) error }

// errStale is an idle connection that its peer has ended, or on which it said something unasked. Nothing was written to it.
var errStale = errors.New("the connection was ended while it was idle")

// say writes b and waits for the first bytes of the answer. The wait begins before the write, so that neither a look at an idle
// connection nor a read that comes too early costs a turn of its own: a request needs a fifth fewer reads.
func (t *turn) say(w *wire, b []byte, idle bool, by sayer) error {
	if t.try == nil {
		t.try = t.sayNow
	}
	t.w, t.by, t.size, t.idle = w, by, len(b), idle
	w.out, w.lost, w.err = b, nil, nil
	err := w.raw.Read(t.try)
	unsaid := t.by != nil
	t.w, t.by = nil, nil
	if !unsaid { // and another goroutine may be writing
		return cmp.Or(err, w.err)
	}
	rest := w.out
	if w.out = nil; err != nil || w.err != nil {
		return cmp.Or(err, w.err)
	}
	n, err := w.write(rest) // there was no room
	if err := by.said(len(b)-len(rest)+n, err); err != nil || w.r < w.w {
		return err
	}
	return w.fill()
}

// sayNow looks whether something has come, writes, and reads. It is false where nothing is to be read yet.
func (t *turn) sayNow(fd uintptr) bool {
	w := t.w
	if t.by == nil {
		return w.readNow(fd)
	}
	spoke := w.readNow(fd)
	if spoke && t.idle {
		w.err = errStale
		return true
	}
	if !w.writeNow(fd) {
		return true // say waits for room
	}
	by, n, lost := t.by, t.size-len(w.out), w.lost
	t.by, w.out = nil, nil
	if err := by.said(n, lost); err != nil { // from here on another goroutine may write
		w.err = err
		return true
	}
	return spoke || lost != nil && w.readNow(fd)
}
