package proxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// record keeps the calls of an edge.
type record struct {
	mu    sync.Mutex
	calls []Call
}

func (r *record) add(c Call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, c)
}

// wait returns the calls when there are n.
func (r *record) wait(t testing.TB, n int) []Call {
	t.Helper()
	var got []Call
	until(t, fmt.Sprintf("%d calls are recorded", n), func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		got = append(got[:0], r.calls...)
		return len(got) >= n
	})
	return got
}

// web runs an HTTP server behind an edge and returns the edge with its address.
func web(t testing.TB, h http.HandlerFunc, set ...func(*Edge)) (*Edge, *record, string) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	var r record
	e := &Edge{From: "orders", To: "payments", Protocol: "http", Record: r.add}
	for _, one := range set {
		one(e)
	}
	addr := serve(t, e)
	e.SetTargets(to(srv.Listener.Addr().String()))
	return e, &r, addr
}

// client is an HTTP client of its own connections.
func client(t testing.TB) *http.Client {
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience}
}

func text(t testing.TB, res *http.Response, err error) string {
	t.Helper()
	if err != nil {
		t.Error(err)
		return ""
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Errorf("read body: %v", err)
	}
	return string(b)
}

// TestHTTP sends requests of each framing over one connection and compares what arrives.
func TestHTTP(t *testing.T) {
	e, calls, addr := web(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("Trailer", "Sum")
		w.Header().Set("Got", fmt.Sprintf("%s %s %d %v", r.Method, r.URL, r.ContentLength, r.TransferEncoding))
		if r.URL.Query().Has("flush") {
			w.(http.Flusher).Flush()
		}
		w.Write(b)
		w.Header().Set("Sum", fmt.Sprint(len(b)))
	})
	c := client(t)
	big := strings.Repeat("0123456789abcdef", 100_000)
	for _, tc := range []struct {
		method, url string
		body        io.Reader
		want        string
	}{
		{"GET", "/v1/orders/42?x=1", nil, ""},
		{"POST", "/v1/orders", strings.NewReader("hello"), "hello"},
		{"POST", "/v1/orders?flush=1", strings.NewReader("hello"), "hello"},
		{"PUT", "/v1/big", strings.NewReader(big), big},
		{"POST", "/v1/chunked?flush=1", io.MultiReader(strings.NewReader(big), strings.NewReader(big)), big + big},
		{"HEAD", "/v1/orders/42", nil, ""},
		{"DELETE", "/v1/orders/42", nil, ""},
	} {
		req, _ := http.NewRequest(tc.method, "http://"+addr+tc.url, tc.body)
		res, err := c.Do(req)
		if got := text(t, res, err); got != tc.want {
			t.Errorf("%s %s: got %d bytes, want %d", tc.method, tc.url, len(got), len(tc.want))
		}
		if res != nil && res.Trailer != nil && len(res.TransferEncoding) > 0 && res.Trailer.Get("Sum") != fmt.Sprint(len(tc.want)) {
			t.Errorf("%s %s: trailer %v", tc.method, tc.url, res.Trailer)
		}
	}
	got := calls.wait(t, 7)
	if got[0].Name != "GET /v1/orders/{id}" || got[0].Code != 200 || got[0].Unit != "u-1" || got[3].Sent < int64(len(big)) || got[3].Received < int64(len(big)) {
		t.Errorf("recorded %+v", got)
	}
	if s := e.Stats(time.Now()); s.Requests != 7 || s.Errors != 0 || s.InFlight != 0 || s.Open != 1 {
		t.Errorf("counted %+v", s)
	}
}

// raw runs a server that answers each connection by hand.
func raw(t testing.TB, handle func(c *net.TCPConn, r *bufio.Reader), set ...func(*Edge)) (*Edge, *record, string) {
	var r record
	e := &Edge{From: "orders", To: "payments", Protocol: "http", Record: r.add}
	for _, one := range set {
		one(e)
	}
	addr := serve(t, e)
	e.SetTargets(to(backend(t, func(c *net.TCPConn) { handle(c, bufio.NewReader(c)) })))
	return e, &r, addr
}

// readHeadText reads a head by hand.
func readHeadText(r *bufio.Reader) string {
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		b.WriteString(line)
		if err != nil || line == "\r\n" {
			return b.String()
		}
	}
}

// say sends text and returns all that comes until the connection ends.
func say(t testing.TB, addr, text string) string {
	t.Helper()
	c := dial(t, addr)
	c.Write([]byte(text))
	c.CloseWrite()
	b, _ := io.ReadAll(c)
	return string(b)
}

