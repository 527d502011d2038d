package proxy

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync"
)

// h2pool is the HTTP/2 connections of one caller to one target: one, and more where that one has as many
// streams as the target allows.
type h2pool struct {
	t  *target
	tr *http.Transport

	mu     sync.Mutex
	conns  []*http.ClientConn
	dial   *h2dial // the one that is being made; nil: none
	closed bool
}

// h2dial is a connection that is being made. Those who want it wait for done.
type h2dial struct {
	done chan struct{}
	err  error
}

// unreachable is a target that no connection could be made to: the request can go to another.
type unreachable struct{ error }

func (u unreachable) Unwrap() error { return u.error }

func newH2Pool(t *target) *h2pool {
	return &h2pool{t: t, tr: &http.Transport{
		Protocols: unencryptedH2(), DisableCompression: true, MaxResponseHeaderBytes: maxHead,
		HTTP2:       &http.HTTP2Config{MaxReadFrameSize: h2Frame, MaxReceiveBufferPerStream: h2StreamBuffer},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return connect(ctx, t) },
	}}
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
	c, err := p.tr.NewClientConn(ctx, "http", p.t.addr)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dial = nil
	switch {
	case err == nil && p.closed:
		c.Close()
	case err == nil:
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
