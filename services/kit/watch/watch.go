// Package watch reads a file of a service again whenever it changes.
package watch

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long a file must rest before it is read again: most are not written at once.
const settle = 20 * time.Millisecond

// File is a file that may change while the service runs.
type File struct {
	Name string // what it holds, for the log: "flags"
	Path string
	Log  *slog.Logger
	// Take is given the content, and returns an error where it is none, such as one that is half
	// written: then nothing changes, and the log says so.
	Take func(content []byte) error

	content []byte // as it was read last, good or not
}

// Read takes what is in the file now.
func (f *File) Read() error {
	var err error
	if f.content, err = os.ReadFile(f.Path); err != nil {
		return fmt.Errorf("read %s: %w", f.Name, err)
	}
	if err := f.Take(f.content); err != nil {
		return fmt.Errorf("read %s of %s: %w", f.Name, f.Path, err)
	}
	return nil
}

// Run reads the file again whenever it changes, until ctx ends. Call [File.Read] first.
func (f *File) Run(ctx context.Context) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch %s: %w", f.Name, err)
	}
	defer w.Close()
	// The folder, as many programs write a new file and put it in the old one's place.
	if err := w.Add(filepath.Dir(f.Path)); err != nil {
		return fmt.Errorf("watch %s: %w", f.Name, err)
	}
	rest := time.NewTimer(settle) // reads what came between Read and the watch
	defer rest.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.Events:
			rest.Reset(settle)
		case err := <-w.Errors:
			f.Log.Warn(f.Name+" not watched", "err", err)
			rest.Reset(settle)
		case <-rest.C:
			f.again()
		}
	}
}

// again takes what is in the file now, if that is other than before and can be read.
func (f *File) again() {
	content, err := os.ReadFile(f.Path)
	if err == nil && bytes.Equal(content, f.content) {
		return
	}
	if err == nil {
		f.content = content
		err = f.Take(content)
	}
	if err != nil {
		f.Log.Warn(f.Name+" kept as they were", "file", f.Path, "err", err)
		return
	}
	f.Log.Info(f.Name+" read", "file", f.Path)
}
