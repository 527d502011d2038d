package proxy

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// parentRoom is what a traceparent header line takes: it is put before the bytes that were read.
const parentRoom = len("traceparent: ") + traceparentSize + len("\r\n")

// caller is one connection of a caller that speaks HTTP. Its requests are forwarded one after another,
// each to a target chosen for it.
type caller struct {
	e    *Edge
	s    *serving
	wire *wire
	side aside

	req, res head
	exchange exchange // of the running request
	call     call     // of the running request
	op       *operation
	head     bool // the request is HEAD: its answer has no body whatever it says
	connect  bool // the request is CONNECT
	more     bool // what was read behind the request waits: the caller's end is not yet the end of what it asks

	mu     sync.Mutex
	server *wire // of the request that is being forwarded
	sent   bool  // the whole request, to server
	broke  bool  // the caller broke its connection
	left   bool  // the caller ended or broke its connection
	cut    bool  // a fault ended the connection
	closed bool  // by Close
}

// carryHTTP serves one connection of an edge whose protocol is HTTP. What turns out to be another
// protocol is carried as bytes.
func (e *Edge) carryHTTP(ctx context.Context, s *serving, w *wire) {
	x := &caller{e: e, s: s, wire: w}
	w.room, w.most = parentRoom, headTime
	w.link.ends(x.finish)
	if !s.add(x) {
		return
	}
	defer s.drop(x)
	defer x.wire.drop()
	defer x.stop()
	if x.greeted() != nil {
		return
	}
	if x.wire.bytes()[0] == tlsRecord {
		e.carryBytes(ctx, s, x.wire)
		return
	}
	for first := true; ; first = false {
		n, err := x.wire.readHead()
		if err != nil {
			x.refuse(err)
			return
		}
		b := x.wire.bytes()[:n]
		if first && bytes.Equal(b, []byte(preface)) {
			s.drop(x) // it says farewell itself
			e.serveH2(ctx, s, x.wire)
			return
		}
		if err := x.req.parseRequest(b); err != nil {
			x.refuse(err)
			return
		}
		if !x.forward(ctx) {
			return
		}
	}
}

const (
	tlsRecord = 0x16                     // first byte of a TLS handshake
	preface   = "PRI * HTTP/2.0\r\n\r\n" // of HTTP/2, but for its last six bytes
)

// Close ends the connection and that of the request that is being forwarded.
func (x *caller) Close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.closed = true
	if x.server != nil {
		x.server.conn.Close()
	}
	return x.wire.conn.Close()
}

// finish ends the connection because a fault says so.
func (x *caller) finish(how Ending) {
	x.mu.Lock()
	x.cut = true
	x.mu.Unlock()
	endConn(x.wire.conn, how)
	x.Close()
}

// use makes a connection the one of the running request, nil none. It is false, and the connection
// closed, if the caller's connection is.
func (x *caller) use(w *wire) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.server, x.sent = w, false
	if x.closed && w != nil {
		w.conn.Close()
	}
	return !x.closed
}

// write sends bytes to the caller.
func (x *caller) write(b []byte) error {
	n, err := x.wire.write(b)
	x.e.count.received.Add(int64(n))
	return err
}

// answer sends an answer of the edge's own. The connection stays open where keep is true.
func (x *caller) answer(status int, why string, keep bool) error {
	var b bytes.Buffer
	text := fmt.Sprintf("msctl edge %s: %s\n", x.e.name(), why)
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nMsctl-Edge: %s\r\n",
		status, http.StatusText(status), len(text), x.e.name())
	if !keep {
		b.WriteString("Connection: close\r\n")
	}
	b.WriteString("\r\n")
	if !x.head {
		b.WriteString(text)
	}
	return x.write(b.Bytes())
}

// refuse answers what is not forwarded, and ends the connection. The end of the connection itself is no
// request.
func (x *caller) refuse(err error) {
	var r *refusal
	if !errors.As(err, &r) {
		if !ended(err) {
			abort(x.wire.conn)
		}
		return
	}
	x.head = false
	x.e.reject(r)
	_ = x.answer(r.status, r.why, false)
	x.linger()
}

// Lingering: what the caller still sends is read for a while, because closing on unread bytes resets the
// connection and may destroy the answer.
const (
	lingerTime  = time.Second
	lingerBytes = 1 << 20
)

func (x *caller) linger() {
	closeWrite(x.wire.conn)
	_ = x.wire.conn.SetReadDeadline(time.Now().Add(lingerTime))
	x.wire.drop()
	for n := 0; n < lingerBytes && x.wire.fill() == nil; {
		n += len(x.wire.bytes())
		x.wire.drop()
	}
}

// describe makes the call of the request that was read.
func (x *caller) describe(c *call) {
	x.e.start(c, time.Now(), "http")
	if x.e.Record == nil {
		return
	}
	x.op = x.e.names.of(&x.req, x.wire.bytes(), x.e.To)
	c.Name = x.op.name
	c.of(x.e.origin(x.parent()))
	x.inject(&c.Call)
}

// parent returns what the request says that it is made for, nil if nothing or more than one thing.
func (x *caller) parent() []byte {
	if len(x.req.parents) != 1 {
		return nil
	}
	return x.req.parent.of(x.wire.bytes())
}

// inject makes the call's span the parent that the callee sees: in place where the request has a good
// traceparent, as the first header line otherwise. All other bytes stay as they are.
func (x *caller) inject(c *Call) {
	w := x.wire
	if p := x.parent(); len(p) == traceparentSize && !c.Inferred && c.Parent != [8]byte{} {
		hex.Encode(p[36:52], c.Span[:])
		return
	}
	removed := 0
	for _, line := range x.req.parents {
		n := line.b - line.a
		copy(w.buf[w.r+n:], w.buf[w.r:w.r+line.a-removed])
		w.r += n
		removed += n
	}
	first := w.r + x.req.line
	w.r -= parentRoom
	copy(w.buf[w.r:], w.buf[w.r+parentRoom:first])
	line := append(w.buf[w.r+x.req.line:w.r+x.req.line], "traceparent: "...)
	line = appendTraceparent(line, c.Trace, c.Span, c.Sampled)
	_ = append(line, "\r\n"...)
	x.req.size += parentRoom - removed
}
