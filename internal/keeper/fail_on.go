//go:build failpoint

package keeper

import (
	"fmt"
	"os"
	"sync"
	"syscall"
)

// hit kills the process where MSCTL_FAIL names this point and its how-many-th time, "record-temp:2", as a
// crash would. For tests: swept one by one.
func hit(point string) {
	mu.Lock()
	defer mu.Unlock()
	seen[point]++
	if os.Getenv("MSCTL_FAIL") == fmt.Sprintf("%s:%d", point, seen[point]) {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
}

var (
	mu   sync.Mutex
	seen = map[string]int{}
)
