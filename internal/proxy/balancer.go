// Package proxy is one edge of the stack on the wire: a listener, the connections that it takes, and
// where they go.
package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// Balancer spreads the TCP connections of one listener over the replicas of a service: each goes to the
// one that has the fewest. Its zero value has no targets and closes what it gets. It is safe for
// concurrent use.
type Balancer struct {
	mu      sync.Mutex
	targets []*target
	next    int // where to look first among equals
}

// target is one replica.
type target struct {
	addr string
	open int // connections
}

// Timeouts of the balancer.
const (
	dialTimeout = 5 * time.Second
	backlogWait = 5 * time.Millisecond // after an accept that failed for want of file descriptors
)

// keepAlive finds a peer that has vanished without a word.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3}

// SetTargets replaces the addresses that new connections go to. Open ones stay where they are.
func (b *Balancer) SetTargets(addrs []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var targets []*target
	for _, addr := range addrs {
		i := slices.IndexFunc(b.targets, func(t *target) bool { return t.addr == addr })
		if i >= 0 {
			targets = append(targets, b.targets[i])
			continue
		}
		targets = append(targets, &target{addr: addr})
	}
	b.targets = targets
}

// Serve takes connections from ln until ctx ends, then closes ln and every connection, and returns when
// all have ended.
func (b *Balancer) Serve(ctx context.Context, ln net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var conns sync.WaitGroup
	defer conns.Wait()
	defer cancel()
	defer context.AfterFunc(ctx, func() { ln.Close() })()
	for {
		c, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			if temporary(err) && pause(ctx, backlogWait) {
				continue
			}
			return err
		}
		conns.Go(func() { b.carry(ctx, c) })
	}
}

// temporary reports an accept that may work the next time: the process is out of file descriptors, or the
// peer was gone before its turn.
func temporary(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && !errors.Is(err, net.ErrClosed)
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// carry connects one client to a replica for as long as both want.
func (b *Balancer) carry(ctx context.Context, client net.Conn) {
	defer client.Close()
	server, done := b.dial(ctx)
	if server == nil {
		abort(client)
		return
	}
	defer done()
	defer server.Close()
	for _, c := range []net.Conn{client, server} {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetKeepAliveConfig(keepAlive) // without it a vanished peer is found later
		}
	}
	defer context.AfterFunc(ctx, func() { client.Close(); server.Close() })()
	var pumps sync.WaitGroup
	pumps.Go(func() { pump(server, client) })
	pumps.Go(func() { pump(client, server) })
	pumps.Wait()
}

// dial connects to the replica with the fewest connections, or to the next where that one does not answer.
func (b *Balancer) dial(ctx context.Context) (net.Conn, func()) {
	for _, t := range b.order() {
		b.count(t, 1)
		c, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", t.addr)
		if err == nil {
			return c, func() { b.count(t, -1) }
		}
		b.count(t, -1)
	}
	return nil, nil
}

// order returns the targets, those with few connections first, and equals in turn.
func (b *Balancer) order() []*target {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(b.targets)
	if n == 0 {
		return nil
	}
	b.next = (b.next + 1) % n
	order := append(slices.Clone(b.targets[b.next:]), b.targets[:b.next]...)
	open := make(map[*target]int, n)
	for _, t := range order {
		open[t] = t.open
	}
	slices.SortStableFunc(order, func(x, y *target) int { return open[x] - open[y] })
	return order
}

func (b *Balancer) count(t *target, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t.open += n
}

// pump copies one direction to its end. An orderly end is passed on as one, so that the other direction
// may go on; a reset is passed on as a reset.
func pump(to, from net.Conn) {
	_, err := io.Copy(to, from)
	if err != nil {
		abort(to)
		abort(from)
		return
	}
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // the peer may be gone already
	}
}

// abort closes a connection so that its peer sees a reset instead of an orderly end.
func abort(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	c.Close()
}
