package mishap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// calls are those that are asked about, and where each says what it concerns.
var calls = map[int]struct {
	name string
	of   func(p proc, args [6]uint64) string // the path, or "" where it has none
}{
	unix.SYS_OPENAT:     {"openat", at(0)},
	unix.SYS_MKDIRAT:    {"mkdirat", at(0)},
	unix.SYS_UNLINKAT:   {"unlinkat", at(0)},
	unix.SYS_RENAMEAT:   {"renameat", at(2)}, // the place that is written
	unix.SYS_RENAMEAT2:  {"renameat2", at(2)},
	unix.SYS_LINKAT:     {"linkat", at(2)},
	unix.SYS_FCHMODAT:   {"fchmodat", at(0)},
	unix.SYS_FTRUNCATE:  {"ftruncate", open},
	unix.SYS_FLOCK:      {"flock", open},
	unix.SYS_FSYNC:      {"fsync", open},
	unix.SYS_READ:       {"read", open},
	unix.SYS_PREAD64:    {"pread64", open},
	unix.SYS_WRITE:      {"write", open},
	unix.SYS_PWRITE64:   {"pwrite64", open},
	unix.SYS_GETDENTS64: {"getdents64", open},
	unix.SYS_BIND:       {"bind", bound},
	unix.SYS_PIPE2:      {"pipe2", nothing},
	unix.SYS_SOCKET:     {"socket", nothing},
	unix.SYS_SOCKETPAIR: {"socketpair", nothing},
}

// proc is a thread that calls.
type proc int

func (p proc) file(name string) string { return fmt.Sprintf("/proc/%d/%s", int(p), name) }

func nothing(proc, [6]uint64) string { return "" }

// at reads the path of a call whose argument i is a folder, and the next one the path in it.
func at(i int) func(proc, [6]uint64) string {
	return func(p proc, args [6]uint64) string {
		path := p.text(args[i+1])
		if filepath.IsAbs(path) {
			return filepath.Clean(path)
		}
		folder := p.file("cwd")
		if fd := int32(args[i]); fd != unix.AT_FDCWD {
			folder = p.file(fmt.Sprintf("fd/%d", fd))
		}
		dir, err := os.Readlink(folder)
		if err != nil {
			return path
		}
		return filepath.Join(dir, path)
	}
}

// open returns the path of the open file that argument 0 is.
func open(p proc, args [6]uint64) string {
	path, err := os.Readlink(p.file(fmt.Sprintf("fd/%d", int32(args[0]))))
	if err != nil || !filepath.IsAbs(path) {
		return "-" // a pipe or a socket
	}
	return strings.TrimSuffix(path, " (deleted)")
}

// bound returns the path that a unix socket is bound to.
func bound(p proc, args [6]uint64) string {
	raw := p.memory(args[1], min(int(args[2]), 110))
	if len(raw) < 3 || binary.NativeEndian.Uint16(raw) != unix.AF_UNIX {
		return "-"
	}
	path, _, _ := bytes.Cut(raw[2:], []byte{0})
	return string(path)
}

// text reads a string of the process, "" where it cannot.
func (p proc) text(address uint64) string {
	text, _, _ := bytes.Cut(p.memory(address, 1024), []byte{0})
	return string(text)
}

// memory reads at most n bytes, up to the end of the page where the next one is not there.
func (p proc) memory(address uint64, n int) []byte {
	b := make([]byte, n)
	for _, size := range []int{n, min(n, 4096-int(address%4096))} {
		got, err := unix.ProcessVMReadv(int(p), []unix.Iovec{{Base: &b[0], Len: uint64(size)}},
			[]unix.RemoteIovec{{Base: uintptr(address), Len: size}}, 0)
		if err == nil && got > 0 {
			return b[:got]
		}
	}
	return nil
}

// question and answer are what the kernel and the listener exchange (linux/seccomp.h).
type question struct {
	id       uint64
	pid      uint32
	_        uint32
	number   int32
	_        uint32
	_        uint64
	argument [6]uint64
}

type answer struct {
	id    uint64
	_     int64
	errno int32
	flags uint32
}

// serve answers the kernel until nobody is left of whom it could ask.
func (w *Watch) serve(listener int) {
	defer unix.Close(listener)
	for {
		ready := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}
		if _, err := unix.Poll(ready, -1); err != nil && err != unix.EINTR {
			return
		}
		if ready[0].Revents&unix.POLLIN == 0 {
			if ready[0].Revents != 0 {
				return
			}
			continue
		}
		var q question
		if errno := control(listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&q)); errno != 0 {
			continue // it was killed meanwhile
		}
		a := answer{id: q.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
		if errno := w.judge(q); errno != 0 {
			a.errno, a.flags = -int32(errno), 0
		}
		control(listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&a))
	}
}

func control(fd int, request uint, argument unsafe.Pointer) unix.Errno {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(argument))
	return errno
}

// judge finds out what a call concerns, and has it decided where that is under watch.
func (w *Watch) judge(q question) unix.Errno {
	p, call := proc(q.pid), calls[int(q.number)]
	c := Call{Name: call.name}
	if path := call.of(p, q.argument); path != "" {
		rel, err := filepath.Rel(w.Folder, path)
		if err != nil || !filepath.IsLocal(rel) {
			return 0
		}
		c.Path = rel
		if q.number == unix.SYS_OPENAT && q.argument[2]&unix.O_CREAT != 0 {
			_, err := os.Lstat(path)
			c.Creates = errors.Is(err, os.ErrNotExist)
		}
	}
	name, err := os.ReadFile(p.file("comm"))
	if err != nil {
		return 0
	}
	c.Program = strings.TrimSpace(string(name))
	return w.decide(c)
}
