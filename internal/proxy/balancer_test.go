package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs a balancer and returns it with its address.
func serve(t *testing.T) (*Balancer, string) {
	t.Helper()
	ln := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	b := &Balancer{}
	done := make(chan error, 1)
	go func() { done <- b.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return b, ln.Addr().String()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// backend answers every connection with handle.
func backend(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	ln := listen(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			handle(c)
		}
	}()
	t.Cleanup(func() { ln.Close(); <-done })
	return ln.Addr().String()
}

func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// named says its name and then holds the connection open until the other side ends it.
func named(name string) func(net.Conn) {
	return func(c net.Conn) {
		fmt.Fprintln(c, name)
		go func() { io.Copy(io.Discard, c); c.Close() }()
	}
}

func TestLeastConnections(t *testing.T) {
	b, addr := serve(t)
	b.SetTargets([]string{backend(t, named("a")), backend(t, named("b")), backend(t, named("c"))})
	got := map[string]int{}
	for range 9 {
		line, err := bufio.NewReader(dial(t, addr)).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		got[line]++
	}
	for name, n := range got {
		if n != 3 {
			t.Errorf("%q has %d of 9 open connections, want 3", name, n)
		}
	}
}

// TestDeadTarget checks that a replica that does not answer costs a client nothing (H5).
func TestDeadTarget(t *testing.T) {
	dead := listen(t)
	dead.Close()
	b, addr := serve(t)
	b.SetTargets([]string{dead.Addr().String(), backend(t, named("alive"))})
	for range 4 {
		if line, err := bufio.NewReader(dial(t, addr)).ReadString('\n'); err != nil || line != "alive\n" {
			t.Fatalf("got %q, %v, want alive", line, err)
		}
	}
}

// TestHalfClose checks that a client that has said all still gets the answer (H4).
func TestHalfClose(t *testing.T) {
	b, addr := serve(t)
	b.SetTargets([]string{backend(t, func(c net.Conn) {
		go func() {
			defer c.Close()
			all, _ := io.ReadAll(c)
			fmt.Fprintf(c, "got %d bytes", len(all))
		}()
	})})
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

// TestReset checks that a reset arrives as one (H4).
func TestReset(t *testing.T) {
	b, addr := serve(t)
	b.SetTargets([]string{backend(t, func(c net.Conn) {
		io.ReadFull(c, make([]byte, 1))
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	})})
	c := dial(t, addr)
	c.Write([]byte("x"))
	if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want a reset", err)
	}
}

func TestNoTarget(t *testing.T) {
	_, addr := serve(t)
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return // the reset came before the connection was known to be made
	}
	defer c.Close()
	if _, err := io.ReadAll(c); err == nil {
		t.Error("a balancer without targets answered")
	}
}
