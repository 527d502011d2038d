package library

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// The most that a package and a library may have.
const (
	maxPackage = 64 << 20
	maxLibrary = 256 << 20
)

// Install fetches the library for the place from a registry of npm, checks it, and puts it in the cache. It
// is there whole or not at all, also when two run at once. progress is told of the bytes that arrived, of
// how many; it may be nil.
func Install(ctx context.Context, p Place, registry string, progress func(done, of int64)) (Library, error) {
	row, ok := p.row()
	if !ok {
		return Library{}, fmt.Errorf("install libpact_ffi: there is none for %s on %s", p.OS, p.Arch)
	}
	archive, err := fetch(ctx, row.URL(strings.TrimRight(registry, "/")), progress)
	if err != nil {
		return Library{}, fmt.Errorf("install libpact_ffi: %w", err)
	}
	sum := sha512.Sum512(archive)
	if got := "sha512-" + base64.StdEncoding.EncodeToString(sum[:]); got != row.Archive {
		return Library{}, fmt.Errorf("install libpact_ffi: what the registry sent is not %s %s: its checksum is %s", row.Package, row.Release, got)
	}
	body, err := unpack(archive, p)
	if err != nil {
		return Library{}, fmt.Errorf("install libpact_ffi: %w", err)
	}
	l := Library{p.installed(row), row.Version, "installed by msctl"}
	return l, p.put(l.File, body)
}

// InstallFile puts a library in the cache that somebody has: the library, the same packed by gzip, or the
// package of npm. It is preferred from then on.
func InstallFile(p Place, file string) (Library, error) {
	body, err := readFile(file)
	if err == nil {
		body, err = unpack(body, p)
	}
	if err != nil {
		return Library{}, fmt.Errorf("install %s: %w", file, err)
	}
	l := Library{p.own(), "", "installed by msctl from a file"}
	if row, ok := p.row(); ok && sum(body) == row.Content {
		l = Library{p.installed(row), row.Version, "installed by msctl"}
	}
	return l, p.put(l.File, body)
}

func readFile(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.New("it is no regular file")
	}
	return bounded(f, maxLibrary)
}

// bounded reads everything, and refuses what is longer than max bytes.
func bounded(r io.Reader, max int64) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, max+1))
	if err != nil {
		return nil, err
	}
	if int64(len(body)) > max {
		return nil, fmt.Errorf("it has more than %d MiB", max>>20)
	}
	return body, nil
}

// put writes a library into the cache, checks it there, and moves it to its place.
func (p Place) put(file string, body []byte) error {
	if err := os.MkdirAll(p.Cache, 0o755); err != nil {
		return fmt.Errorf("install libpact_ffi: %w", err)
	}
	temp, err := os.CreateTemp(p.Cache, ".arriving-*")
	if err != nil {
		return fmt.Errorf("install libpact_ffi: %w", err)
	}
	defer os.Remove(temp.Name())
	_, err = io.Copy(temp, bytes.NewReader(body))
	err = errors.Join(err, temp.Chmod(0o755), temp.Sync(), temp.Close())
	if err == nil {
		err = p.fits(temp.Name())
	}
	if err == nil {
		err = os.MkdirAll(filepath.Dir(file), 0o755)
	}
	if err == nil {
		err = os.Rename(temp.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("install libpact_ffi: %w", err)
	}
	return nil
}

func sum(body []byte) string {
	s := sha256.Sum256(body)
	return hex.EncodeToString(s[:])
}

// verify compares a file's content with a SHA-256.
func verify(file, want string) error {
	f, err := os.Open(file)
	if err != nil {
		return errors.Unwrap(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		return errors.New("its content is not what was published: install it again")
	}
	return nil
}
