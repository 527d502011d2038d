package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
)

// TestH2Interim checks that interim answers pass: 103 with its headers, and 100, which a body waits for (H7).
func TestH2Interim(t *testing.T) {
	_, c, base := h2Web(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "GET" {
			w.Header().Set("Link", "</style.css>")
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Del("Link")
		}
		b, _ := io.ReadAll(r.Body) // net/http sends 100 here
		fmt.Fprintf(w, "%d", len(b))
	})
	c.Transport.(*http.Transport).ExpectContinueTimeout = patience
	var got []string
	trace := &httptrace.ClientTrace{
		Got100Continue: func() { got = append(got, "continue") },
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			got = append(got, fmt.Sprint(code, h.Get("Link")))
			return nil
		},
	}
	for method, n := range map[string]int{"GET": 0, "POST": 100_000} {
		req, _ := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), method, base, strings.NewReader(strings.Repeat("x", n)))
		if n > 0 {
			req.Header.Set("Expect", "100-continue")
		}
		res, err := c.Do(req)
		if body := text(t, res, err); body != fmt.Sprint(n) || res.Header.Get("Link") != "" {
			t.Errorf("got %q, %v", body, res.Header)
		}
	}
	slices.Sort(got)
	if d := cmp.Diff([]string{"100", "103</style.css>", "continue"}, got); d != "" {
		t.Error(d)
	}
}

// TestH2Trailers checks that trailers are announced and sent, both ways (H7).
func TestH2Trailers(t *testing.T) {
	var asked, told http.Header
	_, c, base := h2Web(t, func(w http.ResponseWriter, r *http.Request) {
		asked = r.Trailer.Clone()
		io.Copy(io.Discard, r.Body)
		told = r.Trailer.Clone()
		w.Header().Set("Trailer", "Sum")
		io.WriteString(w, "x")
		w.Header().Set("Sum", "42")
	})
	req, _ := http.NewRequestWithContext(t.Context(), "POST", base, struct{ io.Reader }{strings.NewReader("body")})
	req.Trailer = http.Header{"Digest": {"d"}}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := res.Trailer["Sum"]; !ok {
		t.Errorf("announced: %v", res.Trailer)
	}
	if got := text(t, res, nil); got != "x" || res.Trailer.Get("Sum") != "42" {
		t.Errorf("got %q, %v", got, res.Trailer)
	}
	if _, ok := asked["Digest"]; !ok || told.Get("Digest") != "d" {
		t.Errorf("the callee was told of %v, and got %v", asked, told)
	}
}

// TestH2ForbiddenTrailers checks that trailers of a request do not say what only its head may.
func TestH2ForbiddenTrailers(t *testing.T) {
	for _, tt := range []struct{ sent, want []string }{
		{[]string{"host", "evil", "content-length", "9", "authorization", "x", "digest", "d", "te", "trailers"}, []string{"digest"}},
		{[]string{"content-type", "text/html"}, nil},
	} {
		told := make(chan []string, 1)
		_, _, addr := h2Target(t, func(_ int, f *frames) {
			f.WriteSettings()
			id := f.await(http2.FrameHeaders).Header().StreamID
			for ended := false; !ended; {
				var names []string
				switch got, err := f.ReadFrame(); got := got.(type) {
				case *http2.MetaHeadersFrame:
					for _, one := range got.Fields {
						names = append(names, one.Name)
					}
					ended = true
				case *http2.DataFrame:
					ended = got.StreamEnded()
				default:
					ended = err != nil
				}
				if ended {
					told <- names
				}
			}
			f.fields(id, true, ":status", "200")
			f.await(http2.FrameGoAway)
		})
		f := h2Dial(t, addr)
		f.fields(1, false, ":method", "POST", ":scheme", "http", ":path", "/", ":authority", "x")
		f.WriteData(1, false, []byte("body"))
		f.fields(1, true, tt.sent...)
		if got := f.next(); got != "head 200" {
			t.Errorf("got %q", got)
		}
		if d := cmp.Diff(tt.want, <-told); d != "" {
			t.Errorf("trailers %q: %s", tt.sent, d)
		}
	}
}

