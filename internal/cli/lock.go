package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"msctl.dev/msctl/internal/failpoint"
)

// errLocked says that another supervisor holds the stack.
var errLocked = errors.New("held by another msctl")

// lock is the right to supervise a stack. The kernel gives it back however its holder ends.
type lock struct{ f *os.File }

// takeLock takes the lock of a stack, or returns errLocked at once.
func takeLock(path string) (*lock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errLocked
		}
		return nil, fmt.Errorf("take lock %s: %w", path, err)
	}
	failpoint.Hit("lock-taken")
	return &lock{f}, nil
}

// sign writes who holds the lock, for those who look for it.
func (l *lock) sign(h holder) error {
	data, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if err := l.f.Truncate(0); err != nil {
		return fmt.Errorf("sign lock: %w", err)
	}
	failpoint.Hit("lock-empty")
	_, err = l.f.WriteAt(append(data, '\n'), 0)
	failpoint.Hit("lock-signed")
	return err
}

// release gives the lock back and forgets who held it.
func (l *lock) release() {
	l.f.Truncate(0)
	failpoint.Hit("lock-forgotten")
	l.f.Close()
}
