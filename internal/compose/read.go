// Package compose turns Docker Compose files into stack.yaml and back. compose-go reads the files, so that
// they mean here what they mean to Docker.
package compose

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/sirupsen/logrus"
	"gopkg.in/yaml.v3"

	"msctl.dev/msctl/internal/stack"
)

// maxBytes bounds a compose file, as it does a stack file.
const maxBytes = 1 << 20

// source is a compose file that was read.
type source struct {
	shown   string // what the user calls it
	dir     string // absolute folder of the file
	project *types.Project
	marked  *types.Project // the same with a mark in place of each variable of the shell or .env
	root    *yaml.Node     // for lines and order
	dotenv  map[string]string
	unset   []string // variables without a value
}

// read loads a compose file. shell is the environment for `${VARIABLE}`.
func read(ctx context.Context, path, shown string, shell func(string) (string, bool)) (*source, error) {
	logrus.SetOutput(io.Discard) // compose-go logs there what is listed here with its line
	text, err := readText(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", shown, err)
	}
	s := &source{shown: shown, dir: filepath.Dir(path)}
	var doc yaml.Node
	if err := stack.GuardYAML(func() error { return yaml.Unmarshal(text, &doc) }); err != nil { // compose files may be several documents
		return nil, fmt.Errorf("read %s: %w", shown, err)
	}
	if len(doc.Content) == 0 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, fmt.Errorf("read %s: it is no compose file", shown)
	}
	if line := circle(doc.Content[0], nil); line > 0 {
		return nil, fmt.Errorf("read %s: line %d: an alias contains itself", shown, line)
	}
	s.root = doc.Content[0]
	if s.dotenv, err = readDotenv(filepath.Join(s.dir, ".env")); err != nil {
		return nil, fmt.Errorf("read .env: %w", err)
	}
	lookup := func(name string) (string, bool) {
		if v, ok := shell(name); ok {
			return v, true
		}
		v, ok := s.dotenv[name]
		return v, ok
	}
	if s.project, err = s.load(ctx, path, text, lookup, true); err != nil {
		return nil, fmt.Errorf("read %s: %w", shown, err)
	}
	s.marked, err = s.load(ctx, path, text, func(name string) (string, bool) {
		v, ok := lookup(name)
		if !ok {
			if !slices.Contains(s.unset, name) {
				s.unset = append(s.unset, name)
			}
			return "", false
		}
		return mark(name, v), true
	}, false)
	if err != nil { // a mark stands where only a number may: what each value is made of is not known then
		s.marked = s.project
	}
	return s, nil
}

// circle returns the line of an alias inside what it stands for, or 0.
func circle(y *yaml.Node, inside []*yaml.Node) int {
	if y.Kind == yaml.AliasNode {
		if slices.Contains(inside, y.Alias) {
			return y.Line
		}
		return 0 // what it stands for is looked at where it is written
	}
	for _, c := range y.Content {
		if line := circle(c, append(inside, y)); line > 0 {
			return line
		}
	}
	return 0
}

// readDotenv reads the variables beside a compose file; no file has none.
func readDotenv(path string) (map[string]string, error) {
	text, err := readText(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return dotenv.Parse(bytes.NewReader(text))
}

// readText reads a regular file of moderate size.
func readText(path string) ([]byte, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		var cause *fs.PathError
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err == nil && len(text) > maxBytes {
		err = fmt.Errorf("it has more than %d bytes", maxBytes)
	}
	return bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), err
}

// load reads the file with compose-go. Every profile is on.
func (s *source) load(ctx context.Context, path string, text []byte, lookup func(string) (string, bool), check bool) (*types.Project, error) {
	details := types.ConfigDetails{WorkingDir: s.dir, Environment: types.Mapping{},
		ConfigFiles: []types.ConfigFile{{Filename: path, Content: text}}}
	return loader.LoadWithContext(ctx, details, func(o *loader.Options) {
		o.SetProjectName(loader.NormalizeProjectName(projectName(s)), s.root != nil && text != nil)
		o.Profiles = []string{"*"}
		o.SkipResolveEnvironment, o.SkipResolveLabels = true, true
		o.SkipValidation, o.SkipConsistencyCheck = !check, !check
		o.Interpolate.LookupValue = lookup
		if !check {
			o.Interpolate.TypeCastMapping = nil
		}
	})
}

// projectName is what the file says, or its folder's name.
func projectName(s *source) string {
	for i := 0; i+1 < len(s.root.Content); i += 2 {
		if s.root.Content[i].Value == "name" && !strings.Contains(s.root.Content[i+1].Value, "$") {
			return s.root.Content[i+1].Value
		}
	}
	return filepath.Base(s.dir)
}

// The mark of a variable in a value: its name, then what it holds.
const (
	markBegin = "\ue000"
	markMid   = "\ue001"
	markEnd   = "\ue002"
)

var marks = regexp.MustCompile(markBegin + "([^" + markMid + "]*)" + markMid + "([^" + markEnd + "]*)" + markEnd)

func mark(name, value string) string { return markBegin + name + markMid + value + markEnd }

// services returns the names of the services in the order of the file; those of other files follow.
func (s *source) services() []string {
	var out []string
	all := s.project.AllServices()
	if section := value(s.root, "services"); section != nil {
		for i := 0; i+1 < len(section.Content); i += 2 {
			if _, ok := all[section.Content[i].Value]; ok {
				out = append(out, section.Content[i].Value)
			}
		}
	}
	var rest []string
	for name := range all {
		if !slices.Contains(out, name) {
			rest = append(rest, name)
		}
	}
	slices.Sort(rest)
	return append(out, rest...)
}

// line returns where a path of keys stands, as far as the file itself has it.
func (s *source) line(path ...string) int {
	at, line := s.root, 1
	for _, key := range path {
		k, v := entry(at, key)
		if k == nil {
			break
		}
		at, line = v, k.Line
	}
	return line
}

func value(y *yaml.Node, key string) *yaml.Node { _, v := entry(y, key); return v }

// entry finds a key in a mapping, in what it merges, or as "KEY=value" and "KEY" in a list.
func entry(y *yaml.Node, key string) (k, v *yaml.Node) {
	for y != nil && y.Kind == yaml.AliasNode {
		y = y.Alias
	}
	if y == nil {
		return nil, nil
	}
	if y.Kind == yaml.SequenceNode {
		for _, item := range y.Content {
			if name, _, _ := strings.Cut(item.Value, "="); name == key {
				return item, item
			}
			if k, v := entry(item, key); k != nil && item.Kind == yaml.AliasNode {
				return k, v
			}
		}
		return nil, nil
	}
	for i := 0; i+1 < len(y.Content) && y.Kind == yaml.MappingNode; i += 2 {
		if y.Content[i].Value == key {
			return y.Content[i], y.Content[i+1]
		}
	}
	for i := 0; i+1 < len(y.Content) && y.Kind == yaml.MappingNode; i += 2 {
		if y.Content[i].Value == "<<" {
			if k, v := entry(y.Content[i+1], key); k != nil {
				return k, v
			}
		}
	}
	return nil, nil
}
