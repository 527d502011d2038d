package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// rule is a fault that does one thing to requests that match.
type rule struct {
	Matcher
	do Action
}

func (r *rule) String() string { return "rule" }

func (r *rule) Ask(q *Request) (Action, bool) {
	_, hit := r.Hit(q)
	return r.do, hit
}

func act(e *Edge, rules ...*rule) {
	var f Faults
	for _, r := range rules {
		f.List = append(f.List, r)
	}
	e.SetFaults(&f)
}

// parrot answers what it was sent, and keeps what it has seen.
type parrot struct {
	mu   sync.Mutex
	seen []string
}

func (p *parrot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	p.mu.Lock()
	p.seen = append(p.seen, fmt.Sprintf("%s %s %q %q %d", r.Method, r.URL.Path, b, r.Header.Get("X-User"), r.ContentLength))
	p.mu.Unlock()
	w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
	w.Header().Set("X-From", "callee")
	if r.URL.Query().Has("flush") {
		w.Header().Set("Trailer", "Sum")
		w.(http.Flusher).Flush()
		w.Header().Set("Sum", "1")
	}
	w.Write(b)
}

func (p *parrot) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.seen
	p.seen = nil
	return s
}

// said is what a caller gets: status, body, and a word for how it ended.
func said(c *http.Client, method, url, content, body string) string {
	req, _ := http.NewRequest(method, url, strings.NewReader(body))
	req.Header.Set("Content-Type", content)
	res, err := c.Do(req)
	switch {
	case errors.Is(err, syscall.ECONNRESET):
		return "reset"
	case err != nil:
		return err.Error()
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	how := ""
	switch {
	case errors.Is(err, syscall.ECONNRESET):
		how = " reset"
	case err != nil:
		how = " " + err.Error()
	}
	return fmt.Sprintf("%d %s%s", res.StatusCode, b, how)
}

var (
	noise = func(content string, b []byte) []byte { return append(b, " and more"...) }
	with  = func(a Action) *rule { return &rule{do: a} }
)

// TestRequestFaults does one thing after another to requests, and looks at what both sides see.
func TestRequestFaults(t *testing.T) {
	var p parrot
	e, calls, addr := web(t, p.ServeHTTP)
	c := client(t)
	for _, tc := range []struct {
		name      string
		do        Action
		url       string
		want      string
		seen      []string
		unchanged bool // the caller's connection goes on
	}{
		{"nothing", Action{}, "/a", "200 hello", []string{`POST /a "hello" "" 5`}, true},
		{"abort", Action{Reply: &Reply{Status: 503, Body: "no", Header: []Header{{"Retry-After", "7"}}}}, "/a", "503 no", nil, true},
		{"abort without a body", Action{Reply: &Reply{Status: 204}}, "/a", "204 ", nil, true},
		{"reset", Action{Reset: true}, "/a", "reset", nil, false},
		{"request body", Action{Request: Patch{Body: noise}}, "/a", "200 hello and more", []string{`POST /a "hello and more" "" 14`}, true},
		{"request header", Action{Request: Patch{Set: []Header{{"X-User", "7"}}}}, "/a", "200 hello", []string{`POST /a "hello" "7" 5`}, true},
		{"answer body", Action{Answer: Patch{Body: noise}}, "/a", "200 hello and more", []string{`POST /a "hello" "" 5`}, true},
		{"chunked answer", Action{Answer: Patch{Body: noise}}, "/a?flush=1", "200 hello and more", []string{`POST /a "hello" "" 5`}, true},
		{"twice", Action{Twice: true}, "/a", "200 hello", []string{`POST /a "hello" "" 5`, `POST /a "hello" "" 5`}, true},
		{"omit", Action{Omit: true}, "/a", "reset", []string{`POST /a "hello" "" 5`}, false},
		{"cut", Action{Cut: true, CutAfter: 2}, "/a", "200 he reset", []string{`POST /a "hello" "" 5`}, false},
		{"cut a chunked one", Action{Cut: true, CutAfter: 2}, "/a?flush=1", "200 he reset", []string{`POST /a "hello" "" 5`}, false},
		{"cut behind its end", Action{Cut: true, CutAfter: 5}, "/a", "200 hello", []string{`POST /a "hello" "" 5`}, true},
		{"both", Action{Request: Patch{Body: noise}, Answer: Patch{Body: noise}, Twice: true}, "/a", "200 hello and more and more",
			[]string{`POST /a "hello and more" "" 14`, `POST /a "hello and more" "" 14`}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e.SetFaults(nil)
			said(c, "POST", "http://"+addr, "", "warm")
			p.take()
			until(t, "those of before have ended", func() bool { return e.Stats(time.Now()).Open == 1 })
			act(e, with(tc.do))
			if got := said(c, "POST", "http://"+addr+tc.url, "text/plain", "hello"); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if got := p.take(); !slices.Equal(got, tc.seen) {
				t.Errorf("the callee saw %q, want %q", got, tc.seen)
			}
			if tc.unchanged {
				said(c, "GET", "http://"+addr, "", "")
				if got := e.Stats(time.Now()).Open; got != 1 {
					t.Errorf("%d connections: the caller's was not kept", got)
				}
			}
		})
	}
	for _, call := range calls.wait(t, 28)[1:] {
		if call.Name == "POST /a" && !slices.Equal(call.Faults, []string{"rule"}) {
			t.Errorf("recorded %+v", call)
		}
	}
}

