package otlp

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// listener holds at most max connections. One more closes the connection on which a request has ended the
// longest time ago, so that whoever opens many and sends nothing loses them first.
type listener struct {
	net.Listener
	max     int
	evicted *atomic.Int64

	mu    sync.Mutex
	conns map[*conn]struct{}
}

// Accept waits for a connection.
func (l *listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: nc, of: l}
	c.touch()
	if old := l.add(c); old != nil {
		l.evicted.Add(1)
		old.Close()
	}
	return c, nil
}

// add returns the connection that must go for it.
func (l *listener) add(c *conn) *conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	var old *conn
	if len(l.conns) >= l.max {
		for other := range l.conns {
			if old == nil || other.used.Load() < old.used.Load() {
				old = other
			}
		}
		delete(l.conns, old)
	}
	l.conns[c] = struct{}{}
	return old
}

// conn is a connection that knows when it was of use.
type conn struct {
	net.Conn
	of   *listener
	used atomic.Int64 // ns: accepted, or the end of the last request
}

func (c *conn) touch() { c.used.Store(time.Now().UnixNano()) }

// Close closes the connection and makes room for another.
func (c *conn) Close() error {
	c.of.mu.Lock()
	delete(c.of.conns, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// RemoteAddr returns an address that leads back to the connection: gRPC hands nothing else to a handler.
func (c *conn) RemoteAddr() net.Addr { return addr{c.Conn.RemoteAddr(), c} }

type addr struct {
	net.Addr
	conn *conn
}
