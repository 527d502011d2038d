package proxy

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// h2Idle is how often connections to targets are looked at: one without a stream since the last time ends.
const h2Idle = 15 * time.Second

// sweepLater sees to it that connections to targets do not wait for ever.
func (x *h2caller) sweepLater() {
	if x.sweeper == nil && !x.closed {
		x.sweeper = time.AfterFunc(h2Idle, x.sweep)
	}
}

// sweep closes the connections to targets that nobody used since the last time, and comes again while there are any.
func (x *h2caller) sweep() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.sweeper = nil
	for _, p := range x.to {
		for _, c := range p.conns {
			if len(c.streams) == 0 && c.seen == c.last {
				c.retire()
			}
			c.seen = c.last
			x.sweepLater()
		}
	}
}

// tidy forgets the pool of a target that has nothing.
func (x *h2caller) tidy(t *target) {
	if p := x.to[t]; p != nil && len(p.conns) == 0 && p.dial == nil {
		delete(x.to, t)
	}
}

// retire lets a connection take no new stream, and end with its last one.
func (c *h2conn) retire() {
	c.leaving = true
	c.closeIdle()
}

// h2open is the HTTP/2 connections that callers have to one target. Its zero value is empty; it is safe for concurrent
// use. Its lock is taken after those of callers.
type h2open struct {
	mu     sync.Mutex
	conns  map[*h2conn]struct{}
	closed bool // the target is no longer in the list
}

// add keeps a connection, whose caller is locked, unless it takes no new stream.
func (o *h2open) add(c *h2conn) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		c.retire()
	}
	if c.leaving {
		return false
	}
	if o.conns == nil {
		o.conns = map[*h2conn]struct{}{}
	}
	o.conns[c] = struct{}{}
	return true
}

func (o *h2open) remove(c *h2conn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.conns, c)
}

// retire lets all connections end with their last streams, those too that are made from now on.
func (o *h2open) retire() {
	for _, c := range o.close() {
		c.x.mu.Lock()
		c.retire()
		c.x.mu.Unlock()
	}
}

func (o *h2open) close() []*h2conn {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	return slices.Collect(maps.Keys(o.conns))
}
