package proxy

import (
	"io"
	"net"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// spliceStep is what the kernel moves in one call, which takes it some tenths of a millisecond. As with reads and
// writes the scheduler is not told, since the call does not wait: that is a sixth of its time.
const spliceStep = 1 << 20

// pipe holds what is on its way from one socket to another.
type pipe struct {
	r, w  int
	close runtime.Cleanup // when nobody has it any more
}

// pipes are empty ones.
var pipes sync.Pool

// takePipe returns an empty pipe, or nil where none can be had.
func takePipe() *pipe {
	if p, ok := pipes.Get().(*pipe); ok {
		return p
	}
	var fds [2]int
	if unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK) != nil {
		return nil
	}
	_, _ = unix.FcntlInt(uintptr(fds[0]), unix.F_SETPIPE_SZ, spliceStep) // without it the steps are smaller
	p := &pipe{r: fds[0], w: fds[1]}
	p.close = runtime.AddCleanup(p, closePipe, fds)
	return p
}

func closePipe(fds [2]int) {
	unix.Close(fds[0])
	unix.Close(fds[1])
}

// move lets the kernel move n bytes to another wire. It returns how many it did, and why they are fewer: what the
// reading said, io.EOF at the end, or the writing.
func (w *wire) move(to *wire, n int64) (moved int64, rerr, werr error) {
	p := takePipe()
	if p == nil {
		return w.copyTo(to, n)
	}
	m := mover{from: w, to: to, pipe: p}
	for moved < n && rerr == nil && werr == nil {
		if rerr = m.lift(int(min(n-moved, spliceStep))); rerr == nil {
			werr = m.lower()
		}
		moved = m.moved
	}
	if m.in > 0 { // it is not empty: nobody may have it
		p.close.Stop()
		closePipe([2]int{p.r, p.w})
	} else {
		pipes.Put(p)
	}
	if rerr == unix.EINVAL { // a socket that cannot: MPTCP
		n, rerr, werr := w.copyTo(to, n-moved)
		return moved + n, rerr, werr
	}
	return moved, rerr, werr
}

// mover moves bytes through a pipe.
type mover struct {
	from, to *wire
	pipe     *pipe
	in       int // bytes in the pipe
	moved    int64
}

// lift waits until there is something to read, and brings it into the pipe.
func (m *mover) lift(most int) error {
	var err error
	lost := m.from.raw.Read(func(fd uintptr) bool {
		m.in, err = spliceFD(int(fd), m.pipe.w, most)
		return err != unix.EAGAIN
	})
	switch {
	case lost != nil:
		return lost
	case err == nil && m.in == 0:
		return io.EOF
	case err != nil && err != unix.EINVAL:
		return &net.OpError{Op: "splice", Net: "tcp", Err: err}
	}
	return err
}

// lower sends what is in the pipe.
func (m *mover) lower() error {
	var err error
	lost := m.to.raw.Write(func(fd uintptr) bool {
		for n := 0; m.in > 0; {
			if n, err = spliceFD(m.pipe.r, int(fd), m.in); err != nil {
				return err != unix.EAGAIN
			}
			m.in -= n
			m.moved += int64(n)
		}
		return true
	})
	switch {
	case lost != nil:
		return lost
	case err != nil:
		return &net.OpError{Op: "splice", Net: "tcp", Err: err}
	}
	return nil
}

// spliceFD is one call that does not wait.
func spliceFD(from, to, n int) (int, error) {
	for {
		m, _, e := unix.RawSyscall6(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(n), unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		switch e {
		case 0:
			return int(m), nil
		case unix.EINTR:
		default:
			return 0, e
		}
	}
}
