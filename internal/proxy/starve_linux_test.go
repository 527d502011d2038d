package proxy

import (
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// starving is a listener that is out of file descriptors for a while.
type starving struct {
	net.Listener
	times atomic.Int32
}

func (s *starving) Accept() (net.Conn, error) {
	if s.times.Add(1) <= 3 {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: syscall.EMFILE}
	}
	return s.Listener.Accept()
}

// TestStarved checks that an edge outlives a time without file descriptors, and that such a time is not
// held against its targets (H3).
func TestStarved(t *testing.T) {
	e := &Edge{}
	e.SetTargets(to(backend(t, echo)))
	ln := &starving{Listener: listen(t)}
	done := make(chan error, 1)
	go func() { done <- e.Serve(t.Context(), ln) }()
	ping(t, dial(t, ln.Addr().String()))
	if n := ln.times.Load(); n < 4 {
		t.Errorf("accepted after %d tries", n)
	}

	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	none := was
	none.Cur = 0
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
		t.Skipf("lower the limit of open files: %v", err)
	}
	_, _, err := e.dial(t.Context())
	if back := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was); back != nil {
		t.Fatal(back)
	}
	if !errors.Is(err, syscall.EMFILE) || e.Stats(time.Now()).Targets[0].Ejected {
		t.Errorf("dial: %v; %+v", err, e.Stats(time.Now()))
	}
	ln.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
