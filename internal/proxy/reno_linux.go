package proxy

import (
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// On loopback there is no way between the two ends that congestion control could find out about. Where the system's default
// is bbr, which paces by timers, a bulk byte costs half as much again; every kernel has Reno, and lets everybody use it.
const congestion = "reno"

// unpaced has the connections that ln accepts use it, if they are of this machine.
func unpaced(ln net.Listener) {
	if tcp, ok := ln.(*net.TCPListener); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			_ = unpacedDial("tcp", ln.Addr().String(), raw)
		}
	}
}

// unpacedDial has a connection that is about to be made use it, if it leads to loopback.
func unpacedDial(_, addr string, raw syscall.RawConn) error {
	if at, err := netip.ParseAddrPort(addr); err != nil || !at.Addr().IsLoopback() {
		return nil
	}
	return raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, congestion) // else it is slower
	})
}
