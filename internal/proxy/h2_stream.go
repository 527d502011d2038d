package proxy

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
)

// h2stream is one request over HTTP/2 and its answer.
type h2stream struct {
	x      *h2caller
	w      http.ResponseWriter
	r      *http.Request
	call   *call
	grpc   bool
	t      *target
	flight flight
	body   h2Body
	begun  bool // an answer's head was sent
}

// carry carries the stream to its end.
func (s *h2stream) carry() {
	s.describe()
	defer s.finish()
	if s.call.Trace != [16]byte{} {
		s.flight = flight{trace: s.call.Trace, span: s.call.Span, sampled: s.call.Sampled}
		s.x.e.Callee.add(&s.flight)
	}
	if s.r.Method == http.MethodConnect {
		s.fail(http.StatusNotImplemented, "CONNECT over HTTP/2 is not carried")
		return
	}
	if !s.faults() {
		return
	}
	res, err := s.open()
	if err != nil {
		s.broken(err)
		return
	}
	defer s.t.busy.Add(-1)
	defer res.Body.Close()
	s.pass(res)
}

// describe makes the call of the request, and tells the callee to which span it belongs.
func (s *h2stream) describe() {
	e, r := s.x.e, s.r
	protocol := "http"
	if s.grpc {
		protocol = "grpc"
	}
	s.call = e.begin(time.Now(), protocol)
	if e.Record == nil {
		return
	}
	path := pathOf(r.URL.Path)
	if s.grpc {
		s.call.Name = shorten(strings.TrimPrefix(path, "/"))
		s.call.Attrs = append(make([]Attr, 0, 5), Attr{"rpc.system.name", "grpc"}, Attr{"rpc.method", s.call.Name})
	} else {
		route := template(path)
		s.call.Name = r.Method + " " + route
		s.call.Attrs = append(make([]Attr, 0, 6), Attr{"http.request.method", r.Method}, Attr{"url.path", path[:min(len(path), maxPath)]}, Attr{"url.template", route})
	}
	s.call.Attrs = append(s.call.Attrs, Attr{"server.address", e.To}, Attr{"network.protocol.version", "2"})
	var parent []byte
	if said := r.Header["Traceparent"]; len(said) == 1 {
		parent = []byte(said[0])
	}
	c := &s.call.Call
	c.of(e.origin(parent))
	r.Header["Traceparent"] = []string{string(appendTraceparent(nil, c.Trace, c.Span, c.Sampled))}
}

// finish ends the call.
func (s *h2stream) finish() {
	s.flight.remove()
	c := s.call
	c.Sent = s.body.read.Load()
	switch {
	case s.x.e.Record == nil:
	case s.grpc:
		c.Attrs = append(c.Attrs, Attr{"rpc.response.status_code", grpcCode(c.Code)})
	case c.Code != 0:
		c.Attrs = append(c.Attrs, Attr{"http.response.status_code", strconv.Itoa(c.Code)})
	}
	s.x.e.end(c)
}

// faults lets the faults act. It is false where the request ends here.
func (s *h2stream) faults() bool {
	a := s.x.e.faults.Load()
	if a == nil {
		return true
	}
	s.call.Faults = a.words()
	if a.refuses() != nil {
		s.reset(grpcUnavailable, "connection refused by a fault")
		return false
	}
	if d := a.hold(); d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-a.lifted:
		case <-s.r.Context().Done():
			s.left()
			return false
		}
	}
	return true
}

// open sends the request to a target that pick chooses, or to the next one where that cannot be reached, and
// returns the head of the answer.
func (s *h2stream) open() (*http.Response, error) {
	var tried []*target
	last := errNoTarget
	for {
		t := s.x.e.pick(tried)
		if t == nil {
			return nil, fmt.Errorf("connect %s: %w", s.x.e.To, last)
		}
		t.busy.Add(1)
		s.t, s.call.Unit = t, t.unit
		res, err := s.ask(t)
		if err == nil {
			return res, nil
		}
		t.busy.Add(-1)
		var u unreachable
		if !errors.As(err, &u) || s.r.Context().Err() != nil || starved(err) {
			if s.r.Context().Err() == nil {
				t.fail(false)
			}
			return nil, err
		}
		s.call.Unit = ""
		tried, last = append(tried, t), u.error
	}
}