// TestBytes checks that a request arrives as it was sent, but for one header line, and the answer as well.
func TestBytes(t *testing.T) {
	const answer = "HTTP/1.1 200 Fine  by me\r\nx-ODD:  v \r\nContent-length: 2\r\nset-cookie: a\r\nset-cookie: b\r\n\r\nok"
	seen := make(chan string, 1)
	_, calls, addr := raw(t, func(c *net.TCPConn, r *bufio.Reader) {
		head := readHeadText(r)
		io.ReadFull(r, make([]byte, 4))
		seen <- head
		io.WriteString(c, answer)
	})
	const line, rest = "POST /a/%7E?q HTTP/1.1\r\n", "hOsT:   x  \r\nX-A:\t1\r\nx-a: 2\r\nContent-Length: 4\r\nConnection: close\r\n\r\n"
	if got := say(t, addr, line+rest+"body"); got != answer {
		t.Errorf("answer %q", got)
	}
	call := calls.wait(t, 1)[0]
	want := line + fmt.Sprintf("traceparent: 00-%x-%x-01\r\n", call.Trace, call.Span) + rest
	if got := <-seen; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestTrace checks whose child a call becomes.
func TestTrace(t *testing.T) {
	const trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	for _, tc := range []struct{ name, sent, trace, parent, flags string }{
		{"given", "traceparent: 00-" + trace + "-" + span + "-01\r\n", trace, span, "01"},
		{"unsampled", "Traceparent: 00-" + trace + "-" + span + "-00\r\n", trace, span, "00"},
		{"other flags", "traceparent:00-" + trace + "-" + span + "-03\r\n", trace, span, "03"},
		{"later version", "traceparent: 01-" + trace + "-" + span + "-01-new\r\n", trace, span, "01"},
		{"none", "", "", "0000000000000000", "01"},
		{"twice", "traceparent: 00-" + trace + "-" + span + "-01\r\nA: b\r\ntraceparent: 00-" + trace + "-" + span + "-01\r\n", "", "0000000000000000", "01"},
		{"upper case", "traceparent: 00-" + strings.ToUpper(trace) + "-" + span + "-01\r\n", "", "0000000000000000", "01"},
		{"zero", "traceparent: 00-" + strings.Repeat("0", 32) + "-" + span + "-01\r\n", "", "0000000000000000", "01"},
		{"version ff", "traceparent: ff-" + trace + "-" + span + "-01\r\n", "", "0000000000000000", "01"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got http.Header
			_, calls, addr := web(t, func(w http.ResponseWriter, r *http.Request) { got = r.Header })
			say(t, addr, "GET /x HTTP/1.1\r\nHost: a\r\ntracestate: k=v\r\n"+tc.sent+"B: c\r\nConnection: close\r\n\r\n")
			c := calls.wait(t, 1)[0]
			if tc.trace != "" && fmt.Sprintf("%x", c.Trace) != tc.trace || fmt.Sprintf("%x", c.Parent) != tc.parent || c.Inferred {
				t.Errorf("recorded %x, child of %x", c.Trace, c.Parent)
			}
			want := []string{fmt.Sprintf("00-%x-%x-%s", c.Trace, c.Span, tc.flags)}
			if fmt.Sprint(got["Traceparent"]) != fmt.Sprint(want) || got.Get("B") != "c" || got.Get("tracestate") != "k=v" {
				t.Errorf("the callee saw %v, want %v", got, want)
			}
		})
	}
}

// TestInference checks that a call without context becomes a child of the only request that its caller
// serves, and a root when there are two.
func TestInference(t *testing.T) {
	var orders Flights
	_, innerCalls, innerAddr := web(t, func(w http.ResponseWriter, r *http.Request) {}, func(e *Edge) { e.Caller = &orders })
	c := client(t)
	entered, leave := make(chan bool), make(chan bool)
	_, outerCalls, addr := web(t, func(w http.ResponseWriter, r *http.Request) {
		entered <- true
		<-leave
	}, func(e *Edge) { e.Callee = &orders })
	get := func(done chan bool) {
		res, err := c.Get("http://" + addr)
		text(t, res, err)
		done <- true
	}
	call := func() Call {
		n := len(innerCalls.wait(t, 0))
		res, err := c.Get("http://" + innerAddr)
		text(t, res, err)
		return innerCalls.wait(t, n+1)[n]
	}
	done := make(chan bool)
	go get(done)
	<-entered
	one := call()
	go get(done)
	<-entered
	two := call()
	leave <- true
	leave <- true
	<-done
	<-done
	until(t, "both requests end", func() bool { return orders.Len() == 0 })
	none := call()
	served := outerCalls.wait(t, 2)
	if !one.Inferred || one.Trace != served[0].Trace && one.Trace != served[1].Trace || one.Parent != served[0].Span && one.Parent != served[1].Span {
		t.Errorf("one in flight: %+v", one)
	}
	for _, c := range []Call{two, none} {
		if c.Inferred || c.Parent != [8]byte{} {
			t.Errorf("not one in flight: %+v", c)
		}
	}
}