// TestPatchStaysInStep sends patched requests of every framing over one connection, two at once.
func TestPatchStaysInStep(t *testing.T) {
	var p parrot
	e, _, addr := web(t, p.ServeHTTP)
	act(e, &rule{do: Action{Request: Patch{Body: noise, Set: []Header{{"X-User", "7"}}}, Answer: Patch{Body: noise, Set: []Header{{"X-Was", "here"}}, Remove: []string{"x-from"}}}})
	c := dial(t, addr)
	in := bufio.NewReader(c)
	length := "POST /l HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
	chunks := "POST /c?flush=1 HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nSum: 2\r\n\r\n"
	head := "HEAD /h HTTP/1.1\r\nHost: a\r\n\r\n"
	empty := "GET /e HTTP/1.1\r\nHost: a\r\n\r\n"
	for _, tc := range []struct{ send, method, want string }{
		{length + length, "POST", "hello and more and more"},
		{"", "POST", "hello and more and more"},
		{chunks + length, "POST", "hello and more and more"},
		{"", "POST", "hello and more and more"},
		{head + chunks, "HEAD", ""},
		{"", "POST", "hello and more and more"},
		{empty + length, "GET", ""},
		{"", "POST", "hello and more and more"},
	} {
		io.WriteString(c, tc.send)
		res, err := http.ReadResponse(in, &http.Request{Method: tc.method})
		if got := text(t, res, err); got != tc.want {
			t.Errorf("%.10q: got %q, want %q", tc.send, got, tc.want)
		}
		if res.Header.Get("X-Was") != "here" || res.Header.Get("X-From") != "" {
			t.Errorf("%.10q: headers %v", tc.send, res.Header)
		}
		if n := res.ContentLength; n >= 0 && tc.method != "HEAD" && n != int64(len(tc.want)) {
			t.Errorf("%.10q: length %d", tc.send, n)
		}
	}
	// A caller that waits for word to send its body gets it from the edge, once.
	io.WriteString(c, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	if line, _ := in.ReadString('\n'); !strings.Contains(line, "100") {
		t.Fatalf("got %q", line)
	}
	in.ReadString('\n')
	io.WriteString(c, "hello")
	res, err := http.ReadResponse(in, nil)
	if got := text(t, res, err); got != "hello and more and more" || res.StatusCode != 200 {
		t.Errorf("got %d %q", res.StatusCode, got)
	}
	// One that is too long passes as it is.
	long := strings.Repeat("x", 3*maxPatched)
	go io.WriteString(c, "POST /long HTTP/1.1\r\nHost: a\r\nContent-Length: "+strconv.Itoa(len(long))+"\r\n\r\n"+long)
	res, err = http.ReadResponse(in, nil)
	if got := text(t, res, err); got != long {
		t.Errorf("got %d bytes, want %d", len(got), len(long))
	}
}

// TestMatch checks which requests a fault means.
func TestMatch(t *testing.T) {
	q := &Request{Protocol: "http", Method: "POST", Path: "/v1/orders/42", Name: "POST /v1/orders/{id}", Trace: [16]byte{1},
		header: func(name string) (string, bool) { return "7", name == "x-user" }}
	rpc := &Request{Protocol: "grpc", Path: "/shop.Orders/Charge", Name: "shop.Orders/Charge"}
	sql := &Request{Protocol: "postgres", Method: "INSERT", Path: "insert into orders values ($1)", Name: "INSERT orders"}
	msg := &Request{Protocol: "nats", Path: "orders.created"}
	for _, tc := range []struct {
		m    Match
		q    *Request
		want bool
	}{
		{Match{}, q, true},
		{Match{Path: "/v1/orders/{id}"}, q, true}, {Match{Path: "/v1/{what}/42"}, q, true},
		{Match{Path: "/v1/*"}, q, true}, {Match{Path: "/v1/or*"}, q, true}, {Match{Path: "/*"}, q, true},
		{Match{Path: "/v1/orders"}, q, false}, {Match{Path: "/v1/orders/{id}/x"}, q, false}, {Match{Path: "/v2/*"}, q, false},
		{Match{Method: "post"}, q, true}, {Match{Method: "GET"}, q, false},
		{Match{Header: Header{"X-User", ""}}, q, true}, {Match{Header: Header{"X-User", "7"}}, q, true},
		{Match{Header: Header{"X-User", "8"}}, q, false}, {Match{Header: Header{"Y", ""}}, q, false},
		{Match{Name: "POST /v1/orders/{id}"}, q, true}, {Match{Name: "POST /v1/orders"}, q, false},
		{Match{Trace: [16]byte{1}}, q, true}, {Match{Trace: [16]byte{2}}, q, false},
		{Match{Path: "shop.Orders/Charge"}, rpc, true}, {Match{Path: "Charge"}, rpc, true}, {Match{Path: "/shop.Orders/*"}, rpc, true}, {Match{Path: "arge"}, rpc, false},
		{Match{Path: "INTO orders"}, sql, true}, {Match{Path: "users"}, sql, false}, {Match{Method: "INSERT"}, sql, true},
		{Match{Path: "orders.*"}, msg, true}, {Match{Path: "users.*"}, msg, false},
	} {
		m := Matcher{Match: tc.m}
		if _, got := m.Hit(tc.q); got != tc.want {
			t.Errorf("%+v on %s: got %v", tc.m, tc.q.Path, got)
		}
	}
	hits := func(m Match) (got []int) {
		one := Matcher{Match: m}
		for i := range 6 {
			if _, hit := one.Hit(q); hit {
				got = append(got, i+1)
			}
		}
		return got
	}
	for _, tc := range []struct {
		m    Match
		want []int
	}{{Match{Nth: 3}, []int{3}}, {Match{First: 2}, []int{1, 2}}, {Match{Every: 2}, []int{1, 3, 5}}} {
		if got := hits(tc.m); !slices.Equal(got, tc.want) {
			t.Errorf("%+v: hit %v, want %v", tc.m, got, tc.want)
		}
	}
}

// TestShareOfRequests checks that a placed fault acts on its share, the same requests again with the same seed.
func TestShareOfRequests(t *testing.T) {
	var p parrot
	e, _, addr := web(t, p.ServeHTTP)
	c := client(t)
	run := func(seed uint64) string {
		var got bytes.Buffer
		e.SetFaults(&Faults{List: []Fault{&Placed{Fault: with(Action{Reply: &Reply{Status: 503}}), ID: "a", Toxicity: 0.5, Seed: seed}}})
		for range 40 {
			got.WriteString(said(c, "GET", "http://"+addr, "", "")[:1])
		}
		return got.String()
	}
	one, again, other := run(1), run(1), run(2)
	if one != again || one == other {
		t.Errorf("seed 1 drew %s and %s, seed 2 %s", one, again, other)
	}
	if n := strings.Count(one, "5"); n < 8 || n > 32 {
		t.Errorf("acted on %d of 40", n)
	}
}

// TestDelayRequests checks that a request and an answer are held back, and that both go out when the faults are
// lifted.
func TestDelayRequests(t *testing.T) {
	var p parrot
	e, _, addr := web(t, p.ServeHTTP)
	c := client(t)
	for _, do := range []Action{{Delay: 20 * time.Millisecond}, {DelayAnswer: 20 * time.Millisecond}} {
		act(e, with(do))
		start := time.Now()
		if got := said(c, "POST", "http://"+addr, "", "x"); got != "200 x" || time.Since(start) < 20*time.Millisecond {
			t.Errorf("%+v: got %q after %v", do, got, time.Since(start))
		}
	}
	p.take()
	for _, do := range []Action{{Delay: time.Hour}, {DelayAnswer: time.Hour}} {
		act(e, with(do))
		done := make(chan string)
		go func() { done <- said(c, "POST", "http://"+addr, "", "x") }()
		until(t, "the request is held back", func() bool {
			return e.Stats(time.Now()).InFlight == 1 && (do.Delay > 0) == (len(p.take()) == 0)
		})
		e.SetFaults(nil)
		if got := <-done; got != "200 x" {
			t.Errorf("%+v: got %q", do, got)
		}
	}
}

// finishAll ends every connection of an edge as a fault does whose time has come.
func finishAll(e *Edge, how Ending) {
	e.mu.Lock()
	links := slices.Collect(maps.Keys(e.links))
	e.mu.Unlock()
	for _, l := range links {
		l.finish(how)
	}
}

// TestDelayEnds checks that a request which is held back is given up when its connection ends: by another fault, or
// because its caller leaves.
func TestDelayEnds(t *testing.T) {
	whole, half := "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx"
	ends := map[string]func(*Edge, *net.TCPConn){
		"reset by a fault":  func(e *Edge, _ *net.TCPConn) { finishAll(e, ByReset) },
		"closed by a fault": func(e *Edge, _ *net.TCPConn) { finishAll(e, ByClose) },
		"left":              func(_ *Edge, c *net.TCPConn) { c.SetLinger(0); c.Close() },
	}
	for held, tt := range map[string]struct {
		say string
		do  Action
	}{
		"a request": {whole, Action{Delay: time.Hour}},
		"a head":    {half, Action{Delay: time.Hour}},
		"an answer": {whole, Action{DelayAnswer: time.Hour}},
	} {
		for why, end := range ends {
			t.Run(held+" "+why, func(t *testing.T) {
				t.Parallel()
				var p parrot
				e, calls, addr := web(t, p.ServeHTTP)
				act(e, with(tt.do))
				c := dial(t, addr)
				io.WriteString(c, tt.say)
				until(t, "it is held back", func() bool {
					return e.Stats(time.Now()).InFlight == 1 && (tt.do.Delay > 0 || len(p.take()) > 0)
				})
				end(e, c)
				until(t, "the connection ends", func() bool { return e.Stats(time.Now()).Open == 0 })
				if got := calls.wait(t, 1)[0]; !strings.Contains(got.Err, "left after") && got.Err != "connection ended by a fault" {
					t.Errorf("recorded %+v", got)
				}
			})
		}
	}
}

// TestTwiceEnds checks that the first copy of a request which comes two times is given up with its connection: where
// another fault ends that, or its caller leaves in order or not. Of what was broken no second copy comes.
func TestTwiceEnds(t *testing.T) {
	for why, tt := range map[string]struct {
		end    func(*Edge, *net.TCPConn)
		copies int
		err    string
	}{
		"reset by a fault":  {func(e *Edge, _ *net.TCPConn) { finishAll(e, ByReset) }, 1, "ended by a fault"},
		"closed by a fault": {func(e *Edge, _ *net.TCPConn) { finishAll(e, ByClose) }, 1, "ended by a fault"},
		"broken":            {func(_ *Edge, c *net.TCPConn) { c.SetLinger(0); c.Close() }, 1, "left after"},
		"closed":            {func(_ *Edge, c *net.TCPConn) { c.Close() }, 2, ""},
	} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			come, gone := make(chan bool, 2), make(chan bool, 2)
			e, calls, addr := web(t, func(_ http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				come <- true
				<-r.Context().Done()
				gone <- true
			})
			act(e, with(Action{Twice: true}))
			c := dial(t, addr)
			io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
			<-come
			tt.end(e, c)
			awaitEnd(t, gone)
			until(t, "the connection ends", func() bool { return e.Stats(time.Now()).Open == 0 })
			if got := calls.wait(t, 1)[0]; !strings.Contains(got.Err, tt.err) {
				t.Errorf("recorded %+v", got)
			}
			if n := 1 + len(come); n != tt.copies {
				t.Errorf("%d copies came, want %d", n, tt.copies)
			}
		})
	}
}

// awaitEnd waits until the callee is told that nobody waits for the first copy, and not because that took too long.
func awaitEnd(t *testing.T, gone <-chan bool) {
	t.Helper()
	select {
	case <-gone:
	case <-time.After(doubleTime / 2):
		t.Fatal("the first copy is still waited for")
	}
}
