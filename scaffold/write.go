package scaffold

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"syscall"

	"msctl.dev/msctl/internal/failpoint"
)

// Where files wait until all of them are whole. The journal is what makes the change: before it has its name
// nothing was done, from then on everything will be, by this process or the next.
const (
	home    = ".msctl"
	staging = ".msctl/scaffold"
	journal = staging + "/journal.json"
)

// Write does the changes below dir: all, or none where it returns an error. It first finishes or forgets what
// an earlier one that was killed has begun, see [Recover]. A file that appeared or changed since [Plan] is
// left alone, and is an error.
func Write(dir string, changes []Change) error {
	if err := conflicts(changes); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open folder: %w", err)
	}
	defer root.Close()
	unlock, err := lock(root)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := resume(root); err != nil {
		return err
	}
	steps, err := stage(root, changes)
	if err != nil {
		return errors.Join(err, forget(root))
	}
	failpoint.Hit("scaffold-committed")
	return errors.Join(apply(root, steps), forget(root))
}

// Recover finishes what a [Write] that was killed in the middle had begun, and returns the files that it did
// not write because somebody else has since.
func Recover(dir string) (skipped []string, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open folder: %w", err)
	}
	defer root.Close()
	if _, err := root.Lstat(staging); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	unlock, err := lock(root)
	if err != nil {
		return nil, err
	}
	defer unlock()
	return resume(root)
}

// step is one file of the journal.
type step struct {
	Path   string `json:"path"`
	Staged string `json:"staged"`
	Old    string `json:"old,omitempty"` // where what was there is kept; "" is nothing
}

// stage writes every file beside its place, and last the journal.
func stage(root *os.Root, changes []Change) ([]step, error) {
	var steps []step
	for i, c := range changes {
		if c.Action == Same {
			continue
		}
		s := step{Path: c.Path, Staged: path.Join(staging, strconv.Itoa(i)+".new")}
		mode := fs.FileMode(0o644)
		if c.Exec {
			mode = 0o755
		}
		if c.Before != nil {
			s.Old = path.Join(staging, strconv.Itoa(i)+".old")
			if info, err := root.Lstat(c.Path); err == nil {
				mode = info.Mode().Perm()
			}
			if err := root.WriteFile(s.Old, c.Before, mode); err != nil {
				return nil, fmt.Errorf("write %s: %w", c.Path, cause(err))
			}
		}
		if err := root.WriteFile(s.Staged, c.Data, mode); err != nil {
			return nil, fmt.Errorf("write %s: %w", c.Path, cause(err))
		}
		steps = append(steps, s)
		failpoint.Hit("scaffold-staged")
	}
	text, err := json.Marshal(steps)
	if err != nil {
		return nil, err
	}
	if err := root.WriteFile(journal+".new", text, 0o600); err != nil {
		return nil, fmt.Errorf("write journal: %w", cause(err))
	}
	failpoint.Hit("scaffold-noted")
	if err := root.Rename(journal+".new", journal); err != nil {
		return nil, fmt.Errorf("write journal: %w", cause(err))
	}
	return steps, nil
}

// apply moves every file to its place. One that cannot be moved has those before it moved back.
func apply(root *os.Root, steps []step) error {
	var made []string // folders, outer ones first
	for i, s := range steps {
		err := folders(root, path.Dir(s.Path), &made)
		if err == nil {
			err = place(root, s)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("write %s: %w", s.Path, cause(err)), undo(root, steps[:i], made))
		}
		failpoint.Hit("scaffold-placed")
	}
	return nil
}

// folders makes a folder and those above it, and notes the new ones.
func folders(root *os.Root, dir string, made *[]string) error {
	if dir == "." {
		return nil
	}
	if err := folders(root, path.Dir(dir), made); err != nil {
		return err
	}
	err := root.Mkdir(dir, 0o755)
	if err == nil {
		*made = append(*made, dir)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

var errChanged = errors.New("it was changed meanwhile")

// place moves one file to its place, unless another is there than was.
func place(root *os.Root, s step) error {
	if s.Old == "" {
		err := root.Link(s.Staged, s.Path) // unlike a rename it never replaces
		if errors.Is(err, fs.ErrExist) {
			return errChanged
		}
		return err
	}
	was, err := root.ReadFile(s.Old)
	if err != nil {
		return err
	}
	is, err := root.ReadFile(s.Path)
	if err != nil {
		return err
	}
	if !bytes.Equal(was, is) {
		return errChanged
	}
	return root.Rename(s.Staged, s.Path)
}

// undo takes back what was placed, the newest first.
func undo(root *os.Root, done []step, made []string) error {
	var errs []error
	for i := len(done) - 1; i >= 0; i-- {
		if s := done[i]; s.Old == "" {
			errs = append(errs, root.Remove(s.Path))
		} else {
			errs = append(errs, root.Rename(s.Old, s.Path))
		}
	}
	for i := len(made) - 1; i >= 0; i-- {
		errs = append(errs, root.Remove(made[i]))
	}
	return errors.Join(errs...)
}

// resume finishes what is in the journal.
func resume(root *os.Root) (skipped []string, err error) {
	text, err := root.ReadFile(journal)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, forget(root)
	}
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", cause(err))
	}
	var steps []step
	if err := json.Unmarshal(text, &steps); err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	for _, s := range steps {
		if err := CheckPath(s.Path); err != nil {
			return nil, err
		}
		if placed(root, s) {
			continue
		}
		var made []string
		err := folders(root, path.Dir(s.Path), &made)
		if err == nil {
			err = place(root, s)
		}
		if errors.Is(err, errChanged) {
			skipped = append(skipped, s.Path)
			continue
		}
		if err != nil {
			return skipped, fmt.Errorf("finish writing %s: %w", s.Path, cause(err))
		}
	}
	return skipped, forget(root)
}

// placed reports a step that was done before.
func placed(root *os.Root, s step) bool {
	is, err := root.ReadFile(s.Path)
	if err != nil {
		return false
	}
	want, err := root.ReadFile(s.Staged)
	return errors.Is(err, fs.ErrNotExist) || err == nil && bytes.Equal(is, want)
}

// forget removes what was staged. The journal goes first: without it nothing is to be done.
func forget(root *os.Root) error {
	if err := root.Remove(journal); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove journal: %w", cause(err))
	}
	failpoint.Hit("scaffold-done")
	names, err := fs.ReadDir(root.FS(), staging)
	if err != nil {
		return fmt.Errorf("look into %s: %w", staging, cause(err))
	}
	for _, n := range names {
		if err := root.RemoveAll(path.Join(staging, n.Name())); err != nil {
			return fmt.Errorf("remove %s: %w", staging, cause(err))
		}
	}
	return nil
}

// lock makes this the only one that writes here, and the folder to stage in.
func lock(root *os.Root) (unlock func(), err error) {
	for {
		if err := root.MkdirAll(staging, 0o700); err != nil {
			return nil, fmt.Errorf("make %s: %w", staging, cause(err))
		}
		f, err := root.Open(staging)
		if errors.Is(err, fs.ErrNotExist) {
			continue // another has just ended
		}
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", staging, cause(err))
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			f.Close()
			return nil, errors.New("write files: another msctl is writing here")
		}
		if current(root, f) {
			return func() {
				_, _ = root.Remove(staging), root.Remove(home) // only where nothing is in them
				f.Close()
			}, nil
		}
		f.Close()
	}
}

// current reports whether f is still the folder that has its name.
func current(root *os.Root, f *os.File) bool {
	is, err := root.Lstat(staging)
	if err != nil {
		return false
	}
	was, err := f.Stat()
	return err == nil && os.SameFile(is, was)
}
