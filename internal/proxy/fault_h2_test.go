package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"
)

// web2 runs a server that speaks HTTP/2 behind an edge and returns the edge with its address and a client.
func web2(t *testing.T, h http.HandlerFunc) (*Edge, *record, string, *http.Client) {
	t.Helper()
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	srv := http.Server{Handler: h, Protocols: &p}
	ln := listen(t)
	done := make(chan struct{})
	go func() { defer close(done); srv.Serve(ln) }()
	t.Cleanup(func() { srv.Close(); <-done })
	var r record
	e := &Edge{From: "orders", To: "payments", Protocol: "http", Record: r.add}
	addr := serve(t, e)
	e.SetTargets(to(ln.Addr().String()))
	tr := &http.Transport{Protocols: &p, DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return e, &r, addr, &http.Client{Transport: tr, Timeout: patience}
}

// said2 is said over HTTP/2, where a stream is reset and not a connection.
func said2(c *http.Client, method, url, body string) string {
	req, _ := http.NewRequest(method, url, strings.NewReader(body))
	req.Header.Set("Content-Type", "text/plain")
	res, err := c.Do(req)
	var reset http2.StreamError
	switch {
	case errors.As(err, &reset):
		return "reset"
	case err != nil:
		return err.Error()
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	got := strings.TrimSpace(strings.Join([]string{res.Status[:3], string(b)}, " "))
	switch {
	case errors.As(err, &reset):
		return got + " reset"
	case err != nil:
		return got + " " + err.Error()
	}
	return got
}

// TestRequestFaultsH2 does one thing after another to streams, and looks at what both sides see.
func TestRequestFaultsH2(t *testing.T) {
	var p parrot
	e, calls, addr, c := web2(t, p.ServeHTTP)
	one := []string{`POST /a "hello" "" 5`}
	more := `POST /a "hello and more" "" 14`
	big := strings.Repeat("x", 500<<10)
	n := 0
	for _, tc := range []struct {
		name, body string
		do         Action
		want       string
		seen       []string
	}{
		{"nothing", "hello", Action{}, "200 hello", one},
		{"abort", "hello", Action{Reply: &Reply{Status: 503, Body: "no", Header: []Header{{"Retry-After", "7"}}}}, "503 no", nil},
		{"abort without a body", "hello", Action{Reply: &Reply{Status: 204}}, "204", nil},
		{"reset", "hello", Action{Reset: true}, "reset", nil},
		{"request body", "hello", Action{Request: Patch{Body: noise}}, "200 hello and more", []string{more}},
		{"request header", "hello", Action{Request: Patch{Set: []Header{{"X-User", "7"}}}}, "200 hello", []string{`POST /a "hello" "7" 5`}},
		{"answer body", "hello", Action{Answer: Patch{Body: noise}}, "200 hello and more", one},
		{"a long body", big, Action{Request: Patch{Body: noise}, Answer: Patch{Body: noise}}, "200 " + big + " and more and more", nil},
		{"one that is too long", big + big + big, Action{Request: Patch{Body: noise}}, "200 " + big + big + big, nil},
		{"twice", "hello", Action{Twice: true}, "200 hello", append(one, one...)},
		{"omit", "hello", Action{Omit: true}, "reset", one},
		{"cut", "hello", Action{Cut: true, CutAfter: 2}, "200 he reset", one},
		{"cut a long one", big, Action{Cut: true, CutAfter: 300 << 10}, "200 " + big[:300<<10] + " reset", nil},
		{"cut behind its end", "hello", Action{Cut: true, CutAfter: 5}, "200 hello", one},
		{"held back", "hello", Action{Delay: time.Millisecond, DelayAnswer: time.Millisecond}, "200 hello", one},
		{"all", "hello", Action{Delay: time.Millisecond, DelayAnswer: time.Millisecond, Request: Patch{Body: noise}, Answer: Patch{Body: noise}, Twice: true, Cut: true, CutAfter: 20},
			"200 hello and more and m reset", []string{more, more}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			act(e, with(tc.do))
			p.take()
			n++
			if got := said2(c, "POST", "http://"+addr+"/a", tc.body); got != tc.want {
				t.Errorf("got %.60q (%d), want %.60q (%d)", got, len(got), tc.want, len(tc.want))
			}
			if got := p.take(); tc.seen != nil && !slices.Equal(got, tc.seen) || tc.seen == nil && len(got) > 1 {
				t.Errorf("the callee saw %.60q, want %q", got, tc.seen)
			}
			if got := calls.wait(t, n)[n-1]; !slices.Equal(got.Faults, []string{"rule"}) {
				t.Errorf("recorded %+v", got)
			}
		})
	}
	e.SetFaults(nil)
	for range 20 { // what was granted to both sides is still right
		if got := said2(c, "POST", "http://"+addr+"/a", big); got != "200 "+big {
			t.Fatalf("got %d bytes", len(got))
		}
	}
}

// TestWithheldAnswer ends a callee while its answer is held back: the caller is told.
func TestWithheldAnswer(t *testing.T) {
	half := make(chan bool)
	e, _, addr, c := web2(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "half")
		w.(http.Flusher).Flush()
		<-half
		panic(http.ErrAbortHandler)
	})
	act(e, with(Action{Answer: Patch{Body: noise}}))
	done := make(chan string)
	go func() { done <- said2(c, "GET", "http://"+addr, "") }()
	until(t, "the answer is held back", func() bool { return e.Stats(time.Now()).InFlight == 1 })
	close(half)
	if got := <-done; !strings.HasPrefix(got, "502") && got != "reset" {
		t.Errorf("got %q", got)
	}
}

