package proxy

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// h2pool is the HTTP/2 connections of one caller to one target: one, and more where that one has as many
// streams as the target allows.
type h2pool struct {
	t *target

	mu     sync.Mutex
	conns  []*http.ClientConn
	dial   *h2dial // the one that is being made; nil: none
	closed bool
}

// h2dial is a connection that is being made. Those who want it wait for done.
type h2dial struct {
	done chan struct{}
	err  error
	conn *upstream
}

// unreachable is a target that no connection could be made to: the request can go to another.
type unreachable struct{ error }

func (u unreachable) Unwrap() error { return u.error }

// transport returns what makes the connection of d, and only that.
func (p *h2pool) transport(d *h2dial) *http.Transport {
	return &http.Transport{
		Protocols: unencryptedH2(), DisableCompression: true, MaxResponseHeaderBytes: maxHead,
		HTTP2: &http.HTTP2Config{MaxReadFrameSize: h2Frame, MaxReceiveBufferPerStream: h2StreamBuffer},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			c, err := connect(ctx, p.t)
			if err != nil {
				return nil, err
			}
			d.conn = &upstream{Conn: c}
			return d.conn, nil
		},
	}
}

// take returns a connection with room for one stream, which the next RoundTrip takes.
func (p *h2pool) take(ctx context.Context) (*http.ClientConn, error) {
	for {
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			return nil, net.ErrClosed
		}
		p.conns = slices.DeleteFunc(p.conns, func(c *http.ClientConn) bool { return c.Err() != nil })
		for _, c := range p.conns {
			if c.Reserve() == nil {
				p.mu.Unlock()
				return c, nil
			}
		}
		d, mine := p.dial, false
		if d == nil {
			d, mine = &h2dial{done: make(chan struct{})}, true
			p.dial = d
		}
		p.mu.Unlock()
		if mine {
			p.connect(ctx, d)
		}
		select {
		case <-d.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if d.err != nil {
			return nil, unreachable{d.err}
		}
	}
}

// connect makes a connection. That the one who asks leaves is not the others' concern: they try again.
func (p *h2pool) connect(ctx context.Context, d *h2dial) {
	tr := p.transport(d)
	c, err := tr.NewClientConn(ctx, "http", p.t.addr)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dial = nil
	switch {
	case err == nil && p.closed:
		c.Close()
	case err == nil:
		d.conn.ours.Store(c)
		p.conns = append(p.conns, c)
	case ctx.Err() == nil:
		d.err = err
	}
	close(d.done)
}

func (p *h2pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, c := range p.conns {
		c.Close()
	}
}

// upstream is a connection to a target. It looks for the GOAWAY of a target that ends: one that has no stream
// then is closed, because the target waits for that.
type upstream struct {
	net.Conn
	ours atomic.Pointer[http.ClientConn]
	head [h2FrameHead]byte // of the frame that is being read
	n    int               // bytes of head
	skip int               // bytes of the frame's payload
}

// Frames of HTTP/2.
const (
	h2FrameHead = 9 // length in three bytes, type, flags, stream
	h2GoAway    = 7
)

// h2Leave is how long after a GOAWAY a connection without a stream is closed: by then it takes no new one.
const h2Leave = 5 * time.Millisecond

func (u *upstream) Read(b []byte) (int, error) {
	n, err := u.Conn.Read(b)
	u.look(b[:n])
	return n, err
}

func (u *upstream) look(b []byte) {
	for len(b) > 0 {
		if u.skip > 0 {
			n := min(u.skip, len(b))
			u.skip -= n
			b = b[n:]
			continue
		}
		n := copy(u.head[u.n:], b)
		b = b[n:]
		if u.n += n; u.n < len(u.head) {
			return
		}
		u.n, u.skip = 0, int(u.head[0])<<16|int(u.head[1])<<8|int(u.head[2])
		if u.head[3] == h2GoAway {
			time.AfterFunc(h2Leave, u.leave)
		}
	}
}

func (u *upstream) leave() {
	if c := u.ours.Load(); c != nil && c.InFlight() == 0 {
		c.Close()
	}
}
