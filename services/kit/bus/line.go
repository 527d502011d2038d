package bus

import (
	"net"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// line knows whether the network connection below Watermill's is there. Watermill's may be asked only while it
// is: what it reads to answer is replaced, without a lock, after the line was lost and before there is another.
type line struct {
	mu   sync.Mutex
	conn *lineConn // nil: there is none
}

// up reports whether the line is there and ready says so too, which is called with the line held.
func (l *line) up(ready func() bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.conn != nil && ready()
}

// cut ends the connection, for the server too.
func (l *line) cut() {
	l.mu.Lock()
	conn := l.conn
	l.mu.Unlock()
	if conn != nil {
		conn.Close()
	}
}

func (l *line) dial(network, addr string) (net.Conn, error) {
	conn, err := amqp.DefaultDial(30*time.Second)(network, addr)
	if err != nil {
		return nil, err
	}
	c := &lineConn{conn, l}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn = c
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
		c.Close() // who is in the middle of a write would else be held, and who waits for them
	}
	return n, err
}

func (c *lineConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err != nil {
		c.Close()
	}
	return n, err
}

func (c *lineConn) Close() error {
	c.lost()
	return c.Conn.Close()
}

// lost comes before Watermill hears of it.
func (c *lineConn) lost() {
	c.line.mu.Lock()
	defer c.line.mu.Unlock()
	if c.line.conn == c {
		c.line.conn = nil
	}
}