// TestPipelining checks that requests sent at once are answered in order (H7).
func TestPipelining(t *testing.T) {
	_, _, addr := web(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s|", r.URL.Path, b)
	})
	var all strings.Builder
	for i := range 50 {
		fmt.Fprintf(&all, "POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", i)
	}
	all.WriteString("GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	c := dial(t, addr)
	go io.WriteString(c, all.String())
	r := bufio.NewReader(c)
	for i := range 50 {
		res, err := http.ReadResponse(r, nil)
		if got := text(t, res, err); got != fmt.Sprintf("/%d abc|", i) {
			t.Fatalf("answer %d is %q", i, got)
		}
	}
}

// TestPipelinedEnd sends two requests and then its own end, as a script does that pipes them in: the callee
// still gets both, and learns of the end behind the last one (H7).
func TestPipelinedEnd(t *testing.T) {
	_, _, addr := raw(t, func(c *net.TCPConn, r *bufio.Reader) {
		readHeadText(r)
		_ = c.SetReadDeadline(time.Now().Add(20 * watchAfter)) // by then the edge has seen the caller's end
		if _, err := r.ReadByte(); !timedOut(err) {
			return
		}
		_ = c.SetReadDeadline(time.Time{})
		for _, body := range []string{"a", "b"} {
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%s", body)
			readHeadText(r)
		}
	})
	c := dial(t, addr)
	io.WriteString(c, strings.Repeat("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 2))
	c.CloseWrite()
	got, err := io.ReadAll(c)
	if strings.Count(string(got), "200 OK") != 2 || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestChunkExtensions sends a signature with each chunk: there is no bound on all of them together.
func TestChunkExtensions(t *testing.T) {
	_, _, addr := web(t, func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, err)
	})
	c := dial(t, addr)
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
	chunk := fmt.Sprintf("400;signature=%064x\r\n%01024d\r\n", 1, 0)
	io.WriteString(c, strings.Repeat(chunk, 2*maxHead/64)+"0\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if got := text(t, res, err); got != fmt.Sprint(2*maxHead/64*1024, nil) {
		t.Errorf("got %q", got)
	}
}

// TestContinue checks 100-continue: passed on in both directions, and a final answer instead of it (H7).
func TestContinue(t *testing.T) {
	_, _, addr := web(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(http.StatusExpectationFailed)
			return
		}
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "got %s", b)
	})
	c := dial(t, addr)
	r := bufio.NewReader(c)
	io.WriteString(c, "PUT /yes HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	if got := readHeadText(r); got != "HTTP/1.1 100 Continue\r\n\r\n" {
		t.Fatalf("got %q", got)
	}
	io.WriteString(c, "hello")
	res, err := http.ReadResponse(r, nil)
	if got := text(t, res, err); got != "got hello" {
		t.Errorf("got %q", got)
	}
	io.WriteString(c, "PUT /no HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	res, err = http.ReadResponse(r, nil)
	if text(t, res, err); res.StatusCode != http.StatusExpectationFailed {
		t.Errorf("got %v", res.Status)
	}
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("the connection goes on after a body that was not sent: %v", err)
	}
}

// TestUpgrade checks that a connection that changes its protocol carries bytes, such as WebSocket (H7).
func TestUpgrade(t *testing.T) {
	e, calls, addr := raw(t, func(c *net.TCPConn, r *bufio.Reader) {
		readHeadText(r)
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nfirst")
		io.Copy(c, r)
	})
	c := dial(t, addr)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nearly")
	r := bufio.NewReader(c)
	readHeadText(r)
	b := make([]byte, 10)
	if _, err := io.ReadFull(r, b); err != nil || string(b) != "firstearly" {
		t.Fatalf("got %q, %v", b, err)
	}
	if got := calls.wait(t, 1)[0]; got.Code != 101 {
		t.Errorf("recorded %+v", got)
	}
	e.SetFaults(&Faults{List: []Fault{Latency{Delay: 20 * time.Millisecond}}})
	start := time.Now()
	ping(t, c)
	if took := time.Since(start); took < 20*time.Millisecond {
		t.Errorf("a delayed ping took %v", took)
	}
	c.CloseWrite()
	if rest, err := io.ReadAll(r); len(rest) > 0 || err != nil {
		t.Errorf("got %q, %v at the end", rest, err)
	}
}

