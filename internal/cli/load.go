package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"msctl.dev/msctl/internal/stack"
)

// loadOptions says where this command's stack is.
func (a *App) loadOptions() stack.LoadOptions {
	return stack.LoadOptions{Files: a.files, Dir: a.Dir, Getenv: a.Getenv, Kinds: kindNames()}
}

// load reads the stack; with a profile it must be one of the stack's.
func (a *App) load(profile string) (*stack.Stack, error) {
	st, err := stack.Load(a.loadOptions())
	if errors.Is(err, stack.ErrNoFile) {
		return nil, noStack(a.Dir)
	}
	if err != nil {
		var coded *codedError
		if !stackMistake(err) && !errors.As(err, &coded) {
			err = &codedError{err, exitStack, ""}
		}
		return nil, err
	}
	if profile == "" {
		return st, nil
	}
	return narrow(st, profile)
}

func noStack(dir string) error {
	return &codedError{fmt.Errorf("find stack from %s: %w", dir, stack.ErrNoFile), exitStack,
		"`msctl init` makes a small one, -f names another file"}
}

// noFile is a stack file that was named and cannot be had.
func noFile(path string, err error) error {
	var cause *fs.PathError
	if errors.As(err, &cause) {
		err = cause.Err
	}
	return &codedError{fmt.Errorf("read %s: %w", path, err), exitStack, "-f and " + stack.FileVariable + " name files that are there"}
}

// stackDir finds the folder of the stack without reading it.
func (a *App) stackDir() (string, error) {
	files := a.files
	if v := a.Getenv(stack.FileVariable); len(files) == 0 && v != "" {
		files = filepath.SplitList(v)
	}
	dir := ""
	for _, f := range files {
		f = a.absolute(f)
		if _, err := os.Stat(f); err != nil {
			return "", noFile(f, err)
		}
		if dir == "" {
			dir = filepath.Dir(f)
		}
	}
	if dir != "" {
		return dir, nil
	}
	for at := a.Dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, stack.FileName)); err == nil {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", noStack(a.Dir)
		}
	}
}

// narrow returns the part of a stack that a profile runs: its services and what they need.
func narrow(st *stack.Stack, profile string) (*stack.Stack, error) {
	if _, known := st.Profile(profile); known {
		return st.Select(nil, profile, false)
	}
	var names []string
	for _, p := range st.Profiles {
		names = append(names, p.Name)
	}
	hint := "stack.yaml has no profiles"
	if near := nearest(profile, names); near != "" {
		hint = "did you mean " + near + "?"
	} else if len(names) > 0 {
		hint = "its profiles: " + list(names)
	}
	return nil, usage(hint, "unknown profile %q", profile)
}

// absolute makes a path of the command line absolute.
func (a *App) absolute(path string) string { return absolute(a.Dir, path) }

// absolute makes a path absolute that begins at dir where it does not say otherwise.
func absolute(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}
