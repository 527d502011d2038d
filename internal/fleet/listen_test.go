package fleet

import (
	"context"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"
)

// TestListeners checks that a new listener, on whatever loopback address, is seen at once.
func TestListeners(t *testing.T) {
	l := &listeners{}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { l.run(ctx) })
	defer running.Wait()
	defer cancel()
	for !l.looks() {
		if ctx.Err() != nil {
			t.Skip("the table of sockets cannot be had here")
		}
		runtime.Gosched()
	}
	for _, host := range []string{"127.0.0.1:0", "[::]:0"} {
		ln, err := net.Listen("tcp", host)
		if err != nil {
			t.Skipf("needs %s: %v", host, err)
		}
		port := ln.Addr().(*net.TCPAddr).Port
		ln.Close()
		came := make(chan bool, 1)
		running.Go(func() { came <- l.await(ctx, port, time.Hour, false) })
		if ln, err = net.Listen("tcp", net.JoinHostPort(host[:len(host)-2], "0")); err == nil {
			ln.Close() // another port does not end the wait
		}
		ln, err = net.ListenTCP("tcp", &net.TCPAddr{Port: port})
		if err != nil {
			t.Skipf("port %d was taken meanwhile: %v", port, err)
		}
		if !<-came {
			t.Error("await ended without the listener")
		}
		ln.Close()
	}
}

// looks reports whether the table is looked at.
func (l *listeners) looks() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wake != nil
}

func BenchmarkPortTable(b *testing.B) {
	table, err := openTable()
	if err != nil {
		b.Skip(err)
	}
	defer table.close()
	for b.Loop() {
		if err := table.read(func(int) {}); err != nil {
			b.Fatal(err)
		}
	}
}
