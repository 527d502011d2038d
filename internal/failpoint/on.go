//go:build failpoint

// Package failpoint marks the points at which a test build can be made to die as if it was killed there, so
// that a test sweeps them one by one. In any other build they are nothing.
package failpoint

import (
	"fmt"
	"os"
	"sync"
	"syscall"
)

// Hit kills the process where MSCTL_FAIL names this point and its how-many-th time, "ports-renamed:2". It
// adds the point to the file MSCTL_FAIL_LOG, where that is set.
func Hit(point string) {
	mu.Lock()
	defer mu.Unlock()
	seen[point]++
	now := fmt.Sprintf("%s:%d", point, seen[point])
	if f, err := os.OpenFile(os.Getenv("MSCTL_FAIL_LOG"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		fmt.Fprintln(f, now)
		f.Close()
	}
	if os.Getenv("MSCTL_FAIL") == now {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
}

var (
	mu   sync.Mutex
	seen = map[string]int{}
)
