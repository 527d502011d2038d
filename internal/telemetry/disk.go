package telemetry

import (
	"errors"
	"io"
	"os"
)

// disk is what a store needs of a file system. Tests make its operations fail.
type disk interface {
	MkdirAll(dir string) error
	List(dir string) ([]string, error) // names
	Create(path string) (file, error)  // empty; what was there is lost
	Open(path string, write bool) (file, error)
	Rename(from, to string) error
	Remove(path string) error
	SyncDir(dir string) error
}

type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Sync() error
	Size() (int64, error)
}

// local is the file system of this machine. What it makes only the user may read: traces hold secrets.
type local struct{}

type localFile struct{ *os.File }

func (f localFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (local) MkdirAll(dir string) error { return os.MkdirAll(dir, 0o700) }

func (local) List(dir string) ([]string, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

func (local) Create(path string) (file, error) {
	return wrap(os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600))
}

func (local) Open(path string, write bool) (file, error) {
	if write {
		return wrap(os.OpenFile(path, os.O_RDWR, 0))
	}
	return wrap(os.Open(path))
}

func wrap(f *os.File, err error) (file, error) {
	if err != nil {
		return nil, err
	}
	return localFile{f}, nil
}

func (local) Rename(from, to string) error { return os.Rename(from, to) }

func (local) Remove(path string) error { return os.Remove(path) }

func (local) SyncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
