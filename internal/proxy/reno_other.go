//go:build !linux

package proxy

import (
	"net"
	"syscall"
)

// Other systems' defaults are left alone.

func unpaced(net.Listener) {}

func unpacedDial(string, string, syscall.RawConn) error { return nil }
