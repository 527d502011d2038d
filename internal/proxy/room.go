package proxy

import (
	"fmt"
	"math"
	"net"
	"syscall"
	"time"
)

// A process may have only so many files open, and each connection is one. The last of them are kept for what else
// the process does, and those before for connections to targets, so that whoever is let in can be served.
const (
	spareShare = 8 // of all: so much of them is kept, twice,
	spareMost  = 512
)

// What a descriptor has to leave free, in spares.
const (
	ofCaller = 2
	ofTarget = 1
)

// crowded says why a connection that has its descriptor already may not be, or nil. The system gives the lowest
// number that is free, so that a number tells how many are in use, whoever has them.
func crowded(raw syscall.RawConn, spares int) error {
	all := files()
	most := all - spares*min(all/spareShare, spareMost)
	over := false
	if err := raw.Control(func(fd uintptr) { over = int(fd) >= most }); err != nil || !over {
		return err
	}
	return fmt.Errorf("%d of the %d files that msctl may have open (ulimit -n) are in use: %w", most, all, syscall.EMFILE)
}

// files is how many the process may have open at once. The runtime has raised that as far as the user may.
func files() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return math.MaxInt32
	}
	return int(min(uint64(limit.Cur), math.MaxInt32))
}

// fits says why there is no room for a caller's connection, or nil.
func fits(c net.Conn) error {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	return crowded(raw, ofCaller)
}

// reaching prepares a connection to a target.
func reaching(network, addr string, raw syscall.RawConn) error {
	if err := crowded(raw, ofTarget); err != nil {
		return err
	}
	return unpacedDial(network, addr, raw)
}

// turnAway resets a caller for whom there is no room.
func (e *Edge) turnAway(c net.Conn, why error) {
	abort(c)
	call := e.begin(time.Now(), e.protocol())
	call.Name, call.Err = "connect", "connection refused: "+why.Error()
	e.end(call)
}

// tellAgain is how long it takes until people hear of the same again.
const tellAgain = time.Minute

// scarce tells what an edge does for want of descriptors, unless it was told not long ago.
func (e *Edge) scarce(told *time.Time, does string, why error) {
	if !told.IsZero() && time.Since(*told) < tellAgain {
		return
	}
	*told = time.Now()
	open := e.count.open.Load()
	e.log().Warn("file descriptors scarce", "edge", e.name(), "open", open, "err", why)
	if e.Notice != nil {
		e.Notice(fmt.Sprintf("edge %s %s: %v; %d connections are open over it", e.name(), does, why, open))
	}
}