// TestH2EarlyAnswer checks that an answer which does not wait for its request arrives, and the connection stays.
func TestH2EarlyAnswer(t *testing.T) {
	r, c, base := h2Web(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		}
	})
	endless, more := io.Pipe()
	defer more.Close()
	go func() {
		for b := make([]byte, 32<<10); ; {
			if _, err := more.Write(b); err != nil {
				return
			}
		}
	}()
	res, err := c.Post(base, "", endless)
	if got := text(t, res, err); got != "too large\n" || res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("got %q, %d", got, res.StatusCode)
	}
	for range 3 {
		res, err = c.Head(base)
		if text(t, res, err) != "" || res.StatusCode != 200 {
			t.Errorf("got %v", res)
		}
	}
	r.wait(t, 4)
}

// TestH2LargeHeads checks heads of several frames, and of more than 64 KiB.
func TestH2LargeHeads(t *testing.T) {
	_, c, base := h2Web(t, func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Big", r.Header.Get("Big")) })
	req, _ := http.NewRequestWithContext(t.Context(), "GET", base, nil)
	req.Header.Set("Big", strings.Repeat("x", 60<<10))
	res, err := c.Do(req)
	if text(t, res, err); res.StatusCode != 200 || len(res.Header.Get("Big")) != 60<<10 {
		t.Errorf("got %d, %d bytes", res.StatusCode, len(res.Header.Get("Big")))
	}
	var more []string
	for i := range 8 {
		more = append(more, fmt.Sprintf("x-%d", i), strings.Repeat("x", 9<<10))
	}
	f := h2Dial(t, base)
	f.get(1, true, more...)
	if got := f.next(); got != "head 431" {
		t.Errorf("got %q", got)
	}
}

// TestH2Many checks bodies in both directions at once, over all streams and two callees, byte for byte.
func TestH2Many(t *testing.T) {
	e, _, c, _ := rpc(t, &callee{name: "a"}, &callee{name: "b"})
	var all sync.WaitGroup
	for i := range 60 {
		all.Go(func() {
			body := bytes.Repeat([]byte{byte(i)}, 300_000+i)
			got, err := c.UnaryCall(soon(t), &grpc_testing.SimpleRequest{Payload: &grpc_testing.Payload{Body: body}})
			if err != nil || !bytes.Equal(got.GetPayload().GetBody(), body) {
				t.Errorf("call %d: %v", i, err)
			}
		})
	}
	all.Wait()
	until(t, "none is in flight", func() bool { return e.Stats(time.Now()).InFlight == 0 })
	for _, one := range e.Stats(time.Now()).Targets {
		if one.Open != 0 {
			t.Errorf("%s has %d open", one.Unit, one.Open)
		}
	}
}

// TestH2Limit checks that a callee which takes few streams at once gets more connections.
func TestH2Limit(t *testing.T) {
	s := &callee{block: make(chan struct{})}
	e := &Edge{To: "payments", Protocol: "grpc"}
	c := grpc_testing.NewTestServiceClient(dialGRPC(t, serve(t, e)))
	e.SetTargets(to(listenGRPC(t, s, grpc.MaxConcurrentStreams(3))))
	var running atomic.Int32
	s.seen = func(metadata.MD) { running.Add(1) }
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := c.UnaryCall(soon(t), &grpc_testing.SimpleRequest{}); err != nil {
				t.Error(err)
			}
		})
	}
	until(t, "all calls run", func() bool { return running.Load() == 20 })
	close(s.block)
	all.Wait()
}

// frames speaks HTTP/2 frame by frame.
type frames struct {
	*http2.Framer
	conn net.Conn
	head bytes.Buffer
	enc  *hpack.Encoder
}

func newFrames(c net.Conn) *frames {
	f := &frames{Framer: http2.NewFramer(c, c), conn: c}
	f.enc = hpack.NewEncoder(&f.head)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	return f
}

// h2Dial greets an edge.
func h2Dial(t testing.TB, addr string) *frames {
	c := dial(t, strings.TrimPrefix(addr, "http://"))
	io.WriteString(c, http2.ClientPreface)
	f := newFrames(c)
	f.WriteSettings()
	return f
}

// fields sends a head: "name", "value", …
func (f *frames) fields(id uint32, end bool, pairs ...string) {
	f.head.Reset()
	for i := 0; i < len(pairs); i += 2 {
		f.enc.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	b := f.head.Bytes()
	n := min(len(b), 16<<10)
	f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: b[:n], EndStream: end, EndHeaders: n == len(b)})
	for b = b[n:]; len(b) > 0; b = b[n:] {
		n = min(len(b), 16<<10)
		f.WriteContinuation(id, n == len(b), b[:n])
	}
}

