//go:build !linux

package proxy

import "time"

// drained waits a short while until the peer has taken what was sent: a reset destroys what it has not.
func (w *wire) drained() { time.Sleep(20 * time.Millisecond) }