// h2Tries is how often a request is sent to a target whose connection turns out to be gone.
const h2Tries = 3

// ask sends the request to one target.
func (s *h2stream) ask(t *target) (*http.Response, error) {
	in := s.r
	in.Header.Del("Expect") // the server has seen to it
	if _, ok := in.Header["User-Agent"]; !ok {
		in.Header["User-Agent"] = []string{""} // none is not ours
	}
	out := &http.Request{
		Method: in.Method, Host: in.Host, Header: in.Header, ContentLength: in.ContentLength, Trailer: in.Trailer,
		URL:   &url.URL{Scheme: "http", Host: t.addr, Path: in.URL.Path, RawPath: in.URL.RawPath, RawQuery: in.URL.RawQuery, ForceQuery: in.URL.ForceQuery},
		Proto: "HTTP/2.0", ProtoMajor: 2,
	}
	if in.ContentLength != 0 {
		out.Body = &s.body
		s.body.ReadCloser = in.Body
	}
	out = out.WithContext(in.Context())
	for try := 1; ; try++ {
		c, err := s.x.pool(t).take(in.Context())
		if err != nil {
			return nil, err
		}
		res, err := c.RoundTrip(out)
		if err == nil || try == h2Tries || !s.again(err) {
			return res, err
		}
	}
}

// again reports whether a request that got no answer can be sent once more: the target has refused the stream,
// or the connection was gone before anything of the request's body was asked for.
func (s *h2stream) again(err error) bool {
	if s.r.Context().Err() != nil || s.body.touched.Load() {
		return false
	}
	var reset http2.StreamError
	if errors.As(err, &reset) {
		return reset.Code == http2.ErrCodeRefusedStream
	}
	return s.r.ContentLength != 0 || idempotent([]byte(s.r.Method))
}

// h2Body is the body of a request. To close it before it was read is nothing: the request may be sent again.
type h2Body struct {
	io.ReadCloser
	read    atomic.Int64 // bytes
	touched atomic.Bool
}

func (b *h2Body) Read(p []byte) (int, error) {
	b.touched.Store(true)
	n, err := b.ReadCloser.Read(p)
	b.read.Add(int64(n))
	return n, err
}

func (b *h2Body) Close() error {
	if !b.touched.Load() {
		return nil
	}
	return b.ReadCloser.Close()
}

// pass sends the answer to the caller as it comes.
func (s *h2stream) pass(res *http.Response) {
	s.t.well()
	h := s.w.Header()
	for _, own := range []string{"Date", "Content-Type", "Content-Length"} {
		h[own] = nil // what the callee does not say is not said
	}
	for k, v := range res.Header {
		h[k] = v
	}
	s.call.Code = res.StatusCode
	s.w.WriteHeader(res.StatusCode)
	s.begun = true
	if res.ContentLength != 0 { // else the head may be the end too, as that of a refused gRPC call is
		s.flush()
	}
	if err := s.copy(res.Body); err != nil {
		s.broken(err)
		return
	}
	for k, v := range res.Trailer {
		h[http.TrailerPrefix+k] = v
	}
	if s.grpc {
		s.status(res)
		return
	}
	if res.StatusCode >= http.StatusBadGateway && res.StatusCode <= http.StatusGatewayTimeout {
		s.t.fail(false)
	}
	if res.StatusCode >= 500 {
		s.call.Err = fmt.Sprintf("status %d", res.StatusCode)
	}
}

func (s *h2stream) flush() {
	if f, ok := s.w.(http.Flusher); ok {
		f.Flush()
	}
}