// TestEvents checks that each chunk of a stream arrives when it is sent (H7).
func TestEvents(t *testing.T) {
	next := make(chan bool)
	_, _, addr := web(t, func(w http.ResponseWriter, r *http.Request) {
		for range 3 {
			fmt.Fprint(w, "data: x\n\n")
			w.(http.Flusher).Flush()
			<-next
		}
	})
	res, err := client(t).Get("http://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	for range 3 {
		b := make([]byte, 9)
		if _, err := io.ReadFull(res.Body, b); err != nil {
			t.Fatal(err)
		}
		next <- true
	}
}

// TestUntilClose checks an answer that ends with its connection, and one that breaks (H7).
func TestUntilClose(t *testing.T) {
	read := make(chan bool, 1)
	_, _, addr := raw(t, func(c *net.TCPConn, r *bufio.Reader) {
		head := readHeadText(r)
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n"+strings.Repeat("x", 100_000))
		if strings.Contains(head, "/reset") {
			<-read
			c.SetLinger(0)
		}
	})
	if got := say(t, addr, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); len(got) != 100_000+19 {
		t.Errorf("got %d bytes", len(got))
	}
	c := dial(t, addr)
	io.WriteString(c, "GET /reset HTTP/1.1\r\nHost: a\r\n\r\n")
	io.ReadFull(c, make([]byte, 100_000))
	read <- true
	if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want a reset", err)
	}
}

// TestBadGateway checks what a caller gets of a callee that is down or says nothing (H5).
func TestBadGateway(t *testing.T) {
	var mute atomic.Bool
	e, calls, addr := raw(t, func(c *net.TCPConn, r *bufio.Reader) {
		readHeadText(r)
		if !mute.Load() {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	c := client(t)
	check := func(want int) {
		t.Helper()
		res, err := c.Post("http://"+addr, "", strings.NewReader("x"))
		got := text(t, res, err)
		if res == nil || res.StatusCode != want || want == 502 && (res.Header.Get("Msctl-Edge") != "orders:payments" || !strings.HasPrefix(got, "msctl edge orders:payments: ")) {
			t.Errorf("got %q of %+v, want %d", got, res, want)
		}
	}
	check(200)
	mute.Store(true)
	check(502)
	mute.Store(false)
	check(200)
	e.SetTargets(nil)
	check(502)
	if got := calls.wait(t, 4); got[1].Err == "" || got[1].Code != 502 || got[3].Err == "" {
		t.Errorf("recorded %+v", got)
	}
}

// TestRestart checks that a callee that restarts, each time elsewhere, is found again, and that an idle
// connection that it closed costs nobody an error (H5).
func TestRestart(t *testing.T) {
	e := &Edge{To: "payments", Protocol: "http"}
	addr := serve(t, e)
	c := client(t)
	for i := range 100 {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, i) }))
		e.SetTargets(to(srv.Listener.Addr().String()))
		for range 2 {
			res, err := c.Post("http://"+addr, "", strings.NewReader("x"))
			if got := text(t, res, err); got != fmt.Sprint(i) {
				t.Fatalf("restart %d: got %q", i, got)
			}
		}
		srv.CloseClientConnections()
		srv.Close()
	}
}

// TestReload checks that no request fails while targets come and go (H11).
func TestReload(t *testing.T) {
	var srvs []string
	for range 3 {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(w, r.Body)
		}))
		t.Cleanup(srv.Close)
		srvs = append(srvs, srv.Listener.Addr().String())
	}
	e := &Edge{To: "payments", Protocol: "http"}
	addr := serve(t, e)
	e.SetTargets(to(srvs...))
	answered, stop := loadWith(t, addr, nil)
	defer stop()
	for i := range 100 {
		e.SetTargets(to(srvs[i%3:]...))
		e.SetFaults(&Faults{List: []Fault{Latency{Delay: time.Microsecond}}})
		e.SetFaults(nil)
		before := answered.Load()
		until(t, "a request is answered", func() bool { return answered.Load() > before || t.Failed() })
	}
}

