package bus

import (
	"net"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// line knows whether the network connection below Watermill's is there. Watermill's may be asked only while
// it is: what it reads to answer is replaced, without a lock, when the line is lost.
type line struct{ conn atomic.Pointer[lineConn] }

func (l *line) up() bool { return l.conn.Load() != nil }

func (l *line) dial(network, addr string) (net.Conn, error) {
	conn, err := amqp.DefaultDial(30*time.Second)(network, addr)
	if err != nil {
		return nil, err
	}
	c := &lineConn{conn, l}
	l.conn.Store(c)
	return c, nil
}

// lineConn is the line's newest connection until it ends.
type lineConn struct {
	net.Conn
	line *line
}

func (c *lineConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil {
		c.line.conn.CompareAndSwap(c, nil)
	}
	return n, err
}

func (c *lineConn) Close() error {
	c.line.conn.CompareAndSwap(c, nil)
	return c.Conn.Close()
}
