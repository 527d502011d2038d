package fleet

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"msctl.dev/msctl/internal/failpoint"
)

// registry is the file in which the stacks of one user note their automatic ports, so that two that choose
// at the same moment, or one that is down just now, keep out of each other's way. It is locked while open.
// A line is a port, a tab and the state folder that has it; a folder that is gone has none.
type registry struct {
	file   *os.File
	mine   string
	others map[int]bool
	lines  []string // of others
}

// openRegistry waits for its turn and reads what the other stacks have.
func openRegistry(o Options) (*registry, error) {
	dir := o.PortsDir
	if dir == "" {
		dir = o.StateDir
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open port registry: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "ports"), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open port registry: %w", err)
	}
	if err := lock(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock port registry %s: %w", f.Name(), err)
	}
	r := &registry{file: f, mine: o.StateDir, others: map[int]bool{}}
	if err := r.read(); err != nil {
		f.Close()
		return nil, fmt.Errorf("read port registry: %w", err)
	}
	return r, nil
}

// lock takes the file's lock. Who holds it does so for some milliseconds.
func lock(f *os.File) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err != unix.EWOULDBLOCK && err != unix.EINTR {
			return err
		}
		if !sleep(ctx, 5*time.Millisecond) {
			return err
		}
	}
}

// maxRegistry bounds how much is read: more than all ports need is not a registry.
const maxRegistry = 4 << 20

func (r *registry) read() error {
	there := map[string]bool{}
	lines := bufio.NewScanner(io.LimitReader(r.file, maxRegistry))
	for lines.Scan() {
		number, dir, ok := strings.Cut(lines.Text(), "\t")
		port, err := strconv.Atoi(number)
		if !ok || err != nil || dir == r.mine {
			continue
		}
		if _, asked := there[dir]; !asked {
			_, err := os.Stat(filepath.Join(dir, "ports.json"))
			there[dir] = err == nil
		}
		if there[dir] {
			r.others[port] = true
			r.lines = append(r.lines, lines.Text())
		}
	}
	if err := lines.Err(); !errors.Is(err, bufio.ErrTooLong) { // a line without end is no registry
		return err
	}
	return nil
}

// save notes this stack's automatic ports.
func (r *registry) save(ports Ports) error {
	var b bytes.Buffer
	for _, line := range r.lines {
		b.WriteString(line + "\n")
	}
	for _, port := range ports {
		if automatic(port) {
			fmt.Fprintf(&b, "%d\t%s\n", port, r.mine)
		}
	}
	if _, err := r.file.WriteAt(b.Bytes(), 0); err != nil { // before it is cut: others' ports are never lost
		return fmt.Errorf("write port registry: %w", err)
	}
	failpoint.Hit("registry-written")
	if err := r.file.Truncate(int64(b.Len())); err != nil {
		return fmt.Errorf("write port registry: %w", err)
	}
	failpoint.Hit("registry-cut")
	return nil
}

func (r *registry) close() { r.file.Close() }
