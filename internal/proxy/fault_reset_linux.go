package proxy

import (
	"time"

	"golang.org/x/sys/unix"
)

// drained waits a short while until the peer has taken what was sent: a reset destroys what it has not.
func (w *wire) drained() {
	for end := time.Now().Add(drainTime); w.raw != nil && time.Now().Before(end); time.Sleep(drainTime / 100) {
		left := 0
		err := w.raw.Control(func(fd uintptr) { left, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
		if err != nil || left == 0 {
			return
		}
	}
}

const drainTime = 200 * time.Millisecond
