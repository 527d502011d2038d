package proxy

import (
	"bytes"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// Bounds of HTTP/2. What is on its way to a side that is slow is held back by flow control.
const (
	h2Streams      = 1024                   // of one caller's connection, at once
	h2StreamBuffer = 128 << 10              // of one stream, in each direction
	h2ConnBuffer   = 2 << 20                // of all that a caller's connection sends
	h2Frame        = 64 << 10               // longest frame
	h2Farewell     = 250 * time.Millisecond // between the GOAWAY and the end of a connection
)

// h2caller is one connection of a caller that speaks HTTP/2. Each of its streams goes to a target chosen for
// it, over connections that are this caller's alone: so the end of one is the end of the other, and a slow
// caller holds up nobody else.
type h2caller struct {
	e      *Edge
	conn   *replayed
	goaway func()

	mu       sync.Mutex
	to       map[*target]*h2pool
	closed   bool
	streams  sync.WaitGroup // added to under mu, before closed
	farewell *time.Timer
}

// serveH2 serves a connection that began with the preface of HTTP/2, which is still in client.
func (e *Edge) serveH2(ctx context.Context, s *serving, client *wire) {
	c := &replayed{Conn: client.conn, held: bytes.Clone(client.bytes()), count: &e.count, closed: make(chan struct{})}
	client.drop()
	x := &h2caller{e: e, conn: c}
	srv := &http.Server{
		Handler: x, Protocols: unencryptedH2(), MaxHeaderBytes: maxHead, ErrorLog: log.New(io.Discard, "", 0),
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: h2Streams, MaxReadFrameSize: h2Frame,
			MaxReceiveBufferPerStream: h2StreamBuffer, MaxReceiveBufferPerConnection: h2ConnBuffer},
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	x.goaway = func() { _ = srv.Shutdown(ctx) }
	defer x.end()
	if s.add(x) {
		defer s.drop(x)
		_ = srv.Serve(&oneConn{conn: c}) // its error is the end of the connection
	}
}

func unencryptedH2() *http.Protocols {
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	return &p
}

// Close says farewell and ends the connection soon after. The streams end because their context does.
func (x *h2caller) Close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed || x.farewell != nil {
		return nil
	}
	x.farewell = time.AfterFunc(h2Farewell, func() { x.conn.Close() })
	x.goaway()
	return nil
}

// end closes the connections to targets and waits for the streams.
func (x *h2caller) end() {
	x.conn.Close()
	x.mu.Lock()
	x.closed = true
	if x.farewell != nil {
		x.farewell.Stop()
	}
	for _, p := range x.to {
		p.close()
	}
	x.mu.Unlock()
	x.streams.Wait()
}

// ServeHTTP carries one stream. The server calls it for each, in a goroutine of its own.
func (x *h2caller) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x.mu.Lock()
	if x.closed {
		x.mu.Unlock()
		panic(http.ErrAbortHandler)
	}
	x.streams.Add(1)
	x.mu.Unlock()
	defer x.streams.Done()
	s := &h2stream{x: x, w: w, r: r, grpc: isGRPC(r.Header)}
	s.carry()
}

// pool returns the connections to a target.
func (x *h2caller) pool(t *target) *h2pool {
	x.mu.Lock()
	defer x.mu.Unlock()
	p := x.to[t]
	if p == nil {
		p = &h2pool{t: t}
		if x.closed {
			p.close()
		}
		if x.to == nil {
			x.to = map[*target]*h2pool{}
		}
		x.to[t] = p
	}
	return p
}

// oneConn is a listener of one connection, whose end is its own.
type oneConn struct {
	conn  *replayed
	taken bool
}

func (l *oneConn) Accept() (net.Conn, error) {
	if !l.taken {
		l.taken = true
		return l.conn, nil
	}
	<-l.conn.closed
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return l.conn.LocalAddr() }

// replayed is a caller's connection of which some bytes were read already. It counts.
type replayed struct {
	net.Conn
	held   []byte
	count  *counters
	once   sync.Once
	closed chan struct{}
}

func (r *replayed) Read(b []byte) (n int, err error) {
	if len(r.held) > 0 {
		n = copy(b, r.held)
		r.held = r.held[n:]
	} else {
		n, err = r.Conn.Read(b)
	}
	r.count.sent.Add(int64(n))
	return n, err
}

func (r *replayed) Write(b []byte) (int, error) {
	n, err := r.Conn.Write(b)
	r.count.received.Add(int64(n))
	return n, err
}

func (r *replayed) Close() error {
	err := r.Conn.Close()
	r.once.Do(func() { close(r.closed) })
	return err
}
