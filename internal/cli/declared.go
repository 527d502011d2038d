package cli

import (
	"os"
	"path/filepath"
	"sync"
	"time"

	"msctl.dev/msctl/internal/stack"
)

// declared is the stack as its files say, read again when one of them changes.
type declared struct {
	load func() (*stack.Stack, error)

	mu    sync.Mutex
	st    *stack.Stack     // guarded by mu: what was read last
	marks map[string]fmark // guarded by mu: of the files that it was read from, and of those that may come
}

// fmark tells one state of a file from another. The zero value is no file.
type fmark struct {
	at   time.Time
	size int64
}

func markOf(path string) fmark {
	info, err := os.Stat(path)
	if err != nil {
		return fmark{}
	}
	return fmark{info.ModTime(), info.Size()}
}

// get returns the stack. It is shared and read-only. What cannot be read is tried again each time.
func (d *declared) get() (*stack.Stack, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.st != nil && d.fresh() {
		return d.st, nil
	}
	d.st = nil
	before := time.Now()
	st, err := d.load()
	if err != nil {
		return nil, err
	}
	d.marks = map[string]fmark{}
	for _, path := range watched(st) {
		m := markOf(path)
		if !m.at.Before(before.Add(-time.Second)) {
			return st, nil // may have changed while it was read, or may again within one tick of its clock
		}
		d.marks[path] = m
	}
	d.st = st
	return st, nil
}

// fresh reports that no file has changed. The caller holds mu.
func (d *declared) fresh() bool {
	for path, m := range d.marks {
		if markOf(path) != m {
			return false
		}
	}
	return true
}

// watched are the files of a stack, and the one beside them that is read when it is there.
func watched(st *stack.Stack) []string {
	return append([]string{filepath.Join(st.Dir, stack.OverrideName)}, st.Files...)
}