// errLeft is an answer that the caller does not take.
var errLeft = errors.New("the caller left")

// copy passes on a body, each piece when it is there.
func (s *h2stream) copy(body io.Reader) error {
	box := buffers.Get().(*[]byte)
	defer buffers.Put(box)
	for {
		n, err := body.Read(*box)
		if n > 0 {
			s.call.Received += int64(n)
			if _, err := s.w.Write((*box)[:n]); err != nil {
				return errLeft
			}
			s.flush()
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// broken ends a stream whose target gave no answer, or not all of it.
func (s *h2stream) broken(err error) {
	ctx := s.r.Context()
	if errors.Is(err, errLeft) || ctx.Err() != nil {
		s.left()
		return
	}
	var reset http2.StreamError
	name := s.x.e.To
	if s.call.Unit != "" {
		name = s.call.Unit
	}
	switch {
	case errors.As(err, &reset):
		code, why := grpcOfReset(reset.Code), fmt.Sprintf("%s reset the stream: %s", name, reset.Code)
		if late := s.late(time.Since(s.call.Start)); late != "" && code == grpcCanceled { // the callee gives up first
			code, why = grpcDeadline, late
		}
		s.reset(code, why)
	case s.begun:
		s.reset(grpcUnavailable, fmt.Sprintf("%s ended its answer early: %v", name, err))
	case s.call.Unit == "":
		s.fail(http.StatusBadGateway, err.Error())
	default:
		s.fail(http.StatusBadGateway, fmt.Sprintf("%s gave no answer: %v", name, err))
	}
}

// left notes that nobody waits for the answer.
func (s *h2stream) left() {
	c, after := s.call, time.Since(s.call.Start)
	c.Err = fmt.Sprintf("the caller left after %v", after.Round(time.Millisecond))
	if s.grpc {
		c.Code = grpcCanceled
		if why := s.late(after); why != "" {
			c.Code, c.Err = grpcDeadline, why
		}
	}
	if !s.tell(grpcUnavailable, "the edge closes") { // where it is the edge that ends, the caller is there
		panic(http.ErrAbortHandler)
	}
}

// late says that a gRPC call is past its deadline; "" it is not.
func (s *h2stream) late(after time.Duration) string {
	if limit, ok := grpcTimeout(s.r.Header.Get("Grpc-Timeout")); ok && s.grpc && after >= limit {
		return fmt.Sprintf("deadline of %v exceeded", limit)
	}
	return ""
}

// reset passes on a stream that the target reset: by its status where the call is gRPC, else by a reset.
func (s *h2stream) reset(code int, why string) {
	s.call.Err = why
	if s.tell(code, why) {
		s.call.Code = code
		return
	}
	panic(http.ErrAbortHandler) // resets the stream
}

// fail answers in place of the callee.
func (s *h2stream) fail(status int, why string) {
	s.call.Err = why
	if s.tell(grpcUnavailable, why) {
		s.call.Code = grpcUnavailable
		return
	}
	s.call.Code = status
	s.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	s.w.Header().Set("Msctl-Edge", s.x.e.name())
	s.w.WriteHeader(status)
	fmt.Fprintf(s.w, "msctl edge %s: %s\n", s.x.e.name(), why)
}

// tell ends a gRPC call with a status. It is false where the call is not gRPC.
func (s *h2stream) tell(code int, why string) bool {
	if !s.grpc {
		return false
	}
	h, prefix := s.w.Header(), ""
	if s.begun {
		prefix = http.TrailerPrefix
	} else {
		h["Date"], h["Content-Length"] = nil, nil
		h.Set("Content-Type", "application/grpc")
		h.Set("Msctl-Edge", s.x.e.name())
	}
	h[prefix+"Grpc-Status"] = []string{strconv.Itoa(code)}
	h[prefix+"Grpc-Message"] = []string{grpcEscape("msctl edge " + s.x.e.name() + ": " + why)}
	return true
}
