//go:build linux && !race

package proxy

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// readFD and writeFD are one call each on a socket that does not block, b not empty. The scheduler is not told of
// them, because they do not wait: to tell it costs a fifth of an HTTP request's time, most of it where the machine is
// busy and it hands the processor on.

func readFD(fd int, b []byte) (int, error)  { return callFD(unix.SYS_READ, fd, b) }
func writeFD(fd int, b []byte) (int, error) { return callFD(unix.SYS_WRITE, fd, b) }

func callFD(call uintptr, fd int, b []byte) (int, error) {
	for {
		n, _, e := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		switch e {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, e
		}
	}
}
