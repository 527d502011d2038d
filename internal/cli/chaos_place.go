package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// canFill reports whether files can be written into a folder that may not be there yet. It leaves nothing behind.
func canFill(dir string) error {
	var missing []string // the deepest first
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Lstat(d); !errors.Is(err, fs.ErrNotExist) || d == filepath.Dir(d) {
			break
		}
		missing = append(missing, d)
	}
	defer func() {
		for _, d := range missing {
			_ = os.Remove(d) // of what this call made; what is not empty stays
		}
	}()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// canWrite reports whether a file can be written in a folder that is there. What the file holds stays.
func canWrite(file string) error {
	_, err := os.Lstat(file)
	made := errors.Is(err, fs.ErrNotExist)
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil || !made {
		return err
	}
	return os.Remove(file)
}
