package proxy

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2stream is one request over HTTP/2 and its answer.
type h2stream struct {
	x        *h2caller
	call     call
	op       *operation
	flight   flight
	request  []hpack.HeaderField // as it is sent
	method   string
	timeout  string // of gRPC
	grpc     bool
	up, down h2way
	plan     *plan // what faults do; nil: nothing
	withheld bool  // the head of the answer came, and faults have not let it through yet

	t     *target
	tried []*target
	last  error // why the newest of them could not be reached
	tries int

	begun bool                // the head of an answer was passed on
	end   []hpack.HeaderField // of the answer: the newest of its head and its trailers
	code  http2.ErrCode       // that the caller's stream ends with, where the caller has more to send
	over  bool                // the call has ended
	gone  chan struct{}       // closed when over is set; nil: nobody waits for it
}

func newH2Stream(x *h2caller, f *http2.MetaHeadersFrame) *h2stream {
	s := &h2stream{x: x, request: f.Fields, method: f.PseudoValue("method"), last: errNoTarget}
	s.up = h2way{s: s, from: x.conn, fromID: f.StreamID, granted: h2StreamBuffer, left: -1, ended: f.StreamEnded()}
	s.down = h2way{s: s, to: x.conn, id: f.StreamID, window: x.conn.initial, left: -1}
	s.grpc = isGRPC(valueOf(f.Fields, "content-type"))
	s.timeout = valueOf(f.Fields, "grpc-timeout")
	return s
}

// toward is the direction whose bytes go to a connection, and from the one whose bytes come from it.
func (s *h2stream) toward(c *h2conn) *h2way {
	if c.target == nil {
		return &s.down
	}
	return &s.up
}

func (s *h2stream) from(c *h2conn) *h2way {
	if c.target == nil {
		return &s.up
	}
	return &s.down
}

// begin takes the head of the request.
func (s *h2stream) begin(ctx context.Context, f *http2.MetaHeadersFrame) {
	length, ok := wellFormed(f)
	if !ok {
		delete(s.x.conn.streams, f.StreamID)
		s.x.conn.reset(f.StreamID, http2.ErrCodeProtocol)
		return
	}
	s.up.left = length
	s.describe()
	if s.call.Trace != [16]byte{} {
		s.flight = flight{trace: s.call.Trace, span: s.call.Span, sampled: s.call.Sampled}
		s.x.e.Callee.add(&s.flight)
	}
	switch {
	case f.Truncated:
		s.fail(http.StatusRequestHeaderFieldsTooLarge, errHeadTooLarge.why)
	case s.method == http.MethodConnect:
		s.fail(http.StatusNotImplemented, "CONNECT over HTTP/2 is not carried")
	default:
		s.faults(ctx)
	}
}

// wellFormed reports whether the head of a request may be passed on, by RFC 9113 section 8, and returns the length
// of its body, -1 where it says none. The rest was looked at when it was decoded.
func wellFormed(f *http2.MetaHeadersFrame) (length int64, ok bool) {
	method, path := f.PseudoValue("method"), f.PseudoValue("path")
	switch {
	case f.Truncated:
		return -1, true // answered, not passed on
	case method == http.MethodConnect:
	case !all([]byte(method), isToken) || method == "" || f.PseudoValue("scheme") == "" || f.PseudoValue("status") != "":
		return 0, false
	case !strings.HasPrefix(path, "/") && (path != "*" || method != http.MethodOptions):
		return 0, false
	}
	length = -1
	for _, one := range f.RegularFields() {
		switch one.Name {
		case "content-length":
			n, err := strconv.ParseUint(one.Value, 10, 63)
			if err != nil || length >= 0 && length != int64(n) || f.StreamEnded() && n > 0 {
				return 0, false
			}
			length = int64(n)
		case "te":
			if one.Value != "trailers" {
				return 0, false
			}
		default:
			if hopByHop(one.Name) {
				return 0, false
			}
		}
	}
	return length, true
}

// hopByHop reports a header that HTTP/2 does not have.
func hopByHop(name string) bool {
	switch name {
	case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
		return true
	}
	return false
}

