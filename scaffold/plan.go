package scaffold

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
)

// Action says what writing does to one file.
type Action string

// The actions.
const (
	Create   Action = "create"
	Edit     Action = "edit"     // its own text with something added
	Same     Action = "same"     // it has that content already
	Conflict Action = "conflict" // it has another content, and nobody asked to replace it
	Replace  Action = "replace"  // it has another content, and somebody did
)

// Change is one file and what is done to it.
type Change struct {
	Output
	Action Action
	Before []byte // what is there; nil where nothing is
}

// Diff shows what an edit, a replacement or a conflict changes.
func (c Change) Diff() string {
	if bytes.Equal(c.Before, c.Data) || c.Before == nil {
		return ""
	}
	return string(diff.Diff(c.Path, c.Before, c.Path+" (new)", c.Data))
}

// Rewrite is a file that is there already and gets another text; Before is the one that it was made from.
type Rewrite struct {
	Path          string
	Before, After []byte
}

// Plan compares what is to be written with what is in dir. It changes nothing. Replace has files that are in
// the way replaced, which are conflicts otherwise.
func Plan(dir string, outputs []Output, rewrites []Rewrite, replace bool) ([]Change, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open folder: %w", err)
	}
	defer root.Close()
	if err := checkOutputs(outputs); err != nil {
		return nil, err
	}
	var all []Change
	for _, o := range outputs {
		c, err := compare(root, o, replace)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	for _, r := range rewrites {
		c := Change{Output: Output{Path: r.Path, Data: r.After}, Action: Edit, Before: r.Before}
		if r.Before == nil {
			c.Action = Create
		} else if bytes.Equal(r.Before, r.After) {
			c.Action = Same
		}
		all = append(all, c)
	}
	return all, nil
}

// compare looks at one file of the target, and at every folder that leads to it.
func compare(root *os.Root, o Output, replace bool) (Change, error) {
	c := Change{Output: o, Action: Create}
	at := "."
	parts := strings.Split(o.Path, "/")
	for i, part := range parts {
		if err := clash(root, at, part); err != nil {
			return c, err
		}
		at = path.Join(at, part)
		info, err := root.Lstat(at)
		if errors.Is(err, fs.ErrNotExist) {
			return c, nil
		}
		if err != nil {
			return c, fmt.Errorf("write %s: %w", o.Path, cause(err))
		}
		last := i == len(parts)-1
		if info.Mode()&fs.ModeSymlink != 0 {
			return c, fmt.Errorf("write %s: %s is a link", o.Path, at)
		}
		if info.IsDir() == last || !last && !info.IsDir() || last && !info.Mode().IsRegular() {
			return c, fmt.Errorf("write %s: %s is there and is something else", o.Path, at)
		}
	}
	var err error
	if c.Before, err = root.ReadFile(o.Path); err != nil {
		return c, fmt.Errorf("read %s: %w", o.Path, cause(err))
	}
	switch {
	case bytes.Equal(c.Before, o.Data):
		c.Action = Same
	case replace:
		c.Action = Replace
	default:
		c.Action = Conflict
	}
	return c, nil
}

// clash refuses a name that the folder has with other cases of letters: on some systems it is the same.
func clash(root *os.Root, dir, name string) error {
	f, err := root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look into %s: %w", dir, cause(err))
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("look into %s: %w", dir, cause(err))
	}
	if slices.Contains(names, name) {
		return nil
	}
	for _, other := range names {
		if strings.EqualFold(other, name) {
			return fmt.Errorf("write %s: %s is there, which is the same where the case of letters does not count",
				path.Join(dir, name), path.Join(dir, other))
		}
	}
	return nil
}

// ConflictError says which files are in the way.
type ConflictError struct{ Changes []Change }

func (e *ConflictError) Error() string {
	var names []string
	for _, c := range e.Changes {
		names = append(names, c.Path)
	}
	return fmt.Sprintf("write %s: there already, with another content", strings.Join(names, ", "))
}

// conflicts returns a *[ConflictError], or nil where there are none.
func conflicts(changes []Change) error {
	bad := slices.DeleteFunc(slices.Clone(changes), func(c Change) bool { return c.Action != Conflict })
	if len(bad) == 0 {
		return nil
	}
	return &ConflictError{bad}
}
