package proxy

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"golang.org/x/net/http2"
)

// Bounds of HTTP/2. What is on its way to a side that is slow is held back by flow control.
const (
	h2Streams      = 1024                   // of one caller's connection, at once
	h2StreamBuffer = 128 << 10              // of one stream, in each direction
	h2ConnBuffer   = 2 << 20                // of all that one connection sends
	h2Frame        = 64 << 10               // longest frame
	h2Room         = 32 << 10               // of data that was written and not yet sent
	h2Stuck        = 1 << 20                // that a target does not take: its connection ends
	h2Resets       = 2 * h2Streams          // streams that a caller resets in one second
	h2Resizes      = 128                    // changes of what a peer takes of each stream, in one second
	h2Farewell     = 250 * time.Millisecond // between the GOAWAY and the end of a connection
)

// h2caller is one connection of a caller that speaks HTTP/2. Each of its streams goes to a target chosen for
// it, over connections that are this caller's alone: so the end of one is the end of the other, and a slow
// caller holds up nobody else. Frames are passed on one by one; heads are encoded anew, because each connection
// has a table of its own for them.
type h2caller struct {
	e    *Edge
	conn *h2conn

	mu      sync.Mutex // guards all below, and all of its connections and streams
	sent    sync.Cond  // something was sent
	to      map[*target]*h2pool
	dirty   []*h2conn   // have something to send
	over    []*h2stream // have ended, and are not recorded yet
	works   sync.WaitGroup
	closing bool // by Close
	closed  bool // the caller's connection has ended: no more works
	resets  rate // by the caller
	sweeper *time.Timer
}

// serveH2 serves a connection that began with the preface of HTTP/2, which is still in client.
func (e *Edge) serveH2(ctx context.Context, s *serving, client *wire) {
	ctx, cancel := context.WithCancel(ctx)
	x := &h2caller{e: e}
	x.sent.L = &x.mu
	x.conn = x.newConn(client, nil)
	defer x.end()
	defer cancel()
	if !s.add(x) {
		return
	}
	defer s.drop(x)
	_ = client.conn.SetReadDeadline(time.Now().Add(headTime)) // until its settings came
	if x.greeted() {
		_ = x.conn.serve(ctx) // its error is the end of the connection
	}
}

// greeted reads the whole preface.
func (x *h2caller) greeted() bool {
	b := make([]byte, len(http2.ClientPreface))
	_, err := io.ReadFull(h2reader{x.conn}, b)
	return err == nil && string(b) == http2.ClientPreface
}

// Close says farewell, ends all streams, and ends the connection soon after.
func (x *h2caller) Close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closing || x.closed {
		return nil
	}
	x.closing = true
	_ = x.conn.frames.WriteGoAway(x.conn.last, http2.ErrCodeNo, nil)
	for _, s := range x.conn.streams {
		s.abandon()
	}
	x.works.Go(x.flush)
	x.conn.farewell = time.AfterFunc(h2Farewell, func() { x.conn.wire.conn.Close() })
	return nil
}

// end closes the connections to targets and waits for all that goes on.
func (x *h2caller) end() {
	x.conn.wire.conn.Close()
	x.mu.Lock()
	x.closed = true
	if x.conn.farewell != nil {
		x.conn.farewell.Stop()
	}
	if x.sweeper != nil {
		x.sweeper.Stop()
	}
	for _, s := range x.conn.streams {
		s.left()
	}
	for _, p := range x.to {
		for _, c := range p.conns {
			c.wire.conn.Close()
		}
	}
	x.sent.Broadcast()
	x.mu.Unlock()
	x.works.Wait()
	x.flush()
	x.conn.wire.drop()
}

// flush sends all that waits to be sent, and records what has ended. It waits for a caller that does not read, and
// never for a target: others go on.
func (x *h2caller) flush() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for len(x.dirty) > 0 {
		c := x.dirty[len(x.dirty)-1]
		x.dirty = x.dirty[:len(x.dirty)-1]
		c.dirty = false
		c.flush()
	}
	for x.conn.flushing && len(x.conn.out) > 2*h2Room && !x.closed {
		x.sent.Wait() // a caller that does not read gets no more
	}
	for len(x.over) > 0 {
		s := x.over[len(x.over)-1]
		x.over = x.over[:len(x.over)-1]
		x.mu.Unlock()
		x.e.end(&s.call)
		x.mu.Lock()
	}
}

// fromCaller takes one frame that the caller sent.
func (x *h2caller) fromCaller(ctx context.Context, f http2.Frame) error {
	c, id := x.conn, f.Header().StreamID
	s := c.streams[id]
	switch f := f.(type) {
	case *http2.MetaHeadersFrame:
		switch {
		case s != nil:
			return s.requestTrailers(f)
		case id%2 == 0:
			return http2.ConnectionError(http2.ErrCodeProtocol)
		case id > c.last:
			c.last = id
			x.open(ctx, f)
		}
	case *http2.RSTStreamFrame:
		if s == nil {
			return nil
		}
		s.leftWith(f.ErrCode)
		return x.rapid()
	}
	return nil
}

// open begins a stream.
func (x *h2caller) open(ctx context.Context, f *http2.MetaHeadersFrame) {
	if len(x.conn.streams) >= h2Streams || x.closing || x.closed {
		x.conn.reset(f.StreamID, http2.ErrCodeRefusedStream)
		return
	}
	s := newH2Stream(x, f)
	x.conn.streams[f.StreamID] = s
	s.begin(ctx, f)
}

var errRapid = http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)

// rapid counts streams that the caller reset, and refuses a flood of them.
func (x *h2caller) rapid() error {
	if x.resets.over(h2Resets) {
		return errRapid
	}
	return nil
}

// rate counts what happens in one second.
type rate struct {
	n     int
	since time.Time
}

// over counts one more, and reports whether they are too many.
func (r *rate) over(most int) bool {
	if now := time.Now(); now.Sub(r.since) > time.Second {
		r.since, r.n = now, 0
	}
	r.n++
	return r.n > most
}

// work runs do aside, unless the caller is gone.
func (x *h2caller) work(do func()) {
	if !x.closed {
		x.works.Go(do)
	}
}

// h2reader reads a connection's bytes. Before it waits for more, all that was made of those read is sent.
type h2reader struct{ c *h2conn }

func (r h2reader) Read(b []byte) (int, error) {
	w, x := r.c.wire, r.c.x
	if w.r == w.w {
		x.flush()
		if err := w.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(b, w.bytes())
	if w.r += n; r.c.target == nil {
		x.e.count.sent.Add(int64(n))
	}
	return n, nil
}

// codeOf is the error code that ends a connection for a reason.
func codeOf(err error) (http2.ErrCode, bool) {
	var c http2.ConnectionError
	switch {
	case errors.As(err, &c):
		return http2.ErrCode(c), true
	case errors.Is(err, http2.ErrFrameTooLarge):
		return http2.ErrCodeFrameSize, true
	}
	return 0, false
}
