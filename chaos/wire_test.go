package chaos

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"msctl.dev/msctl/internal/proxy"
	"msctl.dev/msctl/internal/state"
)

// edge is an edge on the loopback, to a server that answers every connection with serve.
func edge(t *testing.T, protocol string, serve func(net.Conn)) (*proxy.Edge, string) {
	t.Helper()
	e := &proxy.Edge{From: "a", To: "b", Protocol: protocol}
	e.SetTargets([]proxy.Target{{Addr: listen(t, serve)}})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Serve(ctx, ln) }()
	t.Cleanup(func() {
		end()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return e, ln.Addr().String()
}

func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return ln.Addr().String()
}

func echo(c net.Conn) { _, _ = io.Copy(c, c) }

// put places faults as a line says them.
func put(t *testing.T, e *proxy.Edge, line string) []*proxy.Placed {
	t.Helper()
	words, err := Fields("a:b " + line)
	if err != nil {
		t.Fatal(err)
	}
	faults, err := Parse(words)
	if err != nil {
		t.Fatal(err)
	}
	var list []proxy.Fault
	var placed []*proxy.Placed
	for _, f := range faults {
		one, err := Compile(f)
		if err != nil {
			t.Fatal(err)
		}
		list, placed = append(list, one), append(placed, one.(*proxy.Placed))
	}
	e.SetFaults(&proxy.Faults{List: list})
	return placed
}

func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(time.Minute))
	return c.(*net.TCPConn)
}

// ping sends a word and wants it back.
func ping(t *testing.T, c net.Conn) {
	t.Helper()
	if _, err := io.WriteString(c, "ping"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "ping" {
		t.Fatalf("got %q, %v", b, err)
	}
}

// acts waits until a fault has acted.
func acts(t *testing.T, p *proxy.Placed) {
	t.Helper()
	for end := time.Now().Add(time.Minute); p.Acted() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not act")
		}
	}
}

// quiet shows that nothing comes until the faults are lifted, and lifts them.
func quiet(t *testing.T, e *proxy.Edge, c net.Conn, p *proxy.Placed) {
	t.Helper()
	acts(t, p)
	c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Errorf("read %d bytes, %v", n, err)
	}
	c.SetReadDeadline(time.Now().Add(time.Minute))
	e.SetFaults(nil)
}

