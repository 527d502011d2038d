package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// idleMany is how many connections wait at once. H3 asks for 10,000, which internal/bench/edges has: each here is three
// descriptors or four.
const idleMany = 1000

// inUse is the memory that the process has in use for goroutines and objects.
func inUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// TestIdle checks what a connection costs that says nothing, and that all of many are served (H3). The
// figures include the test's own ends.
func TestIdle(t *testing.T) {
	for _, protocol := range []string{"tcp", "redis", "http"} {
		t.Run(protocol, func(t *testing.T) {
			ends := holdAll(t)
			e := &Edge{To: "x", Protocol: protocol}
			addr := serve(t, e)
			e.SetTargets(to(ends))
			before := inUse()
			var conns []net.Conn
			for range idleMany {
				conns = append(conns, dial(t, addr))
			}
			pingAll(t, conns, protocol)
			each := (inUse() - before) / idleMany
			t.Logf("%d bytes for each", each)
			if each > 32<<10 {
				t.Errorf("an idle connection costs %d bytes", each)
			}
			if open := e.Stats(time.Now()).Open; open != idleMany {
				t.Errorf("%d are open", open)
			}
		})
	}
}

// holdAll echoes lines, or answers requests, with one goroutine for each connection.
func holdAll(t *testing.T) string {
	return backend(t, func(c *net.TCPConn) {
		w := newWire(c, 0)
		for w.fill() == nil {
			if strings.HasPrefix(string(w.bytes()), "GET ") {
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nPONG")
			} else {
				c.Write(w.bytes())
			}
			w.drop()
		}
	})
}

func pingAll(t *testing.T, conns []net.Conn, protocol string) {
	t.Helper()
	say, want := "PING\r\n", len("PING\r\n")
	if protocol == "http" {
		say, want = "GET / HTTP/1.1\r\nHost: a\r\n\r\n", len("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nPONG")
	}
	for _, c := range conns {
		io.WriteString(c, say)
	}
	for i, c := range conns {
		if _, err := io.ReadFull(c, make([]byte, want)); err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
	}
}

// TestSlowCaller checks that an answer that nobody reads is not kept in memory (H6), and arrives whole.
func TestSlowCaller(t *testing.T) {
	const size = 256 << 20
	for _, protocol := range []string{"tcp", "http"} {
		t.Run(protocol, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Length", fmt.Sprint(size))
				for b := make([]byte, 1<<20); ; {
					if _, err := w.Write(b); err != nil {
						return
					}
				}
			}))
			t.Cleanup(srv.Close)
			e := &Edge{Protocol: protocol}
			addr := serve(t, e)
			e.SetTargets(to(srv.Listener.Addr().String()))
			before := inUse()
			res, err := client(t).Get("http://" + addr)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			last := int64(-1)
			until(t, "the way is full", func() bool {
				got := e.Stats(time.Now()).Received
				defer func() { last = got }()
				return got == last
			})
			if grown := inUse() - before; grown > 4<<20 { // the server's own buffer and the client's are in it
				t.Errorf("%d bytes more are in use", grown)
			}
			if n, err := io.Copy(io.Discard, res.Body); n != size || err != nil {
				t.Errorf("got %d bytes, %v", n, err)
			}
		})
	}
}

// TestManyCallers checks that counters agree after many callers at once, some of whom leave.
func TestManyCallers(t *testing.T) {
	var calls record
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") }))
	t.Cleanup(srv.Close)
	var served Flights
	e := &Edge{To: "x", Protocol: "http", Record: calls.add, Callee: &served}
	addr := serve(t, e)
	e.SetTargets(to(srv.Listener.Addr().String()))
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			c := client(t)
			for range 20 {
				if i%4 == 0 {
					gone, err := net.Dial("tcp", addr)
					if err != nil {
						t.Error(err)
						return
					}
					io.WriteString(gone, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
					gone.Close()
					continue
				}
				res, err := c.Get("http://" + addr)
				if got := text(t, res, err); got != "ok" {
					t.Errorf("got %q", got)
				}
			}
		})
	}
	all.Wait()
	until(t, "all requests end", func() bool { return e.Stats(time.Now()).InFlight == 0 })
	s := e.Stats(time.Now())
	if n := len(calls.wait(t, int(s.Requests))); int64(n) != s.Requests || s.Requests < 480 || s.Targets[0].Open != 0 || served.Len() != 0 {
		t.Errorf("%d calls, %+v", n, s)
	}
}