// get sends a request with more fields.
func (f *frames) get(id uint32, end bool, more ...string) {
	f.fields(id, end, append([]string{":method", "GET", ":scheme", "http", ":path", "/", ":authority", "x"}, more...)...)
}

// next returns the next frame that is about a stream, or a GOAWAY, in words; "" at the end.
func (f *frames) next() string {
	for {
		switch got, err := f.ReadFrame(); {
		case err != nil:
			return ""
		default:
			switch got := got.(type) {
			case *http2.MetaHeadersFrame:
				return "head " + got.PseudoValue("status")
			case *http2.DataFrame:
				return "data " + string(got.Data())
			case *http2.RSTStreamFrame:
				return "reset " + got.ErrCode.String()
			case *http2.GoAwayFrame:
				return "goaway " + got.ErrCode.String()
			case *http2.SettingsFrame:
				if !got.IsAck() {
					f.WriteSettingsAck()
				}
			}
		}
	}
}

// TestH2Refused checks what breaks the rules: it is reset or refused, and reaches no callee (H7).
func TestH2Refused(t *testing.T) {
	post := []string{":method", "POST", ":scheme", "http", ":path", "/", ":authority", "x"}
	for name, tt := range map[string]struct {
		do   func(f *frames)
		want string
	}{
		"CONNECT": {func(f *frames) { f.fields(1, false, ":method", "CONNECT", ":authority", "x:80") }, "head 501"},
		"extended CONNECT": {func(f *frames) {
			f.fields(1, false, append([]string{":protocol", "websocket", ":method", "CONNECT"}, post[2:]...)...)
		}, "head 501"},
		"connection header":  {func(f *frames) { f.get(1, true, "connection", "close") }, "reset PROTOCOL_ERROR"},
		"transfer-encoding":  {func(f *frames) { f.get(1, false, "transfer-encoding", "chunked") }, "reset PROTOCOL_ERROR"},
		"te":                 {func(f *frames) { f.get(1, true, "te", "gzip") }, "reset PROTOCOL_ERROR"},
		"upper case":         {func(f *frames) { f.get(1, true, "Big", "x") }, "reset PROTOCOL_ERROR"},
		"line break":         {func(f *frames) { f.get(1, true, "a", "b\r\nc: d") }, "reset PROTOCOL_ERROR"},
		"two paths":          {func(f *frames) { f.fields(1, true, append([]string{":path", "/b"}, post...)...) }, "reset PROTOCOL_ERROR"},
		"late pseudo header": {func(f *frames) { f.get(1, true, "a", "b", ":status", "200") }, "reset PROTOCOL_ERROR"},
		"no path":            {func(f *frames) { f.fields(1, true, ":method", "GET", ":scheme", "http") }, "reset PROTOCOL_ERROR"},
		"relative path":      {func(f *frames) { f.fields(1, true, ":method", "GET", ":scheme", "http", ":path", "a") }, "reset PROTOCOL_ERROR"},
		"two lengths":        {func(f *frames) { f.get(1, false, "content-length", "1", "content-length", "2") }, "reset PROTOCOL_ERROR"},
		"length, no body":    {func(f *frames) { f.get(1, true, "content-length", "1") }, "reset PROTOCOL_ERROR"},
		"even number":        {func(f *frames) { f.get(2, true) }, "goaway PROTOCOL_ERROR"},
		"data of no stream":  {func(f *frames) { f.WriteData(1, true, nil) }, "goaway PROTOCOL_ERROR"},
		"frame too large":    {func(f *frames) { f.WriteRawFrame(http2.FrameData, 0, 1, make([]byte, h2Frame+1)) }, "goaway FRAME_SIZE_ERROR"},
		"a push":             {func(f *frames) { f.WriteSettings(http2.Setting{ID: http2.SettingEnablePush, Val: 7}) }, "goaway PROTOCOL_ERROR"},
		"a window too wide":  {func(f *frames) { f.WriteWindowUpdate(0, h2MaxWindow) }, "goaway FLOW_CONTROL_ERROR"},
		"continuation alone": {func(f *frames) { f.WriteContinuation(1, true, nil) }, "goaway PROTOCOL_ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			var hits atomic.Int32
			_, _, base := h2Web(t, func(http.ResponseWriter, *http.Request) { hits.Add(1) })
			f := h2Dial(t, base)
			f.AllowIllegalWrites = true
			tt.do(f)
			if got := f.next(); got != tt.want || hits.Load() > 0 {
				t.Errorf("got %q, want %q, %d hits", got, tt.want, hits.Load())
			}
		})
	}
}

