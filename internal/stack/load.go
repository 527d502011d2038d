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

// LoadOptions says where the stack is.
type LoadOptions struct {
	Files  []string            // in the order in which they are merged; empty: found upward from Dir
	Dir    string              // "" is the working folder
	Getenv func(string) string // nil: no environment
	Kinds  []string            // resource types that exist; empty accepts any
}

// ErrNoFile says that there is no stack.yaml.
var ErrNoFile = errors.New("no " + FileName + " here or in a folder above")

// Load reads, merges and checks a stack. Its error is [Errors], every mistake at once in file order, or
// says why a file cannot be read.
func Load(opts LoadOptions) (*Stack, error) {
	if opts.Getenv == nil {
		opts.Getenv = func(string) string { return "" }
	}
	files, err := locate(opts)
	if err != nil {
		return nil, err
	}
	c := &collector{}
	root, err := readAll(files, c)
	if err != nil {
		return nil, err
	}
	names := shown(files)
	if err := c.result(names); err != nil {
		return nil, err
	}
	l := &loader{collector: c, opts: opts, files: files, languages: map[string]Language{}}
	st := l.load(root)
	if err := c.result(names); err != nil {
		return nil, err
	}
	inFileOrder(c.warnings, names)
	st.Warnings = c.warnings
	return st, nil
}

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

// readAll parses each file and merges them in order.
func readAll(files []file, c *collector) (*node, error) {
	var root *node
	for _, f := range files {
		text, err := readFile(f.path, maxBytes+1)
		if err != nil {
			return nil, err
		}
		n := parse(f.shown, text, c)
		if n == nil {
			continue
		}
		root = merge(root, n)
	}
	return root, nil
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
	return io.ReadAll(io.LimitReader(f, limit))
}

// merge lays over on base: mappings are merged key by key, anything else is replaced, and a key with
// nothing behind it is taken away. health is replaced whole, since it is one choice of five.
func merge(base, over *node) *node {
	if base == nil || !isMapping(base) || !isMapping(over) {
		return over
	}
	out := &node{kind: base.kind, pos: base.pos}
	index := map[string]int{}
	for i, k := range base.keys {
		index[k.text] = i
		out.keys, out.values = append(out.keys, k), append(out.values, base.values[i])
	}
	for i, k := range over.keys {
		at, there := index[k.text]
		switch v := over.values[i]; {
		case !there:
			out.keys, out.values = append(out.keys, k), append(out.values, v)
		case k.text == "health":
			out.values[at] = v
		default:
			out.values[at] = merge(out.values[at], v)
		}
		if there {
			out.keys[at] = k
		}
	}
	return out.without(over)
}

// without drops the keys that over takes away.
func (n *node) without(over *node) *node {
	gone := map[string]bool{}
	for i, k := range over.keys {
		gone[k.text] = over.values[i].empty()
	}
	out := &node{kind: n.kind, pos: n.pos}
	for i, k := range n.keys {
		if !gone[k.text] {
			out.keys, out.values = append(out.keys, k), append(out.values, n.values[i])
		}
	}
	return out
}

// extension keys of the top level hold anchors for the rest of the file.
var extension = regexp.MustCompile(`^x-`)

// loader turns the merged nodes into a checked stack.
type loader struct {
	*collector
	opts      LoadOptions
	files     []file
	written   map[string]*node // "services.orders": where keys are looked for again
	st        *Stack
	index     index
	languages map[string]Language // what folders hold
}

func (l *loader) load(root *node) *Stack {
	l.st = &Stack{Dir: filepath.Dir(l.files[0].path)}
	for _, f := range l.files {
		l.st.Files = append(l.st.Files, f.path)
	}
	if !isMapping(root) {
		wrong(l.collector, root, "a mapping that begins with `version: 1`")
		return l.st
	}
	l.remember(root, "services", "resources")
	d, _ := object(stackTable()).read(l.collector, root.plain())
	if !l.version(root, d) {
		return l.st
	}
	if l.st.Name = d.name; d.name == "" {
		l.st.Name = nameFrom(l.st.Dir)
	}
	l.resources(d.resources)
	l.services(d.services)
	l.profiles(d.profiles)
	l.check()
	return l.st
}

// remember keeps where each service and resource is written.
func (l *loader) remember(root *node, sections ...string) {
	l.written = map[string]*node{}
	for _, s := range sections {
		if section := root.at(s); section != nil {
			for i, k := range section.keys {
				l.written[s+"."+k.text] = section.values[i]
			}
		}
	}
}

// plain leaves the extension keys away.
func (n *node) plain() *node {
	out := &node{kind: n.kind, pos: n.pos}
	for i, k := range n.keys {
		if !extension.MatchString(k.text) {
			out.keys, out.values = append(out.keys, k), append(out.values, n.values[i])
		}
	}
	return out
}

func (l *loader) version(root *node, d draft) bool {
	switch at := root.at("version"); {
	case at == nil:
		l.fail(root.pos, "add `version: 1` as the first line", "key \"version\" is missing")
	case d.version > 1:
		l.fail(at.pos, "use a newer msctl, or write 1", "version %d is newer than this msctl knows", d.version)
		return false
	}
	return true
}

// at returns the value of a key, or nil.
func (n *node) at(key string) *node {
	for i, k := range n.keys {
		if k.text == key {
			return n.values[i]
		}
	}
	return nil
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
