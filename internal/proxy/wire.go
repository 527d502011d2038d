package proxy

import (
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// bufferSize is what one read takes at most.
const bufferSize = 32 << 10

var buffers = sync.Pool{New: func() any { b := make([]byte, bufferSize); return &b }}

// wire is one connection and what was read from it and not yet passed on: bytes r to w of buf. It borrows
// its buffer when the socket has something to read and gives it back when all was passed on and nothing
// more is there, so that an idle connection holds none. One goroutine reads it, and at a time one writes.
type wire struct {
	conn net.Conn
	raw  syscall.RawConn       // nil: not a socket, the buffer is held while it waits
	try  func(fd uintptr) bool // readNow, bound once
	room int                   // bytes left free before what is read into an empty buffer
	most time.Duration         // that the rest of a head may take once its first bytes came; 0: any time

	box  *[]byte // where buf came from; nil: buf is not from the pool
	buf  []byte
	r, w int
	err  error // of the last read

	put  func(fd uintptr) bool // writeNow, bound once
	some func(fd uintptr) bool // writeNow that does not wait, bound when it is first asked for
	out  []byte                // what is being written and not yet sent
	lost error                 // why it cannot be

	link *link // of a caller whose requests are forwarded; nil: faults do not act here
}

// newWire wraps a connection.
func newWire(c net.Conn, room int) *wire {
	w := &wire{conn: c, room: room}
	if s, ok := c.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			w.raw, w.try, w.put = raw, w.readNow, w.writeNow
		}
	}
	return w
}

// bytes are those read and not yet passed on.
func (w *wire) bytes() []byte { return w.buf[w.r:w.w] }

// fill waits for the next bytes and appends them. It returns io.EOF at the end, and what Read would
// return otherwise. The buffer must have room.
func (w *wire) fill() error {
	if w.shaped(true) {
		return w.link.fill(w)
	}
	return w.read()
}

// read is fill without the faults.
func (w *wire) read() error {
	if w.raw == nil {
		w.borrow()
		n, err := w.conn.Read(w.buf[w.w:])
		w.w += n
		if n > 0 {
			return nil // the error comes again
		}
		return err
	}
	w.err = nil
	if err := w.raw.Read(w.try); err != nil {
		return err
	}
	return w.err
}

// readNow is one read that does not wait. It is false where nothing is there yet.
func (w *wire) readNow(fd uintptr) bool {
	w.borrow()
	n, err := readFD(int(fd), w.buf[w.w:])
	switch {
	case err == unix.EAGAIN:
		w.release()
		return false
	case err != nil:
		w.err = &net.OpError{Op: "read", Net: "tcp", Err: err}
	case n == 0:
		w.err = io.EOF
	}
	w.w += n
	return true
}

// write sends all of b, waiting for room where there is none. One goroutine at a time writes.
func (w *wire) write(b []byte) (int, error) {
	if w.shaped(false) {
		return w.link.write(w, b)
	}
	return w.send(b)
}

// send is write without the faults.
func (w *wire) send(b []byte) (int, error) {
	if w.raw == nil {
		return w.conn.Write(b)
	}
	return w.writeWith(w.put, b)
}

// writeSome is write without waiting: the rest of b is to be written again.
func (w *wire) writeSome(b []byte) (int, error) {
	if w.shaped(false) {
		return 0, nil
	}
	if w.raw == nil {
		return w.conn.Write(b)
	}
	if w.some == nil {
		w.some = func(fd uintptr) bool { w.writeNow(fd); return true }
	}
	return w.writeWith(w.some, b)
}

func (w *wire) writeWith(put func(fd uintptr) bool, b []byte) (int, error) {
	w.out, w.lost = b, nil
	err := w.raw.Write(put)
	n := len(b) - len(w.out)
	w.out = nil
	if err == nil {
		err = w.lost
	}
	return n, err
}

// writeNow writes what there is room for. It is false where something is left.
func (w *wire) writeNow(fd uintptr) bool {
	for len(w.out) > 0 {
		n, err := writeFD(int(fd), w.out)
		switch {
		case err == unix.EAGAIN:
			return false
		case err != nil:
			w.lost = &net.OpError{Op: "write", Net: "tcp", Err: err}
			return true
		}
		w.out = w.out[n:]
	}
	return true
}

// borrow makes sure of a buffer, and starts at its front where nothing waits in it.
func (w *wire) borrow() {
	if w.buf == nil {
		w.box = buffers.Get().(*[]byte)
		w.buf = *w.box
		w.r, w.w = w.room, w.room
	}
	if w.r == w.w {
		w.r, w.w = w.room, w.room
	}
}

// release gives the buffer back if nothing waits in it.
func (w *wire) release() {
	if w.buf == nil || w.r < w.w {
		return
	}
	if w.box != nil {
		buffers.Put(w.box)
	}
	w.box, w.buf, w.r, w.w = nil, nil, 0, 0
}

// drop forgets what waits and gives the buffer back.
func (w *wire) drop() {
	w.r = w.w
	w.release()
}

// gone waits, after the end of what the peer sends, until the connection is broken or the read deadline
// has passed. It returns nil for the latter.
func (w *wire) gone() error {
	if w.raw == nil {
		return nil
	}
	var broken error
	err := w.raw.Read(func(fd uintptr) bool {
		code, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		switch {
		case err != nil:
			broken = err
		case code != 0:
			broken = syscall.Errno(code)
		}
		return broken != nil
	})
	if err != nil && !timedOut(err) {
		return err
	}
	return broken
}

// broken reports, without waiting, that the peer refused what was sent: it has closed its connection.
func (w *wire) broken() bool {
	if w.raw == nil {
		return false
	}
	code := 0
	err := w.raw.Control(func(fd uintptr) { code, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR) })
	return err != nil || code != 0
}

// peek looks, without waiting, whether something is to be read: n bytes, at most one. What waits in the
// wire is not looked at.
func (w *wire) peek() (n int, err error) {
	var one [1]byte
	lost := w.raw.Control(func(fd uintptr) {
		n, _, err = unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	})
	if lost != nil {
		return 0, lost
	}
	return n, err
}

// over reports that the peer has ended or broken the connection, and nothing is left to read.
func (w *wire) over() bool {
	if w.raw == nil {
		return true
	}
	n, err := w.peek()
	return n <= 0 && err != unix.EAGAIN
}

// closeWrite passes on an orderly end.
func closeWrite(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // the peer may be gone already
	}
}

// abort closes a connection so that its peer sees a reset instead of an orderly end.
func abort(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	c.Close()
}