// valueOf returns the first value of a field, or "".
func valueOf(fields []hpack.HeaderField, name string) string {
	for _, f := range fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// describe makes the call of the request, and tells the callee to which span it belongs.
func (s *h2stream) describe() {
	e, protocol := s.x.e, "http"
	if s.grpc {
		protocol = "grpc"
	}
	e.start(&s.call, time.Now(), protocol)
	if e.Record == nil {
		return
	}
	s.op = e.names.ofH2(s.method, valueOf(s.request, ":path"), s.grpc, e.To)
	s.call.Name = s.op.name
	var parent []byte
	kept := s.request[:0]
	for _, f := range s.request {
		if f.Name != "traceparent" {
			kept = append(kept, f)
		} else if parent == nil {
			parent = []byte(f.Value)
		} else {
			parent = []byte{} // two say nothing
		}
	}
	c := &s.call.Call
	c.of(e.origin(parent))
	var room [traceparentSize]byte
	s.request = append(kept, hpack.HeaderField{Name: "traceparent", Value: string(appendTraceparent(room[:0], c.Trace, c.Span, c.Sampled))})
}

// ofH2 returns the operation of a request over HTTP/2.
func (n *names) ofH2(method, target string, grpc bool, host string) *operation {
	path := pathOf(target)
	if len(path) > maxPath {
		return newH2Operation(method, path, grpc, host)
	}
	key := "2 " + method + " " + path
	if grpc {
		key = "grpc " + path
	}
	return remember(n, key, func() *operation { return newH2Operation(method, path, grpc, host) })
}

func newH2Operation(method, path string, grpc bool, host string) *operation {
	if plain, err := url.PathUnescape(path); err == nil {
		path = plain
	}
	where := []Attr{{"server.address", host}, {"network.protocol.version", "2"}}
	if grpc {
		name := shorten(strings.TrimPrefix(path, "/"))
		return &operation{name: name, grpc: true, attrs: append([]Attr{{"rpc.system.name", "grpc"}, {"rpc.method", name}}, where...)}
	}
	route := template(path)
	return &operation{name: method + " " + route, attrs: append([]Attr{{"http.request.method", method},
		{"url.path", path[:min(len(path), maxPath)]}, {"url.template", route}}, where...)}
}

// faults lets the faults act, and then looks for a target.
func (s *h2stream) faults(ctx context.Context) {
	a := s.x.e.faults.Load()
	s.call.Faults = a.words()
	if a.refuses() != nil {
		s.cut(grpcUnavailable, "connection refused by a fault", http2.ErrCodeInternal)
		return
	}
	d := a.hold()
	if a != nil && len(a.asks) > 0 {
		d += s.ask(a)
	}
	if d <= 0 {
		s.proceed(ctx)
		return
	}
	s.gone = make(chan struct{})
	s.x.work(func() {
		s.wait(ctx, d, a.lifted)
		s.x.mu.Lock()
		if !s.over {
			s.proceed(ctx)
		}
		s.x.mu.Unlock()
		s.x.flush()
	})
}

// wait waits until a delay is over, the faults are lifted, or nobody waits for the answer.
func (s *h2stream) wait(ctx context.Context, d time.Duration, lifted chan struct{}) {
	await(time.Now().Add(d), lifted, s.gone, ctx.Done())
}

// find sends the request to a target, at once where a connection has room for it.
func (s *h2stream) find(ctx context.Context) {
	t := s.x.e.take(s.tried)
	if t == nil {
		s.fail(http.StatusBadGateway, fmt.Sprintf("connect %s: %v", s.x.e.To, s.last))
		return
	}
	s.t, s.call.Unit = t, t.unit
	if c := s.x.room(t); c != nil {
		s.attach(c)
		return
	}
	s.x.work(func() { s.reach(ctx, t) })
}

// reach is find where a connection is to be made.
func (s *h2stream) reach(ctx context.Context, t *target) {
	x := s.x
	defer x.flush()
	err := x.reach(ctx, t)
	x.mu.Lock()
	defer x.mu.Unlock()
	if s.over {
		return
	}
	if c := x.room(t); c != nil {
		s.attach(c)
		return
	}
	s.release()
	switch {
	case ctx.Err() != nil:
	case err == nil: // others were faster
		s.find(ctx)
	case starved(err):
		s.fail(unconnected(err), fmt.Sprintf("connect %s: %v", x.e.To, err))
	default:
		s.tried, s.last = append(s.tried, t), err
		s.find(ctx)
	}
}

// attach sends what there is of the request over a connection.
func (s *h2stream) attach(c *h2conn) {
	c.last += 2
	if c.last == 2 {
		c.last = 1
	}
	c.streams[c.last] = s
	c.leaving = c.leaving || c.last > 1<<30
	s.tries++
	s.up.to, s.up.id, s.up.window = c, c.last, c.initial
	s.down.from, s.down.fromID, s.down.granted, s.down.owed = c, c.last, h2StreamBuffer, 0
	s.up.sent = s.up.ended && len(s.up.queue) == 0 && s.up.trailers == nil
	c.heads(c.last, s.request, s.up.sent)
	s.up.push(nil)
}

// requestTrailers takes what ends the request's body. Fields that may not stand there, by RFC 9110 section 6.5.1, are
// left out: a callee that merges them with the head would let them say who asks, or how long the body was.
func (s *h2stream) requestTrailers(f *http2.MetaHeadersFrame) error {
	switch {
	case s.up.ended:
		return s.spoil(s.x.conn, http2.ErrCodeStreamClosed)
	case !f.StreamEnded() || len(f.PseudoFields()) > 0 || f.Truncated || s.up.left > 0:
		return s.spoil(s.x.conn, http2.ErrCodeProtocol)
	case slices.ContainsFunc(f.Fields, func(one hpack.HeaderField) bool { return hopByHop(one.Name) }):
		return s.spoil(s.x.conn, http2.ErrCodeProtocol)
	}
	fields := slices.DeleteFunc(f.Fields, func(one hpack.HeaderField) bool { return !httpguts.ValidTrailerHeader(one.Name) })
	if len(fields) == 0 {
		fields = nil
	}
	s.up.finish(fields)
	return nil
}

// release forgets the target.
func (s *h2stream) release() {
	if s.t != nil {
		s.t.busy.Add(-1)
	}
	s.t, s.call.Unit = nil, ""
}

// finish ends the call, once.
func (s *h2stream) finish() {
	if s.over {
		return
	}
	s.over = true
	if s.gone != nil {
		close(s.gone)
	}
	s.flight.remove()
	if s.t != nil {
		s.t.busy.Add(-1)
	}
	s.call.Sent, s.call.Received = s.up.moved, s.down.moved
	if s.op != nil {
		s.call.Attrs = s.op.answered(s.call.Code)
	}
	s.x.over = append(s.x.over, s)
}