// TestH2Bodies checks bodies that break the rules behind a good head: the stream is reset, others go on.
func TestH2Bodies(t *testing.T) {
	for name, tt := range map[string]struct {
		do   func(f *frames)
		want string
	}{
		"longer than declared":  {func(f *frames) { f.get(1, false, "content-length", "2"); f.WriteData(1, false, []byte("xxx")) }, "reset PROTOCOL_ERROR"},
		"shorter than declared": {func(f *frames) { f.get(1, false, "content-length", "2"); f.WriteData(1, true, []byte("x")) }, "reset PROTOCOL_ERROR"},
		"behind its end":        {func(f *frames) { f.get(1, true); f.WriteData(1, true, []byte("x")) }, "reset STREAM_CLOSED"},
		"trailers without end":  {func(f *frames) { f.get(1, false); f.fields(1, false, "a", "b") }, "reset PROTOCOL_ERROR"},
		"hop-by-hop trailer":    {func(f *frames) { f.get(1, false); f.fields(1, true, "connection", "close") }, "reset PROTOCOL_ERROR"},
		"pseudo trailer":        {func(f *frames) { f.get(1, false); f.fields(1, true, ":path", "/b") }, "reset PROTOCOL_ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, base := h2Web(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Last") == "" {
					<-r.Context().Done()
				}
			})
			f := h2Dial(t, base)
			tt.do(f)
			if got := f.next(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			f.get(3, true, "last", "1")
			if got := f.next(); got != "head 200" {
				t.Errorf("then got %q", got)
			}
		})
	}
}

// TestH2Window checks that a caller who sends more than it was granted is stopped.
func TestH2Window(t *testing.T) {
	_, r, addr := h2Target(t, func(_ int, f *frames) {
		f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		for f.await(http2.FrameHeaders) != nil {
		}
	})
	f := h2Dial(t, addr)
	f.get(1, false)
	for range h2StreamBuffer/h2Frame + 1 {
		f.WriteData(1, false, make([]byte, h2Frame))
	}
	if got := f.next(); got != "reset FLOW_CONTROL_ERROR" {
		t.Errorf("got %q", got)
	}
	if call := r.wait(t, 1)[0]; call.Err != "the caller broke the rules of HTTP/2: FLOW_CONTROL_ERROR" {
		t.Errorf("got %q", call.Err)
	}
}

// h2Target serves HTTP/2 frame by frame, each connection by handle, behind an edge.
func h2Target(t *testing.T, handle func(n int, f *frames)) (*Edge, *record, string) {
	var n atomic.Int32
	addr := backend(t, func(c *net.TCPConn) {
		io.ReadFull(c, make([]byte, len(http2.ClientPreface)))
		f := newFrames(c)
		handle(int(n.Add(1)), f)
	})
	var r record
	e := &Edge{From: "orders", To: "payments", Protocol: "http", Record: r.add}
	at := serve(t, e)
	e.SetTargets(to(addr))
	return e, &r, at
}

// await waits for a frame of one kind.
func (f *frames) await(kind http2.FrameType) http2.Frame {
	for {
		got, err := f.ReadFrame()
		if err != nil || got.Header().Type == kind {
			return got
		}
	}
}

