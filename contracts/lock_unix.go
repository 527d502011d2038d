//go:build unix

package contracts

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

// Lock waits until nobody else holds the lock of an open file or folder. The kernel gives it back when f is closed,
// however its holder ends.
func Lock(ctx context.Context, f *os.File) error {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-again.C:
		}
	}
}