// comes reads a text.
func comes(t *testing.T, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

// TestOpenConnections puts each fault on a connection that is open, and lifts it: nobody reconnects unless
// the fault is about that.
func TestOpenConnections(t *testing.T) {
	rest := func(c net.Conn) (string, error) {
		b, err := io.ReadAll(c)
		return string(b), err
	}
	say := func(t *testing.T, c net.Conn, text string) {
		t.Helper()
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		line string
		then func(t *testing.T, e *proxy.Edge, c net.Conn, p *proxy.Placed)
	}{
		{"latency=30ms", func(t *testing.T, _ *proxy.Edge, c net.Conn, _ *proxy.Placed) {
			start := time.Now()
			ping(t, c)
			if took := time.Since(start); took < 30*time.Millisecond {
				t.Errorf("took %v", took)
			}
		}},
		{"latency=20ms latency=20ms stream=up", func(t *testing.T, _ *proxy.Edge, c net.Conn, _ *proxy.Placed) {
			start := time.Now()
			ping(t, c)
			if took := time.Since(start); took < 40*time.Millisecond {
				t.Errorf("two delays took %v", took)
			}
		}},
		{"stall", func(t *testing.T, e *proxy.Edge, c net.Conn, p *proxy.Placed) {
			say(t, c, "held")
			quiet(t, e, c, p)
			comes(t, c, "held")
			ping(t, c)
		}},
		{"hang", func(t *testing.T, e *proxy.Edge, c net.Conn, p *proxy.Placed) {
			say(t, c, "held")
			quiet(t, e, c, p)
			comes(t, c, "held")
		}},
		{"reset", func(t *testing.T, _ *proxy.Edge, c net.Conn, _ *proxy.Placed) {
			say(t, c, "lost")
			if got, err := rest(c); got != "" || !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("got %q, %v", got, err)
			}
		}},
		{"reset bytes=3", func(t *testing.T, _ *proxy.Edge, c net.Conn, _ *proxy.Placed) {
			say(t, c, "four")
			if got, err := rest(c); !strings.HasPrefix("fou", got) || !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("got %q, %v", got, err)
			}
		}},
		{"reset now", func(t *testing.T, _ *proxy.Edge, c net.Conn, _ *proxy.Placed) {
			if got, err := rest(c); got != "" || !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("got %q, %v", got, err)
			}
		}},
		{"partition", func(t *testing.T, _ *proxy.Edge, c net.Conn, _ *proxy.Placed) {
			if _, err := rest(c); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("got %v", err)
			}
		}},
		{"limit=3", func(t *testing.T, _ *proxy.Edge, c net.Conn, _ *proxy.Placed) {
			say(t, c, "four")
			comes(t, c, "fou")
			if got, err := rest(c); got != "" {
				t.Errorf("then %q, %v", got, err)
			}
		}},
		{"limit time=20ms", func(t *testing.T, _ *proxy.Edge, c net.Conn, _ *proxy.Placed) {
			if got, err := rest(c); got != "" || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
		}},
		{"blackhole", func(t *testing.T, e *proxy.Edge, c net.Conn, p *proxy.Placed) {
			say(t, c, "lost")
			quiet(t, e, c, p)
			if got, err := rest(c); got != "" {
				t.Errorf("lifted: got %q, %v", got, err)
			}
		}},
		{"blackhole=20ms", func(t *testing.T, _ *proxy.Edge, c net.Conn, _ *proxy.Placed) {
			if got, err := rest(c); got != "" || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
		}},
		{"slow-close=40ms", func(t *testing.T, _ *proxy.Edge, c net.Conn, _ *proxy.Placed) {
			ping(t, c)
			start := time.Now()
			c.(*net.TCPConn).CloseWrite()
			if got, err := rest(c); got != "" || err != nil || time.Since(start) < 40*time.Millisecond {
				t.Errorf("got %q, %v after %v", got, err, time.Since(start))
			}
		}},
		{"slicer=1,delay=1ms", func(t *testing.T, _ *proxy.Edge, c net.Conn, _ *proxy.Placed) {
			start := time.Now()
			ping(t, c)
			if took := time.Since(start); took < 3*time.Millisecond {
				t.Errorf("took %v", took)
			}
		}},
		{"corrupt=1 seed=7", func(t *testing.T, _ *proxy.Edge, c net.Conn, _ *proxy.Placed) {
			say(t, c, "ping")
			b := make([]byte, 4)
			if _, err := io.ReadFull(c, b); err != nil || b[0] == 'p' || b[1] == 'i' || b[2] == 'n' || b[3] == 'g' {
				t.Errorf("got %q, %v", b, err)
			}
		}},
		{"bandwidth=1MB/s,shared", func(t *testing.T, _ *proxy.Edge, c net.Conn, _ *proxy.Placed) {
			start := time.Now()
			go c.Write(make([]byte, 100_000))
			if _, err := io.ReadFull(c, make([]byte, 100_000)); err != nil || time.Since(start) < 90*time.Millisecond {
				t.Errorf("after %v: %v", time.Since(start), err)
			}
		}},
	} {
		t.Run(tc.line, func(t *testing.T) {
			t.Parallel()
			e, addr := edge(t, "tcp", echo)
			c := dial(t, addr)
			ping(t, c)
			placed := put(t, e, tc.line)
			tc.then(t, e, c, placed[0])
			if placed[0].Acted() == 0 {
				t.Error("it counts nothing that it acted on")
			}
		})
	}
}

// TestHang accepts new connections, calls nobody for them, and lets them go on when it is lifted.
func TestHang(t *testing.T) {
	called := make(chan bool, 1)
	e, addr := edge(t, "tcp", func(c net.Conn) { called <- true; echo(c) })
	put(t, e, "hang")
	c := dial(t, addr)
	io.WriteString(c, "held")
	select {
	case <-called:
		t.Error("somebody was called")
	case <-time.After(50 * time.Millisecond):
	}
	e.SetFaults(nil)
	comes(t, c, "held")
}

