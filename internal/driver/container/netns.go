package container

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"msctl.dev/msctl/internal/driver"
)

// openNetwork opens the network of a container by the pid that the engine tells. It refuses one that is not the
// container's own: the engine may be on another machine, the process may have ended and its pid be another's,
// and the network may be that of this machine. proc is /proc.
func openNetwork(proc, id string, pid int) (*os.File, error) {
	of := filepath.Join(proc, strconv.Itoa(pid))
	if pid <= 0 {
		return nil, fmt.Errorf("%w: the container has no process", driver.ErrCannot)
	}
	ns, err := os.Open(filepath.Join(of, "ns", "net"))
	if err != nil {
		return nil, fmt.Errorf("%w: open the container's network: %w", driver.ErrCannot, err)
	}
	if err := owned(proc, of, id, ns); err != nil {
		ns.Close()
		return nil, fmt.Errorf("%w: %w", driver.ErrCannot, err)
	}
	return ns, nil
}

// owned says why a network is not that of a container alone, or nil. What was opened before it looks stays the
// same network, whoever has the pid by then.
func owned(proc, of, id string, ns *os.File) error {
	groups, err := os.ReadFile(filepath.Join(of, "cgroup"))
	if err != nil {
		return fmt.Errorf("find whose process it is: %w", err)
	}
	if id == "" || !strings.Contains(string(groups), id) {
		return fmt.Errorf("the process that the engine names is not the container's on this machine")
	}
	theirs, err := ns.Stat()
	if err != nil {
		return fmt.Errorf("look at the container's network: %w", err)
	}
	own, err := os.Stat(filepath.Join(proc, "self", "ns", "net"))
	if err != nil {
		return fmt.Errorf("look at this machine's network: %w", err)
	}
	if os.SameFile(theirs, own) {
		return fmt.Errorf("the container has this machine's own network")
	}
	return nil
}
