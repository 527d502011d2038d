package stack

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// The names of the files that are looked for.
const (
	FileName     = "stack.yaml"
	OverrideName = "stack.override.yaml"
)

// FileVariable names the environment variable that stands in for LoadOptions.Files: paths separated as
// in PATH.
const FileVariable = "MSCTL_FILE"

// ErrNoFile says that there is no stack.yaml.
var ErrNoFile = errors.New("no " + FileName + " here or in a folder above")

// file is one stack file: where it is, and what the user calls it.
type file struct {
	path  string // absolute
	shown string
}

func shown(files []file) []string {
	var out []string
	for _, f := range files {
		out = append(out, f.shown)
	}
	return out
}

// locate returns the files to merge.
func locate(opts LoadOptions) ([]file, error) {
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", FileName, err)
	}
	named := opts.Files
	if v := opts.Getenv(FileVariable); len(named) == 0 && v != "" {
		named = filepath.SplitList(v)
	}
	if len(named) > 0 {
		return namedFiles(dir, named), nil
	}
	return search(dir)
}

func namedFiles(dir string, names []string) []file {
	var out []file
	for _, name := range names {
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		out = append(out, file{filepath.Clean(path), name})
	}
	return out
}

// search finds stack.yaml in dir or above, and the override beside it.
func search(dir string) ([]file, error) {
	for at := dir; ; at = filepath.Dir(at) {
		path := filepath.Join(at, FileName)
		if _, err := os.Stat(path); err == nil {
			out := []file{{path, relative(dir, path)}}
			if over := filepath.Join(at, OverrideName); exists(over) {
				out = append(out, file{over, relative(dir, over)})
			}
			return out, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("find %s: %w", FileName, err)
		}
		if at == filepath.Dir(at) {
			return nil, fmt.Errorf("find stack from %s: %w", dir, ErrNoFile)
		}
	}
}

func relative(dir, path string) string {
	if rel, err := filepath.Rel(dir, path); err == nil {
		return rel
	}
	return path
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// readFile reads at most limit bytes of a regular file, so that a device or a pipe cannot hang a load.
func readFile(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, errors.Unwrap(err))
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read %s: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, errors.Unwrap(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return text, nil
}

var notInName = regexp.MustCompile(`[^a-z0-9]+`)

// nameFrom makes a good name from a folder's.
func nameFrom(dir string) string {
	name := notInName.ReplaceAllString(strings.ToLower(filepath.Base(dir)), "-")
	name = strings.Trim(name[:min(63, len(name))], "-")
	if name == "" {
		return "stack"
	}
	return name
}
