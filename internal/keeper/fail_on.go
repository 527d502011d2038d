//go:build failpoint

package keeper

import (
	"os"
	"syscall"
)

// hit kills the process where MSCTL_FAIL names this point, as a crash would. For tests: swept one by one.
func hit(point string) {
	if os.Getenv("MSCTL_FAIL") == point {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
}
