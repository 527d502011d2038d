package proxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"msctl.dev/msctl/internal/resource/resourcetest"
)

func TestMain(m *testing.M) {
	if resourcetest.Embedded() {
		return
	}
	goleak.VerifyTestMain(m)
}

// patience ends a test that would hang.
const patience = 30 * time.Second

// serve runs an edge until the test ends and returns its address.
func serve(t testing.TB, e *Edge) string {
	t.Helper()
	ln := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return ln.Addr().String()
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// backend answers every connection with handle, in a goroutine of its own, and closes it then.
func backend(t testing.TB, handle func(*net.TCPConn)) string {
	t.Helper()
	ln := listen(t)
	serveOn(t, ln, handle)
	return ln.Addr().String()
}

func serveOn(t testing.TB, ln net.Listener, handle func(*net.TCPConn)) (stop func()) {
	var all sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	all.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[c] = true
			mu.Unlock()
			all.Go(func() {
				defer c.Close()
				handle(c.(*net.TCPConn))
				mu.Lock()
				delete(open, c)
				mu.Unlock()
			})
		}
	})
	stop = sync.OnceFunc(func() {
		ln.Close()
		mu.Lock()
		for c := range open {
			c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	t.Cleanup(stop)
	return stop
}

func dial(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// to is a list of targets of equal weight.
func to(addrs ...string) []Target {
	var list []Target
	for i, a := range addrs {
		list = append(list, Target{Unit: fmt.Sprintf("u-%d", i+1), Addr: a})
	}
	return list
}

func echo(c *net.TCPConn) { io.Copy(c, struct{ io.Reader }{c}) }

// named says its name and then holds the connection open until the other side ends it.
func named(name string) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		fmt.Fprintln(c, name)
		io.Copy(io.Discard, c)
	}
}

// until polls a condition that another goroutine brings about.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// TestEcho carries random bytes both ways at once, through the fast path and the kernel's.
func TestEcho(t *testing.T) {
	e := &Edge{}
	addr := serve(t, e)
	e.SetTargets(to(backend(t, echo)))
	c := dial(t, addr)
	want := make([]byte, 20<<20)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(want)
	go func() {
		c.Write(want)
		c.CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("got %d bytes, %v; want the same %d back", len(got), err, len(want))
	}
	until(t, "the connection ends", func() bool { return e.Stats(time.Now()).Open == 0 })
	if s := e.Stats(time.Now()); s.Sent != int64(len(want)) || s.Received != s.Sent || s.Requests != 1 || s.Errors != 0 {
		t.Errorf("counted %+v", s)
	}
}

// TestNobodyThere records a connection that nobody took under the protocol of the edge.
func TestNobodyThere(t *testing.T) {
	dead := listen(t)
	dead.Close()
	var got record
	e := &Edge{From: "email", To: "mail", Protocol: "smtp", Record: got.add}
	addr := serve(t, e)
	e.SetTargets(to(dead.Addr().String()))
	if c, err := net.Dial("tcp", addr); err == nil { // or it was reset as soon as it was there
		defer c.Close()
	}
	if c := got.wait(t, 1)[0]; c.Name != "connect" || c.Protocol != "smtp" || c.Err == "" {
		t.Errorf("got %+v", c)
	}
}

// TestDeadTarget checks that a replica that does not answer costs a client nothing (H5).
func TestDeadTarget(t *testing.T) {
	dead := listen(t)
	dead.Close()
	e := &Edge{}
	addr := serve(t, e)
	e.SetTargets(to(dead.Addr().String(), backend(t, named("alive"))))
	for range 8 {
		if line, err := bufio.NewReader(dial(t, addr)).ReadString('\n'); err != nil || line != "alive\n" {
			t.Fatalf("got %q, %v, want alive", line, err)
		}
	}
}

// TestHalfClose checks that a client that has said all still gets the answer (H4).
func TestHalfClose(t *testing.T) {
	e := &Edge{}
	addr := serve(t, e)
	e.SetTargets(to(backend(t, func(c *net.TCPConn) {
		all, _ := io.ReadAll(c)
		fmt.Fprintf(c, "got %d bytes", len(all))
	})))
	c := dial(t, addr)
	if _, err := c.Write(make([]byte, 100_000)); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c); err != nil || string(got) != "got 100000 bytes" {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestReset checks that a reset of the callee arrives as one (H4).
func TestReset(t *testing.T) {
	e := &Edge{}
	addr := serve(t, e)
	e.SetTargets(to(backend(t, func(c *net.TCPConn) {
		io.ReadFull(c, make([]byte, 1))
		c.SetLinger(0)
	})))
	c := dial(t, addr)
	c.Write([]byte("x"))
	if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want a reset", err)
	}
}

// TestResetOfCaller checks that a reset of the caller arrives as one, also after its orderly end (H4).
func TestResetOfCaller(t *testing.T) {
	for _, half := range []bool{false, true} {
		t.Run(fmt.Sprintf("half=%v", half), func(t *testing.T) {
			seen := make(chan error, 1)
			e := &Edge{}
			addr := serve(t, e)
			e.SetTargets(to(backend(t, func(c *net.TCPConn) {
				c.Write([]byte("hello"))
				if half {
					io.ReadAll(c)
					c.Write([]byte("bye"))
					seen <- newWire(c, 0).gone()
					return
				}
				_, err := io.ReadAll(c)
				seen <- err
			})))
			c := dial(t, addr)
			io.ReadFull(c, make([]byte, 5))
			if half {
				c.CloseWrite()
				io.ReadFull(c, make([]byte, 3))
			}
			c.SetLinger(0)
			c.Close()
			select {
			case err := <-seen:
				if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
					t.Errorf("the callee saw %v, want a reset", err)
				}
			case <-time.After(patience):
				t.Fatal("the callee saw nothing")
			}
			until(t, "the connection ends", func() bool { return e.Stats(time.Now()).Open == 0 })
		})
	}
}

// TestNoTarget checks that an edge without targets resets its callers (H5).
func TestNoTarget(t *testing.T) {
	e := &Edge{}
	c, err := net.Dial("tcp", serve(t, e))
	if err != nil {
		return // the reset came before the connection was known to be made
	}
	defer c.Close()
	if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want a reset", err)
	}
}

// TestReplace checks that targets may be replaced while connections are made and open (H5, H11).
func TestReplace(t *testing.T) {
	e := &Edge{}
	addr := serve(t, e)
	a, b := backend(t, echo), backend(t, echo)
	e.SetTargets(to(a))
	stays := dial(t, addr)
	ping(t, stays)
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				c, err := net.Dial("tcp", addr)
				if err != nil {
					t.Errorf("dial: %v", err)
					return
				}
				c.SetDeadline(time.Now().Add(patience))
				ping(t, c)
				c.Close()
			}
		})
	}
	for i := range 100 {
		e.SetTargets(to([]string{a, b}[i%2]))
		ping(t, stays)
	}
	close(stop)
	clients.Wait()
}

func ping(t testing.TB, c net.Conn) {
	var got [4]byte
	if _, err := c.Write([]byte("ping")); err != nil {
		t.Errorf("write: %v", err)
	}
	if _, err := io.ReadFull(c, got[:]); err != nil || string(got[:]) != "ping" {
		t.Errorf("got %q, %v", got, err)
	}
}
