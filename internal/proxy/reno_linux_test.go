package proxy

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// Both of an edge's connections are unpaced, whatever the system's default is.
func TestUnpaced(t *testing.T) {
	at := make(chan net.Conn, 1)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	unpaced(ln)
	go func() {
		c, _ := ln.Accept()
		at <- c
	}()
	near, err := connect(t.Context(), &target{addr: ln.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far := <-at
	defer far.Close()
	for name, c := range map[string]net.Conn{"dialled": near, "accepted": far} {
		if got := congestionOf(t, c.(*net.TCPConn)); got != congestion {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func congestionOf(t *testing.T, c *net.TCPConn) (name string) {
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if lost := raw.Control(func(fd uintptr) { name, err = unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION) }); lost != nil || err != nil {
		t.Fatal(lost, err)
	}
	return name
}
