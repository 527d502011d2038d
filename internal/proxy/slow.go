package proxy

import (
	"net/http"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/sys/unix"
)

// What a caller may take its time for. The callee cannot see to it, because it is told of a request when its head is
// whole. haproxy gives a head 10 seconds, nginx and Node 60.
const (
	silentTime = 30 * time.Second // for the first byte of a new connection
	headTime   = 10 * time.Second // for a head, from its first bytes on
	uploadTime = 5 * time.Second  // for the rest of a request whose callee has answered and ended its connection
)

var errSlowHead = &refusal{http.StatusRequestTimeout, "the head of the request did not come within " + headTime.String()}

// greeted waits for the first bytes of a connection.
func (x *caller) greeted() error {
	_ = x.wire.conn.SetReadDeadline(time.Now().Add(silentTime))
	defer x.wire.conn.SetReadDeadline(time.Time{})
	return x.wire.fill()
}

// upload waits until the rest of the request is sent. It is false where the callee ends its connection before: its
// answer was passed on whole, so that the caller is told of the end at once, and may send on for a short while.
func (r *exchange) upload() bool {
	x, server := r.x, r.server
	if server.raw == nil {
		return true // nobody can look without reading
	}
	select {
	case <-x.side.rest:
		return true
	default:
	}
	over := make(chan error, 1)
	go func() { over <- server.spoken() }()
	select {
	case <-x.side.rest:
		_ = server.conn.SetReadDeadline(longAgo)
		err := <-over
		_ = server.conn.SetReadDeadline(time.Time{})
		return timedOut(err)
	case err := <-over:
		if r.hung = !x.hasLeft(); err == nil {
			r.outlast()
		}
	}
	return false
}

// outlast passes on the callee's end, and lets the caller send on for a while: the callee may still read.
func (r *exchange) outlast() {
	closeWrite(r.x.wire.conn)
	t := time.NewTimer(r.x.e.patient(uploadTime))
	defer t.Stop()
	select {
	case <-r.x.side.rest:
	case <-t.C:
	}
}

// patient is how long to wait.
func (e *Edge) patient(d time.Duration) time.Duration {
	if e.hasty > 0 {
		return e.hasty
	}
	return d
}

// spoken waits until the peer says something that it was not asked for, or ends in order; an error is another end, or
// the read deadline.
func (w *wire) spoken() error {
	if w.r < w.w {
		return nil
	}
	var broken error
	err := w.raw.Read(func(fd uintptr) bool {
		var one [1]byte
		_, _, err := unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		if err == unix.EAGAIN || err == unix.EINTR {
			return false
		}
		broken = err
		return true
	})
	if err != nil {
		return err
	}
	return broken
}

// readFrame reads the next frame. The head of a request, in however many frames, has a time to be whole.
func (c *h2conn) readFrame() (http2.Frame, error) {
	h, err := c.frames.ReadFrameHeader()
	if err != nil {
		return nil, err
	}
	whole := h.Flags.Has(http2.FlagHeadersEndHeaders) && c.wire.w-c.wire.r >= int(h.Length)
	if c.target != nil || h.Type != http2.FrameHeaders || whole || !c.known {
		return c.frames.ReadFrameForHeader(h)
	}
	_ = c.wire.conn.SetReadDeadline(time.Now().Add(headTime))
	defer c.wire.conn.SetReadDeadline(time.Time{})
	f, err := c.frames.ReadFrameForHeader(h)
	if timedOut(err) {
		c.x.e.reject(errSlowHead)
		err = errSlowFrames
	}
	return f, err
}

// errSlowFrames ends a connection whose caller does not finish the head of a request.
var errSlowFrames = http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)

// reject counts and records a request that is not forwarded.
func (e *Edge) reject(r *refusal) {
	at := time.Now()
	if r == errSlowHead {
		at = at.Add(-headTime)
	}
	c := e.begin(at, "http")
	c.Name, c.Code, c.Err = "refused", r.status, r.why
	e.end(c)
}