// TestFaultsGRPC checks what a client of gRPC is told.
func TestFaultsGRPC(t *testing.T) {
	var seen int
	e, calls, c, _ := rpc(t, &callee{})
	ask := func() (string, codes.Code) {
		res, err := c.UnaryCall(t.Context(), &grpc_testing.SimpleRequest{Payload: &grpc_testing.Payload{Body: []byte("hello")}})
		seen++
		return string(res.GetPayload().GetBody()) + status.Convert(err).Message(), status.Code(err)
	}
	for _, tc := range []struct {
		name string
		do   Action
		want string
		code codes.Code
	}{
		{"nothing", Action{}, "hello", codes.OK},
		{"status", Action{Reply: &Reply{Code: 8, Text: "too much: 100 %"}}, "too much: 100 %", codes.ResourceExhausted},
		{"abort", Action{Reply: &Reply{Status: 503}}, "unexpected HTTP status code received from server: 503 (Service Unavailable); malformed header: missing HTTP content-type", codes.Unavailable},
		{"reset", Action{Reset: true}, "stream terminated by RST_STREAM with error code: INTERNAL_ERROR", codes.Internal},
		{"reset after a message", Action{Cut: true, CutAfter: 1}, "stream terminated by RST_STREAM with error code: INTERNAL_ERROR", codes.Internal},
		{"reset before one", Action{Cut: true}, "stream terminated by RST_STREAM with error code: INTERNAL_ERROR", codes.Internal},
		{"omit", Action{Omit: true}, "msctl edge orders:payments: answer omitted by a fault", codes.Unavailable},
		{"twice", Action{Twice: true}, "hello", codes.OK},
		{"held back", Action{Delay: time.Millisecond, DelayAnswer: time.Millisecond}, "hello", codes.OK},
		{"bodies are not text", Action{Answer: Patch{Body: noise}}, "hello", codes.OK},
	} {
		act(e, &rule{Matcher: Matcher{Match: Match{Path: "UnaryCall"}}, do: tc.do})
		if got, code := ask(); got != tc.want || code != tc.code {
			t.Errorf("%s: got %q %v, want %q %v", tc.name, got, code, tc.want, tc.code)
		}
		if got := calls.wait(t, seen)[seen-1]; !slices.Equal(got.Faults, []string{"rule"}) || got.Code != int(tc.code) && tc.code != codes.Internal && tc.name != "abort" {
			t.Errorf("%s: recorded %+v", tc.name, got)
		}
	}
	act(e, &rule{do: Action{Cut: true, CutAfter: 2}})
	st, err := c.StreamingOutputCall(t.Context(), &grpc_testing.StreamingOutputCallRequest{ResponseParameters: make([]*grpc_testing.ResponseParameters, 5)})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; err == nil; n++ {
		_, err = st.Recv()
	}
	if n != 3 || status.Code(err) != codes.Internal {
		t.Errorf("%d messages, then %v", n-1, err)
	}
	e.SetFaults(nil)
	if got, code := ask(); got != "hello" || code != codes.OK {
		t.Errorf("got %q %v", got, code)
	}
}

// TestDelayEndsH2 checks that streams are held back no longer when the faults are lifted, or when another one ends their
// connection.
func TestDelayEndsH2(t *testing.T) {
	for _, do := range []Action{{Delay: time.Hour}, {DelayAnswer: time.Hour}} {
		for name, lift := range map[string]func(*Edge){
			"200 x": func(e *Edge) { e.SetFaults(nil) },
			"EOF":   func(e *Edge) { finishAll(e, ByClose) },
		} {
			var p parrot
			e, calls, addr, c := web2(t, p.ServeHTTP)
			act(e, with(do))
			got := make(chan string, 1)
			go func() { got <- said2(c, "POST", "http://"+addr, "x") }()
			until(t, "the stream is held back", func() bool {
				return e.Stats(time.Now()).InFlight == 1 && (do.Delay > 0 || len(p.take()) > 0)
			})
			lift(e)
			if got := <-got; !strings.Contains(got, name) {
				t.Errorf("%+v: got %q, want %s", do, got, name)
			}
			calls.wait(t, 1)
		}
	}
}

// TestTwiceEndsH2 checks that the first copy of a request which comes two times is given up with its stream: where
// another fault ends the connection, or the caller does not want the answer any more.
func TestTwiceEndsH2(t *testing.T) {
	for why, end := range map[string]func(*Edge, context.CancelFunc){
		"a fault":    func(e *Edge, _ context.CancelFunc) { finishAll(e, ByClose) },
		"the caller": func(_ *Edge, cancel context.CancelFunc) { cancel() },
	} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			come, gone := make(chan bool, 2), make(chan bool, 2)
			e, calls, addr, c := web2(t, func(_ http.ResponseWriter, r *http.Request) {
				come <- true
				<-r.Context().Done()
				gone <- true
			})
			act(e, with(Action{Twice: true}))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			req, _ := http.NewRequestWithContext(ctx, "POST", "http://"+addr, strings.NewReader("x"))
			done := make(chan error, 1)
			go func() { _, err := c.Do(req); done <- err }()
			<-come
			end(e, cancel)
			awaitEnd(t, gone)
			if err := <-done; err == nil || len(come) > 0 {
				t.Errorf("got %v, and %d copies more", err, len(come))
			}
			calls.wait(t, 1)
		})
	}
}