// loadWith has four clients send requests that may not be repeated, until stop is called, and counts the answers. One
// that is not what was sent fails the test.
func loadWith(t *testing.T, addr string, protocols *http.Protocols) (answered *atomic.Int64, stop func()) {
	over := make(chan struct{})
	var load sync.WaitGroup
	answered = new(atomic.Int64)
	for range 4 {
		c := client(t)
		c.Transport.(*http.Transport).Protocols = protocols
		load.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				res, err := c.Post("http://"+addr, "", strings.NewReader("hello"))
				if got := text(t, res, err); got != "hello" {
					t.Errorf("got %q of %v", got, res)
					return
				}
				answered.Add(1)
			}
		})
	}
	return answered, func() {
		close(over)
		load.Wait()
	}
}

// TestWeights checks that each request of one connection is given by weight, exactly (canary).
func TestWeights(t *testing.T) {
	var hits [3]atomic.Int64
	e := &Edge{To: "orders", Protocol: "http"}
	addr := serve(t, e)
	var list []Target
	for i, of := range []Target{{Group: "orders", Weight: 90}, {Group: "orders", Weight: 90}, {Group: "next", Weight: 10}} {
		srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits[i].Add(1) }))
		t.Cleanup(srv.Close)
		of.Unit, of.Addr = fmt.Sprint(i), srv.Listener.Addr().String()
		list = append(list, of)
	}
	e.SetTargets(list)
	c := client(t)
	for range 200 {
		res, err := c.Get("http://" + addr)
		text(t, res, err)
	}
	if old, next := hits[0].Load()+hits[1].Load(), hits[2].Load(); old != 180 || next != 20 {
		t.Errorf("got %d and %d of 200, want 180 and 20", old, next)
	}
	if hits[0].Load() < 50 || hits[1].Load() < 50 {
		t.Errorf("replicas got %d and %d", hits[0].Load(), hits[1].Load())
	}
}

// TestCallerLeaves checks that a callee learns that nobody waits for its answer any more (H4).
func TestCallerLeaves(t *testing.T) {
	cancelled := make(chan bool, 1)
	_, calls, addr := web(t, func(w http.ResponseWriter, r *http.Request) {
		io.ReadAll(r.Body)
		<-r.Context().Done()
		cancelled <- true
	})
	for _, send := range []io.Reader{nil, strings.NewReader(strings.Repeat("x", 200_000))} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		req, _ := http.NewRequestWithContext(ctx, "POST", "http://"+addr, send)
		if _, err := client(t).Do(req); err == nil {
			t.Error("got an answer")
		}
		select {
		case <-cancelled:
		case <-time.After(patience):
			t.Fatal("the callee does not know")
		}
		cancel()
	}
	if got := calls.wait(t, 2); !strings.HasPrefix(got[0].Err, "the caller left after ") {
		t.Errorf("recorded %+v", got)
	}
}

// TestCallerLeavesContent checks that who ends its side before the answer, and gets it whole, is not told to
// have left.
func TestCallerLeavesContent(t *testing.T) {
	answer := make(chan bool)
	_, calls, addr := web(t, func(w http.ResponseWriter, r *http.Request) {
		<-answer
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, "done")
	})
	c := dial(t, addr)
	io.WriteString(c, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
	c.CloseWrite()
	time.AfterFunc(3*watchAfter, func() { close(answer) }) // when the edge has seen it
	text, err := io.ReadAll(c)
	if err != nil || !strings.HasSuffix(string(text), "done") {
		t.Errorf("got %q, %v", text, err)
	}
	if got := calls.wait(t, 1)[0]; got.Err != "" || got.Code != http.StatusCreated {
		t.Errorf("recorded %+v", got)
	}
}

// TestEarlyAnswer checks an answer that comes before the request is sent whole: the connection goes on
// when the callee reads on, and ends when it does not.
func TestEarlyAnswer(t *testing.T) {
	_, _, addr := raw(t, func(c *net.TCPConn, r *bufio.Reader) {
		for {
			head := readHeadText(r)
			if head == "" {
				return
			}
			if strings.Contains(head, "/stop") {
				io.WriteString(c, "HTTP/1.1 413 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
				c.CloseWrite()
				io.Copy(io.Discard, r)
				return
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			io.CopyN(io.Discard, r, 500_000)
		}
	})
	c := dial(t, addr)
	r := bufio.NewReader(c)
	for _, path := range []string{"/go", "/go", "/stop"} {
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n", path)
		res, err := http.ReadResponse(r, nil)
		if text(t, res, err); res == nil || res.StatusCode != map[string]int{"/go": 200, "/stop": 413}[path] {
			t.Fatalf("%s: got %v", path, res)
		}
		if path == "/go" {
			c.Write(bytes.Repeat([]byte("x"), 500_000))
		}
	}
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("the connection goes on: %v", err)
	}
}
