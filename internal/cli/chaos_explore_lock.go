package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"msctl.dev/msctl/chaos/experiment"
)

// searchLock is held by who searches a fleet: two searches would put their faults and look at what holds beside each
// other, and keep their runs in one file.
func (p place) searchLock() string { return filepath.Join(p.state(), "explore.lock") }

// takeSearch takes the right to search the fleet of a place, wherever the runs are kept. It refuses while somebody else
// has it.
func (p place) takeSearch() (*lock, error) {
	if err := p.prepare(); err != nil {
		return nil, fmt.Errorf("take lock: %w", err)
	}
	l, err := takeLock(p.searchLock())
	if errors.Is(err, errLocked) {
		hint := "wait until it is over"
		if h, ok := readHolder(p.searchLock()); ok {
			hint = fmt.Sprintf("its process is %d; ", h.PID) + hint
		}
		return nil, &codedError{fmt.Errorf("explore %s: another search of this fleet goes on", p), experiment.Broken.Code(), hint}
	}
	if err != nil {
		return nil, err
	}
	if err := l.sign(holder{PID: os.Getpid()}); err != nil {
		l.release()
		return nil, err
	}
	return l, nil
}
