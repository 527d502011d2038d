package stack

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// Revision is a change of a stack's files that was loaded and checked, and is not written yet.
type Revision struct {
	Old, New *Stack
	Files    []FileChange // those that change, in the order in which they are merged
}

// FileChange is one file before and after.
type FileChange struct {
	Path          string // absolute
	Shown         string // what the user calls it
	Before, After []byte
}

// Revise loads a stack, lets change edit the texts of its files, and loads what they come to. documents has
// the files in the order in which they are merged. Nothing is written: see [Revision.Write].
func Revise(opts LoadOptions, change func(old *Stack, documents []*Document) error) (*Revision, error) {
	if opts.Getenv == nil {
		opts.Getenv = func(string) string { return "" }
	}
	old, err := Load(opts)
	if err != nil {
		return nil, err
	}
	files, err := locate(opts)
	if err != nil {
		return nil, err
	}
	documents, err := openAll(files, opts.Texts)
	if err != nil {
		return nil, err
	}
	before := make([][]byte, len(documents))
	for i, d := range documents {
		before[i] = d.Bytes()
	}
	if err := change(old, documents); err != nil {
		return nil, err
	}
	r := &Revision{Old: old}
	opts.Texts = map[string][]byte{}
	for i, d := range documents {
		opts.Texts[files[i].path] = d.text
		if !bytes.Equal(before[i], d.text) {
			r.Files = append(r.Files, FileChange{files[i].path, files[i].shown, before[i], d.Bytes()})
		}
	}
	r.New, err = Load(opts)
	return r, err
}

func openAll(files []file, texts map[string][]byte) ([]*Document, error) {
	var out []*Document
	for _, f := range files {
		text, instead := texts[f.path]
		if !instead {
			var err error
			if text, err = readFile(f.path, maxBytes+1); err != nil {
				return nil, err
			}
		}
		d, err := edit(f.shown, text)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// Unchanged reports an error unless the old and the new stack say the same of everything but these services
// and resources.
func (r *Revision) Unchanged(except ...string) error {
	for _, s := range r.Old.Services {
		if now := r.New.Service(s.Name); !slices.Contains(except, s.Name) && (now == nil || now.Hash() != s.Hash()) {
			return fmt.Errorf("edit %s: service %q would change too", r.Files[0].Shown, s.Name)
		}
	}
	for _, s := range r.Old.Resources {
		if now := r.New.Resource(s.Name); !slices.Contains(except, s.Name) && (now == nil || now.Hash() != s.Hash()) {
			return fmt.Errorf("edit %s: resource %q would change too", r.Files[0].Shown, s.Name)
		}
	}
	return nil
}

// ErrChangedMeanwhile says that somebody else wrote a file between reading and writing it.
var ErrChangedMeanwhile = errors.New("it was changed meanwhile")

// Write puts the new texts in place of the old ones, each at once: a reader sees one or the other. Mode,
// owner and links stay. A file that is not any more what was read is left alone, and so are all others.
func (r *Revision) Write() error {
	var made []string
	defer func() {
		for _, temp := range made {
			os.Remove(temp)
		}
	}()
	targets := make([]string, len(r.Files))
	for i, f := range r.Files {
		target, err := filepath.EvalSymlinks(f.Path)
		if err != nil {
			return fmt.Errorf("write %s: %w", f.Shown, err)
		}
		temp, err := writeBeside(target, f.After)
		if err != nil {
			return fmt.Errorf("write %s: %w", f.Shown, err)
		}
		made, targets[i] = append(made, temp), target
	}
	for i, f := range r.Files {
		if now, err := os.ReadFile(targets[i]); err != nil || !bytes.Equal(now, f.Before) {
			return fmt.Errorf("write %s: %w", f.Shown, errors.Join(err, ErrChangedMeanwhile))
		}
	}
	for i, f := range r.Files {
		if err := os.Rename(made[i], targets[i]); err != nil {
			return fmt.Errorf("write %s: %w", f.Shown, err)
		}
	}
	return nil
}

// writeBeside writes a file with the mode and owner of target into its folder and returns its path.
func writeBeside(target string, text []byte) (string, error) {
	info, err := os.Stat(target)
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp(filepath.Dir(target), "."+filepath.Base(target)+".*")
	if err != nil {
		return "", err
	}
	_, err = f.Write(text)
	err = errors.Join(err, likeFile(f, info), f.Sync(), f.Close())
	if err != nil {
		os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

// likeFile gives a file the owner, where it may, and the mode of another one.
func likeFile(f *os.File, info fs.FileInfo) error {
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		if err := f.Chown(int(owner.Uid), int(owner.Gid)); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return f.Chmod(info.Mode().Perm())
}
