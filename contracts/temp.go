package contracts

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// TempDir makes a folder for what this process needs for a while. Those that processes left which were killed are
// removed first: a folder's name says whose it is.
func TempDir(what string) (string, error) {
	old, err := filepath.Glob(filepath.Join(os.TempDir(), what+"-*-*"))
	if err != nil {
		return "", fmt.Errorf("make a folder: %w", err)
	}
	for _, dir := range old {
		word, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), what+"-"), "-")
		if pid, err := strconv.Atoi(word); err == nil && pid > 0 && !runs(pid) {
			os.RemoveAll(dir) // another user's stays
		}
	}
	return os.MkdirTemp("", fmt.Sprintf("%s-%d-*", what, os.Getpid()))
}

// runs reports a process that is there, whoever's it is.
func runs(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	err = p.Signal(syscall.Signal(0))
	return !errors.Is(err, os.ErrProcessDone) && !errors.Is(err, syscall.ESRCH)
}
