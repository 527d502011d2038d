package resource

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// template returns the folder of a fresh data folder, made once by build and kept under CacheDir. The
// programs that make it are part of its name: another version makes another one. Of two msctl at once
// one builds and the other waits; a crash half way leaves nothing that is ever used.
func (at site) template(ctx context.Context, program string, build func(dir string) error) (string, error) {
	o, err := at.owner()
	if err != nil {
		return "", err
	}
	info, err := os.Stat(at.program(program))
	if err != nil {
		return "", err
	}
	id := sha256.Sum256(fmt.Appendf(nil, "%s %d %d %s", at.program(program), info.Size(), info.ModTime().UnixNano(), o.name))
	dir := filepath.Join(at.CacheDir, at.Recipe().Name+"-"+hex.EncodeToString(id[:6]))
	if err := makePrivate(at.CacheDir); err != nil {
		return "", err
	}
	unlock, err := lock(ctx, dir+".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if there, err := exists(dir); there || err != nil {
		return dir, err
	}
	tmp := dir + ".new"
	if err := os.RemoveAll(tmp); err != nil {
		return "", err
	}
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return "", err
	}
	if err := o.own(tmp); err != nil {
		return "", err
	}
	if o.name != "" {
		if err := openPath(at.CacheDir, o); err != nil {
			return "", err
		}
	}
	if err := build(tmp); err != nil {
		return "", fmt.Errorf("make data folder: %w", err)
	}
	return dir, os.Rename(tmp, dir)
}

// fromTemplate makes dir a copy of a template, unless it is there already.
func (at site) fromTemplate(template, dir string) error {
	if there, err := exists(dir); there || err != nil {
		return err
	}
	o, err := at.owner()
	if err != nil {
		return err
	}
	tmp := dir + ".new"
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	if err := copyTree(template, tmp, o); err != nil {
		return fmt.Errorf("copy data folder: %w", err)
	}
	return os.Rename(tmp, dir)
}

// copyTree copies folders, files and links with their modes, and gives them to o.
func copyTree(from, to string, o owner) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			err = os.Mkdir(target, info.Mode().Perm())
		case d.Type() == fs.ModeSymlink:
			var link string
			if link, err = os.Readlink(path); err == nil {
				err = os.Symlink(link, target)
			}
		case d.Type().IsRegular():
			err = copyFile(path, target, info.Mode().Perm())
		default:
			return nil // a socket of a server that was killed
		}
		if err != nil {
			return err
		}
		return o.own(target)
	})
}

// copyFile copies content; the kernel shares the blocks where the file system can.
func copyFile(from, to string, mode fs.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	return err
}

// lock takes an exclusive lock on a file, which ends with the process at the latest.
func lock(ctx context.Context, file string) (unlock func(), err error) {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	got := make(chan error, 1)
	go func() { got <- flock(f) }()
	select {
	case err := <-got:
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", file, err)
		}
		return func() { f.Close() }, nil
	case <-ctx.Done():
		go func() { <-got; f.Close() }() // ends when the other msctl lets go
		return nil, context.Cause(ctx)
	}
}

func flock(f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if err != unix.EINTR {
			return err
		}
	}
}
