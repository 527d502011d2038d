package proxy

import (
	"io"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// watchAfter is how long a request takes until somebody looks whether its caller is still there. Short
// requests are spared the work.
const watchAfter = 10 * time.Millisecond

// aside is what goes on in a second goroutine while a caller waits for its answer: the rest of its
// request's body is sent, and its end or reset is passed on.
type aside struct {
	works    sync.WaitGroup
	timer    *time.Timer
	armed    bool      // the caller of the running request is to be looked after; these four are guarded by caller.mu
	due      time.Time // from when on
	ticks    bool      // timer will fire
	watching bool      // it has, for the running request

	sending   bool
	rest      chan struct{} // closed when the rest of the body is sent, or will not be
	answered  atomic.Bool   // the answer was passed on: no one needs to look any more
	giveUp    atomic.Bool   // the connection ends: the rest of the body is not needed
	failed    bool          // the body could not be sent whole
	malformed bool          // because it is not well formed
	sent      int64         // bytes of the body
}

// look arranges that the caller is looked after while its answer takes long.
func (x *caller) look(after time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := &x.side
	s.armed, s.due = true, x.call.Start.Add(after)
	switch {
	case s.timer == nil:
		s.timer = time.AfterFunc(after, x.tick)
	case !s.ticks || after == 0:
		s.timer.Reset(after)
	}
	s.ticks = true
}

// tick looks after the caller if that is due. The timer runs on from one request to the next: to set and stop it for
// each would cost short ones more than all else that is done about them.
func (x *caller) tick() {
	x.mu.Lock()
	s, wait := &x.side, time.Duration(0)
	if s.armed {
		wait = time.Until(s.due)
	}
	if s.ticks = wait > 0; s.ticks {
		s.timer.Reset(wait)
	}
	watch := s.armed && !s.ticks
	if watch {
		s.watching = true
		s.works.Add(1)
	}
	x.mu.Unlock()
	if watch {
		defer s.works.Done()
		x.watchCaller()
	}
}

// disarm ends what look began, but for the watching, and reports whether that has begun.
func (x *caller) disarm() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.side.armed = false
	return x.side.watching
}

// stop ends the timer with the connection.
func (x *caller) stop() {
	x.disarm()
	if x.side.timer != nil {
		x.side.timer.Stop()
	}
}

// send sends the rest of a body and then looks after the caller.
func (x *caller) send(server *wire, d *body) {
	x.side.sending = true
	rest := make(chan struct{})
	x.side.rest = rest
	x.side.works.Go(func() {
		whole := x.sendRest(server, d)
		close(rest)
		if whole && !x.side.answered.Load() {
			x.watchCaller()
		}
	})
}

// sendRest reports whether the whole body was sent.
func (x *caller) sendRest(server *wire, d *body) bool {
	for {
		n, rerr, werr := x.e.copyBody(x.wire, server, 0, d, &x.e.count.sent)
		x.side.sent += n
		switch {
		case rerr == nil && werr == nil:
			x.more = x.wire.r < x.wire.w
			return true
		case timedOut(rerr) && !x.side.giveUp.Load():
			_ = x.wire.conn.SetReadDeadline(time.Time{}) // the answer came first, the rest is still wanted
			continue
		case timedOut(rerr) || werr != nil: // what the callee says to that is read elsewhere
		case rerr == errChunk:
			x.side.malformed = true
			x.breakServer()
		default:
			x.leave(rerr != io.ErrUnexpectedEOF)
		}
		x.side.failed = true
		return false
	}
}

// settle ends what goes on aside. Where more of the body is wanted it waits until that was sent.
func (x *caller) settle(wanted bool) {
	s := &x.side
	if s.armed && x.disarm() || s.sending {
		s.giveUp.Store(!wanted)
		s.answered.Store(true)
		_ = x.wire.conn.SetReadDeadline(longAgo)
		s.works.Wait()
		_ = x.wire.conn.SetReadDeadline(time.Time{})
	}
	s.watching, s.sending = false, false
	s.answered.Store(false)
}

// watchCaller waits until the caller ends or breaks its connection, and passes that on. It ends when the
// read deadline passes, or when the caller sends more.
func (x *caller) watchCaller() {
	if x.wire.raw == nil {
		return
	}
	end, broken := false, false
	err := x.wire.raw.Read(func(fd uintptr) bool {
		var one [1]byte
		n, _, err := unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		if err == unix.EAGAIN || err == unix.EINTR {
			return false
		}
		end, broken = err == nil && n == 0, err != nil
		return true
	})
	switch {
	case err != nil:
	case broken:
		x.leave(true)
	case end:
		if !x.more {
			x.leave(false)
		}
		if x.wire.gone() != nil {
			x.leave(true)
		}
	}
}

// leave passes on that the caller ended its connection, or broke it. An end waits until the request is
// sent.
func (x *caller) leave(broken bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.left = true
	if broken && !x.broke {
		x.broke = true
		x.wire.link.abandon()
	}
	switch {
	case x.server == nil:
	case broken:
		abort(x.server.conn)
	case x.sent || x.side.sending:
		closeWrite(x.server.conn)
	}
}

// hasSent notes that the whole request is sent, and passes on the caller's end if that came before.
func (x *caller) hasSent() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.sent = true; x.left {
		closeWrite(x.server.conn)
	}
}

// breakServer ends the running request's connection to the callee with a reset.
func (x *caller) breakServer() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.server != nil {
		abort(x.server.conn)
	}
}

// hold waits until a delay is over, the faults are lifted, or the connection has ended: the caller broke it, or a fault
// ended it. Where the request is not whole nobody else looks after its caller.
func (x *caller) hold(a *acting, d time.Duration, whole bool) {
	l, w, until := x.wire.link, x.wire, time.Now().Add(d)
	if whole || w.raw == nil {
		if !x.side.armed && !x.side.sending {
			x.look(0)
		}
		l.rest(until, a.lifted)
		return
	}
	for now := time.Now(); now.Before(until) && x.e.faults.Load() == a; now = time.Now() {
		if !l.rest(now.Add(min(until.Sub(now), hangTick)), a.lifted) {
			return
		}
		if w.over() || w.broken() {
			x.leave(true)
			return
		}
	}
}

// hasLeft reports whether leave was called.
func (x *caller) hasLeft() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.left
}

// hasBroken reports that the caller broke its connection, or that a fault ended it.
func (x *caller) hasBroken() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.broke || x.cut
}

// wasCut reports that a fault ended the connection.
func (x *caller) wasCut() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.cut
}
