//go:build !linux

package proxy

import "time"

// nap sleeps by the system's clock where that is finer than the runtime's.
func nap(time.Duration) bool { return false }
