// Package library finds, checks and installs libpact_ffi, the shared library that Pact's own libraries for
// Go call. msctl itself does not use it: only tests under the build tag pact do.
package library

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Place says where to look and where to install.
type Place struct {
	Cache  string              // folder of this user, such as ~/.cache/msctl/pact
	Getenv func(string) string // nil: an empty environment
	OS     string              // "" means this machine's
	Arch   string              // "" means this machine's
	Musl   bool                // the C library of a Linux is musl; [Here] finds out
	Table  []Row               // nil means [Table]
}

// Here is this machine, with the library in the user's own cache folder.
func Here(getenv func(string) string) Place {
	loaders, _ := filepath.Glob("/lib/ld-musl-*")
	return Place{Cache: cache(getenv), Getenv: getenv, OS: runtime.GOOS, Arch: runtime.GOARCH, Musl: len(loaders) > 0}
}

// cache is the folder of a user for what can be fetched again.
func cache(getenv func(string) string) string {
	base := getenv("XDG_CACHE_HOME")
	switch {
	case filepath.IsAbs(base):
	case runtime.GOOS == "darwin":
		base = filepath.Join(getenv("HOME"), "Library", "Caches")
	default:
		base = filepath.Join(getenv("HOME"), ".cache")
	}
	return filepath.Join(base, "msctl", "pact")
}

// Library is a libpact_ffi that can be used: it is for this machine and exports what pact-go calls.
type Library struct {
	File    string // absolute
	Version string // of libpact_ffi; "" where it is not one of the table
	By      string // how it came to be here, for people: "installed by msctl"
}

// Env returns the variables with which `go test -tags pact` builds and runs, as NAME=value.
func (l Library) Env(getenv func(string) string) []string {
	dir := filepath.Dir(l.File)
	search := "LD_LIBRARY_PATH"
	if runtime.GOOS == "darwin" {
		search = "DYLD_LIBRARY_PATH"
	}
	out := []string{"CGO_ENABLED=1"}
	for _, name := range []string{"LIBRARY_PATH", search} {
		out = append(out, name+"="+first(dir, getenv(name)))
	}
	return append(out, "PACT_DO_NOT_TRACK=true", "PACT_LOG_LEVEL=ERROR")
}

// first puts dir in front of a list of folders, once.
func first(dir, list string) string {
	out := []string{dir}
	for _, d := range filepath.SplitList(list) {
		if d != dir && d != "" {
			out = append(out, d)
		}
	}
	return strings.Join(out, string(os.PathListSeparator))
}

// ErrMissing is what [Find] returns where there is no library at all.
var ErrMissing = errors.New("libpact_ffi is not installed")

// Look is one place in which [Search] looked.
type Look struct {
	Library Library
	Err     error // why it cannot be used; it matches fs.ErrNotExist where nothing is there
}

// Find returns the first library that can be used. The error says what is wrong with each that cannot.
func Find(p Place) (Library, error) {
	var bad []error
	for _, l := range Search(p) {
		if l.Err == nil {
			return l.Library, nil
		}
		if !errors.Is(l.Err, os.ErrNotExist) {
			bad = append(bad, l.Err)
		}
	}
	return Library{}, errors.Join(append([]error{ErrMissing}, bad...)...)
}

// Search looks in every place, in the order in which [Find] prefers them: what was installed on purpose
// before what happens to be there. It stops at the first that can be used.
func Search(p Place) []Look {
	var out []Look
	for _, l := range p.candidates() {
		err := p.check(l)
		out = append(out, Look{l, err})
		if err == nil {
			break
		}
	}
	return out
}

func (p Place) candidates() []Library {
	row, _ := p.row()
	out := []Library{
		{p.own(), "", "installed by msctl from a file"},
		{p.installed(row), row.Version, "installed by msctl"},
	}
	for _, name := range []string{"LIBRARY_PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"} {
		for _, dir := range filepath.SplitList(p.env(name)) {
			if filepath.IsAbs(dir) {
				out = append(out, Library{filepath.Join(dir, p.file()), "", "in " + name})
			}
		}
	}
	for _, dir := range []string{"/opt/pact/lib", "/usr/local/lib"} { // pact-go's installer; not /tmp, where anybody may write
		out = append(out, Library{filepath.Join(dir, p.file()), "", "installed by pact-go"})
	}
	return out
}

// check says why a library cannot be used. One of the table must have the table's content.
func (p Place) check(l Library) error {
	if err := p.Check(l.File); err != nil {
		return err
	}
	if row, ok := p.row(); ok && l.Version == row.Version && l.File == p.installed(row) {
		if err := verify(l.File, row.Content); err != nil {
			return fmt.Errorf("check %s: %w", l.File, err)
		}
	}
	return nil
}

func (p Place) env(name string) string {
	if p.Getenv == nil {
		return ""
	}
	return p.Getenv(name)
}

// file is the name by which the linker finds the library.
func (p Place) file() string {
	if p.OS == "darwin" {
		return "libpact_ffi.dylib"
	}
	return "libpact_ffi.so"
}

func (p Place) own() string { return filepath.Join(p.Cache, "own", p.file()) }

func (p Place) installed(r Row) string {
	if r.Version == "" {
		return filepath.Join(p.Cache, "none", p.file())
	}
	return filepath.Join(p.Cache, r.Version, p.file())
}
