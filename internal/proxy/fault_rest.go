package proxy

import (
	"errors"
	"time"
)

// errEnded ends a direction of a connection that a fault has ended.
var errEnded = errors.New("ended by a fault")

// rest waits until a time, or until the faults change. It is false where the connection has ended.
func (l *link) rest(until time.Time, lifted <-chan struct{}) bool {
	await(until, lifted, l.dead, l.stop)
	select {
	case <-l.dead:
		return false
	case <-l.stop:
		return false
	default:
		return true
	}
}

// fine is the end of a wait, which is left to the system's clock: timers of the runtime are late by up to a
// millisecond.
const fine = 2 * time.Millisecond

// await waits until a time, or until one of the channels is closed. It never returns before either.
func await(until time.Time, a, b, c <-chan struct{}) {
	for napped := false; ; {
		d := time.Until(until)
		switch {
		case d <= 0:
			return
		case d > fine:
			d -= fine
		case !napped && nap(d):
			napped = true
			continue
		}
		t := time.NewTimer(d)
		select {
		case <-t.C:
			continue
		case <-a:
		case <-b:
		case <-c:
		}
		t.Stop()
		return
	}
}
