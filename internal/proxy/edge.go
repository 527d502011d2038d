package proxy

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Edge is one caller and callee on the wire: it takes the caller's connections and carries them to the
// callee's replicas. It changes nothing on the way but one traceparent header of an HTTP request. Its zero
// value carries bytes to no target; it is safe for concurrent use.
type Edge struct {
	From, To string
	Protocol string     // "http" or "grpc": requests are forwarded one by one; what package sniff can read: commands are named; else bytes
	Record   func(Call) // gets each call that ended, from any goroutine; must not block. nil: nobody
	Caller   *Flights   // what From serves now; nil: not known
	Callee   *Flights   // what To serves now; nil: nobody asks
	Log      *slog.Logger
	Notice   func(text string) // is told what people should know, from any goroutine; nil: nobody

	faults atomic.Pointer[acting]
	table  atomic.Pointer[table]
	count  counters
	recent recent
	names  names
	share  sync.Mutex // guards the credits of table's groups

	sweeping atomic.Bool   // sweeper will close idle connections
	hasty    time.Duration // tests: instead of uploadTime

	mu      sync.Mutex         // guards what follows, and the setting of faults and table
	links   map[*link]struct{} // connections of callers
	kick    map[deadliner]bool // reads that a change of faults interrupts, and whether one has
	serving int                // Serves that have not ended
	sweeper *time.Timer
	left    []*target // that are in the table no more, but may have something to do
}

// Timeouts of an edge.
const (
	dialTimeout = 5 * time.Second
	acceptPause = 5 * time.Millisecond // after an accept that failed for want of file descriptors
)

// keepAlive finds a peer that has vanished without a word within a minute.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3}

// Serve takes connections from ln until ctx ends, then closes ln and every connection, and returns when
// all have ended. An edge may serve several listeners at once.
func (e *Edge) Serve(ctx context.Context, ln net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer e.leave()
	var s serving
	defer s.ended.Wait()
	defer cancel()
	e.enter()
	unpaced(ln)
	defer context.AfterFunc(ctx, func() { ln.Close(); s.close() })()
	for told := (time.Time{}); ; {
		c, err := ln.Accept()
		if err == nil {
			err = fits(c)
		}
		switch {
		case err == nil:
			s.ended.Go(func() { e.carry(ctx, &s, c) })
		case c != nil:
			e.turnAway(c, err)
			e.scarce(&told, "refuses connections", err)
		case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			s.close()
			return nil
		case !temporary(err):
			s.close()
			return err
		case starved(err):
			e.scarce(&told, "lets connections wait", err)
			fallthrough
		default:
			e.pause(ctx)
		}
	}
}

func (e *Edge) enter() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.serving++
}

// leave closes what no one can use when the last Serve ends.
func (e *Edge) leave() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.serving--; e.serving > 0 {
		return
	}
	if e.sweeper != nil {
		e.sweeper.Stop()
		e.sweeping.Store(false)
	}
	if t := e.table.Load(); t != nil {
		for _, live := range t.live {
			live.idle.expire(time.Now())
		}
	}
}

// serving is what one Serve has open.
type serving struct {
	ended sync.WaitGroup

	mu     sync.Mutex
	conns  map[io.Closer]struct{}
	closed bool
}

// add keeps a connection until drop or close. It is false, and the connection closed, after close.
func (s *serving) add(c io.Closer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		c.Close()
		return false
	}
	if s.conns == nil {
		s.conns = map[io.Closer]struct{}{}
	}
	s.conns[c] = struct{}{}
	return true
}

func (s *serving) drop(c io.Closer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

func (s *serving) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for c := range s.conns {
		c.Close()
	}
}

// temporary reports an accept that may work the next time: the process is out of file descriptors, or the
// peer was gone before its turn.
func temporary(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && !errors.Is(err, net.ErrClosed)
}

// starved reports that the process or the machine is out of file descriptors.
func starved(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// pause waits until an accept may work again, or ctx ends.
func (e *Edge) pause(ctx context.Context) {
	t := time.NewTimer(acceptPause)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (e *Edge) log() *slog.Logger {
	if e.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return e.Log
}

// name returns "orders:payments".
func (e *Edge) name() string { return e.From + ":" + e.To }

// forwards reports whether requests are forwarded one by one, instead of bytes.
func (e *Edge) forwards() bool { return e.Protocol == "http" || e.Protocol == "grpc" }

// carry serves one connection of a caller to its end.
func (e *Edge) carry(ctx context.Context, s *serving, c net.Conn) {
	defer c.Close()
	e.count.open.Add(1)
	defer e.count.open.Add(-1)
	if e.faults.Load().refuses() != nil {
		e.refused(c)
		return
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetKeepAliveConfig(keepAlive) // without it a vanished peer is found later
	}
	l := e.join(ctx.Done(), e.forwards(), func(how Ending) { endConn(c, how) })
	defer l.leave()
	w := newWire(c, 0)
	if w.link = l; !l.hang(w) {
		return
	}
	if e.forwards() {
		e.carryHTTP(ctx, s, w)
		return
	}
	if s.add(c) {
		defer s.drop(c)
		e.carryBytes(ctx, s, w)
	}
}

// dial connects to a target that pick chooses, or to the next one where that does not answer, and counts
// the connection on it. The error is of the last one tried, and errNoTarget where there is none.
func (e *Edge) dial(ctx context.Context) (net.Conn, *target, error) {
	var tried []*target
	last := errNoTarget
	for {
		t := e.take(tried)
		if t == nil {
			return nil, nil, last
		}
		c, err := connect(ctx, t)
		if err == nil {
			return c, t, nil
		}
		t.busy.Add(-1)
		tried, last = append(tried, t), err
		if ctx.Err() != nil || starved(err) {
			return nil, nil, err
		}
	}
}

var errNoTarget = errors.New("no target")

// connect dials one target and keeps its record.
func connect(ctx context.Context, t *target) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout, KeepAliveConfig: keepAlive, Control: reaching}
	c, err := d.DialContext(ctx, "tcp", t.addr)
	switch {
	case err == nil:
		t.well()
	case ctx.Err() == nil && !starved(err):
		t.fail(errors.Is(err, syscall.ECONNREFUSED))
	}
	return c, err
}

func timedOut(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// ended reports an orderly end.
func ended(err error) bool { return err == io.EOF }
