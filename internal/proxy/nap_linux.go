package proxy

import (
	"time"

	"golang.org/x/sys/unix"
)

// nappers is how many waits the system's clock may end at a time: each keeps a thread.
const nappers = 4

var naps = make(chan struct{}, nappers)

// nap sleeps by the system's clock. It is false where enough do.
func nap(d time.Duration) bool {
	select {
	case naps <- struct{}{}:
	default:
		return false
	}
	t := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&t, nil) // where a signal cuts it short the rest is waited for
	<-naps
	return true
}
