package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"golang.org/x/net/http2"
)

// h2pool is the connections of one caller to one target: one, and more where that one has as many streams as
// the target allows.
type h2pool struct {
	conns []*h2conn
	dial  *h2dial // the one that is being made; nil: none
}

// h2dial is a connection that is being made. Those who want it wait for done.
type h2dial struct {
	done chan struct{}
	err  error
}

// pool returns the connections to a target.
func (x *h2caller) pool(t *target) *h2pool {
	p := x.to[t]
	if p == nil {
		p = &h2pool{}
		if x.to == nil {
			x.to = map[*target]*h2pool{}
		}
		x.to[t] = p
	}
	return p
}

// room returns a connection that takes one more stream, or nil.
func (x *h2caller) room(t *target) *h2conn {
	p := x.to[t]
	if p == nil {
		return nil
	}
	for _, c := range p.conns {
		if !c.leaving && len(c.streams) < int(min(c.most, h2Streams)) && len(c.out) < h2Stuck/4 {
			return c
		}
	}
	return nil
}

// reach makes a connection to a target, or waits for the one that another stream makes. That the one who makes it
// leaves is not the others' concern: they try again.
func (x *h2caller) reach(ctx context.Context, t *target) error {
	x.mu.Lock()
	p := x.pool(t)
	d := p.dial
	if d != nil {
		x.mu.Unlock()
		select {
		case <-d.done:
			return d.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	d = &h2dial{done: make(chan struct{})}
	p.dial = d
	x.mu.Unlock()
	c, err := x.connect(ctx, t)
	x.mu.Lock()
	defer x.mu.Unlock()
	p.dial, d.err = nil, err
	switch {
	case err != nil:
	case x.closed:
		c.wire.conn.Close() // the caller's end did not know of it, and waits for its reader
	default:
		p.conns = append(p.conns, c)
		x.sweepLater()
	}
	x.tidy(t)
	close(d.done)
	return err
}

var (
	errSilent = errors.New("it does not speak HTTP/2")
	errFull   = errors.New("it takes no streams")
)

// connect makes a connection, and returns when the target has told its settings.
func (x *h2caller) connect(ctx context.Context, t *target) (*h2conn, error) {
	raw, err := connect(ctx, t)
	if err != nil {
		return nil, err
	}
	c := x.newConn(newWire(raw, 0), t)
	x.mu.Lock()
	if x.closed {
		x.mu.Unlock()
		raw.Close()
		return nil, net.ErrClosed
	}
	x.works.Go(func() { x.lost(ctx, c, c.serve(ctx)) })
	x.mu.Unlock()
	late := time.NewTimer(dialTimeout)
	defer late.Stop()
	select {
	case <-c.ready:
		x.mu.Lock()
		defer x.mu.Unlock()
		switch {
		case c.known && c.most > 0 && t.h2.add(c):
			return c, nil
		case c.known:
			err = errFull // or it left already
		default:
			err = fmt.Errorf("%w: %v", errSilent, c.err)
		}
	case <-late.C:
		err = errSilent
	case <-ctx.Done():
		raw.Close()
		return nil, ctx.Err()
	}
	t.fail(false)
	raw.Close()
	return nil, err
}

// lost takes the end of a connection to a target.
func (x *h2caller) lost(ctx context.Context, c *h2conn, err error) {
	c.wire.conn.Close()
	x.mu.Lock()
	if p := x.to[c.target]; p != nil {
		p.conns = slices.DeleteFunc(p.conns, func(one *h2conn) bool { return one == c })
		x.tidy(c.target)
	}
	c.target.h2.remove(c)
	c.leaving = true
	if c.err == nil {
		c.err = err
	}
	if !c.known {
		close(c.ready)
	}
	for _, s := range c.streams {
		s.lost(ctx, c.err, false)
	}
	x.sent.Broadcast()
	x.mu.Unlock()
	x.flush()
	c.wire.drop()
}

// leave takes a GOAWAY: the target takes no new stream, and none behind the last.
func (c *h2conn) leave(ctx context.Context, last uint32) {
	c.leaving = true
	for id, s := range c.streams {
		if id > last {
			s.lost(ctx, http2.StreamError{StreamID: id, Code: http2.ErrCodeRefusedStream}, true)
		}
	}
	c.closeIdle()
}

// closeIdle closes a connection that takes no new stream and has none: its target waits for that.
func (c *h2conn) closeIdle() {
	if c.target != nil && c.leaving && len(c.streams) == 0 {
		c.wire.conn.Close()
	}
}