// TestH2Again checks that a request which a target did not take is sent once more, and one that it may have taken is
// not.
func TestH2Again(t *testing.T) {
	refuse := func(f *frames, id uint32) { f.WriteRSTStream(id, http2.ErrCodeRefusedStream) }
	goaway := func(f *frames, id uint32) { f.WriteGoAway(0, http2.ErrCodeNo, nil) }
	hangUp := func(f *frames, id uint32) { f.conn.Close() }
	for name, tt := range map[string]struct {
		method string
		first  func(f *frames, id uint32)
		want   string
	}{
		"refused":       {"POST", refuse, "head 200"},
		"goaway":        {"POST", goaway, "head 200"},
		"gone":          {"GET", hangUp, "head 200"},
		"gone for good": {"POST", hangUp, "head 502"},
		"gone, open":    {"POST, open", hangUp, "head 502"},
	} {
		t.Run(name, func(t *testing.T) {
			var tries atomic.Int32
			_, r, addr := h2Target(t, func(n int, f *frames) {
				f.WriteSettings()
				for {
					head := f.await(http2.FrameHeaders)
					switch {
					case head == nil:
						return
					case tries.Add(1) == 1:
						tt.first(f, head.Header().StreamID)
					default:
						f.fields(head.Header().StreamID, true, ":status", "200")
					}
				}
			})
			f := h2Dial(t, addr)
			method, _, open := strings.Cut(tt.method, ", ") // the body is still to come
			f.fields(1, !open, ":method", method, ":scheme", "http", ":path", "/", ":authority", "x")
			if got := f.next(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			r.wait(t, 1)
		})
	}
}

// TestH2Stopped checks that a target which reads no more holds up nobody but those who wait for it, and that the
// caller's end ends all.
func TestH2Stopped(t *testing.T) {
	stuck := make(chan struct{})
	defer close(stuck)
	e, _, addr := h2Target(t, func(n int, f *frames) {
		f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: h2MaxWindow})
		f.WriteWindowUpdate(0, h2MaxWindow-65535)
		<-stuck
	})
	f := h2Dial(t, addr)
	f.get(1, false)
	f.WriteData(1, false, make([]byte, h2StreamBuffer/2))
	f.WriteData(1, false, make([]byte, h2StreamBuffer/2))
	heads := make(chan string, 1)
	go func() { // what is granted is sent at once
		defer close(heads)
		more := http2.NewFramer(f.conn, nil)
		for got, err := f.ReadFrame(); err == nil; got, err = f.ReadFrame() {
			switch got := got.(type) {
			case *http2.WindowUpdateFrame:
				for n := int(got.Increment); got.StreamID == 1 && n > 0; n -= h2Frame {
					more.WriteData(1, false, make([]byte, min(n, h2Frame)))
				}
			case *http2.MetaHeadersFrame:
				heads <- got.PseudoValue("status")
			}
		}
	}()
	before, same := int64(0), 0
	until(t, "the target takes no more", func() bool {
		if now := e.Stats(time.Now()).Sent; now != before || now < 1<<20 {
			before, same = now, 0
		}
		same++
		return same > 20
	})
	e.SetTargets(to(h2Server(t, func(http.ResponseWriter, *http.Request) {})))
	f.get(3, true)
	if got := <-heads; got != "200" {
		t.Errorf("got %q", got)
	}
	f.conn.Close()
	for range heads {
	}
	until(t, "the call has ended", func() bool { return e.Stats(time.Now()).InFlight == 0 })
}

// FuzzH2 checks that no frames make an edge panic or hang.
func FuzzH2(f *testing.F) {
	var b bytes.Buffer
	fr := &frames{Framer: http2.NewFramer(&b, nil)}
	fr.enc = hpack.NewEncoder(&fr.head)
	fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 3})
	fr.get(1, false, "content-length", "5")
	fr.WriteData(1, true, []byte("hello"))
	fr.get(3, true)
	fr.WriteWindowUpdate(1, 1)
	fr.WriteWindowUpdate(3, 9)
	fr.WriteRSTStream(3, http2.ErrCodeCancel)
	fr.fields(5, false, ":method", "POST", ":scheme", "http", ":path", "/", "content-type", "application/grpc", "grpc-timeout", "1m")
	fr.fields(5, true, "a", "b")
	fr.WritePing(false, [8]byte{})
	f.Add(b.Bytes())
	e := &Edge{To: "x", Protocol: "http", Record: func(Call) {}, Callee: &Flights{}}
	addr := serve(f, e)
	e.SetTargets(to(h2Server(f, func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })))
	f.Fuzz(func(t *testing.T, in []byte) {
		c := dial(t, addr)
		io.WriteString(c, http2.ClientPreface)
		c.Write(in)
		c.CloseWrite()
		io.Copy(io.Discard, c)
	})
}
