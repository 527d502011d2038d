package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"msctl.dev/msctl/internal/state"
)

// lookPath finds a program the way the unit itself would: relative to its folder, or on its PATH.
func lookPath(name string, env state.Environment) (string, error) {
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(env.Dir, name)
		}
		return exec.LookPath(name)
	}
	path := os.Getenv("PATH")
	for _, v := range env.Env {
		if p, ok := strings.CutPrefix(v, "PATH="); ok {
			path = p
		}
	}
	for _, dir := range filepath.SplitList(path) {
		if dir == "" || !filepath.IsAbs(dir) {
			dir = filepath.Join(env.Dir, dir)
		}
		if found, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return found, nil
		}
	}
	return "", &exec.Error{Name: name, Err: exec.ErrNotFound}
}

// become replaces msctl by the program. It returns only when it cannot.
func become(path string, argv []string, env state.Environment) error {
	if err := os.Chdir(env.Dir); err != nil {
		return fmt.Errorf("run %s: %w", argv[0], err)
	}
	err := syscall.Exec(path, argv, withTerm(env.Env))
	return &codedError{fmt.Errorf("run %s: %w", argv[0], err), 126, ""}
}

// withTerm adds what a program at a terminal needs and a service is not given.
func withTerm(env []string) []string {
	for _, name := range []string{"TERM", "COLORTERM", "NO_COLOR", "LANG"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append([]string{name + "=" + v}, env...)
		}
	}
	return env
}