// TestHTTPEdges lets faults on bytes act where requests are forwarded, over HTTP/1.1 and HTTP/2.
func TestHTTPEdges(t *testing.T) {
	const size = 300_000
	backend := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)

		w.Write(bytes.Repeat([]byte("x"), size))
	}), Protocols: new(http.Protocols)}
	backend.Protocols.SetHTTP1(true)
	backend.Protocols.SetUnencryptedHTTP2(true)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go backend.Serve(ln)
	t.Cleanup(func() { backend.Close() })
	for _, h2 := range []bool{false, true} {
		e, addr := edge(t, "http", nil)
		e.SetTargets([]proxy.Target{{Addr: ln.Addr().String()}})
		tr := &http.Transport{Protocols: new(http.Protocols)}
		tr.Protocols.SetHTTP1(!h2)
		tr.Protocols.SetUnencryptedHTTP2(h2)
		t.Cleanup(tr.CloseIdleConnections)
		get := func() (int, time.Duration, error) {
			start := time.Now()
			res, err := (&http.Client{Transport: tr, Timeout: time.Minute}).Post("http://"+addr, "text/plain", strings.NewReader("hello"))
			if err != nil {
				return 0, 0, err
			}
			defer res.Body.Close()
			n, err := io.Copy(io.Discard, res.Body)
			return int(n), time.Since(start), err
		}
		if n, _, err := get(); n != size || err != nil {
			t.Fatalf("h2=%v: %d bytes, %v", h2, n, err)
		}
		put(t, e, "bandwidth=1MB/s")
		if n, took, err := get(); n != size || err != nil || took < 250*time.Millisecond {
			t.Errorf("h2=%v bandwidth: %d bytes in %v, %v", h2, n, took, err)
		}
		put(t, e, "slicer=50KB")
		if n, _, err := get(); n != size || err != nil {
			t.Errorf("h2=%v slicer: %d bytes, %v", h2, n, err)
		}
		put(t, e, "latency=30ms")
		if n, took, err := get(); n != size || err != nil || took < 30*time.Millisecond {
			t.Errorf("h2=%v latency: %d bytes in %v, %v", h2, n, took, err)
		}
		put(t, e, "slicer=1 stream=up")
		if n, _, err := get(); n != size || err != nil {
			t.Errorf("h2=%v slicer up: %d bytes, %v", h2, n, err)
		}
		put(t, e, "limit=100KB")
		if n, _, err := get(); n > 100_000 || err == nil {
			t.Errorf("h2=%v limit: %d bytes, %v", h2, n, err)
		}
		put(t, e, "refuse")
		if _, _, err := get(); err == nil {
			t.Errorf("h2=%v refuse: no error", h2)
		}
		e.SetFaults(nil)
		if n, _, err := get(); n != size || err != nil {
			t.Errorf("h2=%v lifted: %d bytes, %v", h2, n, err)
		}
	}
}

// TestToxicity acts on the connections that its coins choose, and on the same ones with the same seed.
func TestToxicity(t *testing.T) {
	refused := func() (out string) {
		e, addr := edge(t, "tcp", echo)
		f := state.Fault{ID: "half", Target: "a:b", Kind: "refuse", Toxicity: 0.5, Seed: 7}
		one, err := Compile(f)
		if err != nil {
			t.Fatal(err)
		}
		e.SetFaults(&proxy.Faults{List: []proxy.Fault{one}})
		for range 16 {
			c, err := net.Dial("tcp", addr)
			if err == nil {
				io.WriteString(c, "x")
				_, err = c.Read(make([]byte, 1))
				c.Close()
			}
			if err != nil {
				out += "x"
			} else {
				out += "."
			}
		}
		return out
	}
	first, second := refused(), refused()
	if first != second || !strings.Contains(first, "x") || !strings.Contains(first, ".") {
		t.Errorf("first %s, then %s", first, second)
	}
	for i := range uint64(16) {
		if (proxy.Coin(7, "a:b", "half", i) < 0.5) != (first[i] == 'x') {
			t.Errorf("connection %d does not follow its coin", i)
		}
	}
}
