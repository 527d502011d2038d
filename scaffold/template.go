// Package scaffold makes new code from templates: it reads a template, renders it for a service of a stack,
// and writes all of it or nothing. It runs nothing that a template brings.
package scaffold

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"msctl.dev/msctl/internal/stack"
)

// Manifest is the file that makes a folder a template.
const Manifest = "template.yaml"

// The most that a template may hold.
const (
	maxManifest = 64 << 10
	maxFile     = 1 << 20
	maxTotal    = 16 << 20
	maxFiles    = 1000
)

// Template is a folder of files and what its manifest says of them. Load one with [Load].
type Template struct {
	Name     string    `yaml:"name"`
	Doc      string    `yaml:"doc"`      // one line
	Language string    `yaml:"language"` // "go", "node", "python"
	Kit      bool      `yaml:"kit"`      // it uses the kit, which is written once per stack
	Modules  []string  `yaml:"modules"`  // Go modules beside those of the kit, may use values; msctl says in which version
	Needs    []string  `yaml:"needs"`    // kinds of resources without which it does not work
	Knows    []string  `yaml:"knows"`    // kinds of resources that it has code for; others are only given
	Events   Events    `yaml:"events"`
	Params   []Param   `yaml:"params"`
	Service  Service   `yaml:"service"`
	Includes []Member  `yaml:"includes"` // services of a stack; then it is no template of a service
	Files    []File    `yaml:"files"`
	content  []content // every file of the folder, in order, but the manifest
}

// Service is what stack.yaml is told of a service beside its path, calls and uses.
type Service struct {
	Listen   []string          `yaml:"listen"`   // names of its ports; none means http
	Public   bool              `yaml:"public"`   // it is called from outside: msctl holds a port in front of its first
	Health   map[string]string `yaml:"health"`   // one probe: http: /readyz
	Requires map[string]string `yaml:"requires"` // python: ">=3.11"
	Env      map[string]string `yaml:"env"`      // variables
}

// Param is one choice that a template leaves to who uses it.
type Param struct {
	Name    string `yaml:"name"`
	Doc     string `yaml:"doc"`
	Default string `yaml:"default"` // "" must be said
	Pattern string `yaml:"pattern"` // RE2 that all of the value must match; "" is [defaultPattern]
}

// defaultPattern is what a parameter may be that says nothing itself: no quotes, no braces, one line.
const defaultPattern = `[A-Za-z0-9 ._/:@,+-]{0,200}`

// File is one file, or a folder with all that is in it, and where it goes.
type File struct {
	From string `yaml:"from"`
	To   string `yaml:"to"`   // from the stack's folder; may use values
	When string `yaml:"when"` // a value such as .Database without which it is left out
	Exec bool   `yaml:"exec"` // it may be run
	Stub bool   `yaml:"stub"` // it is a .proto file, and the Go code of it is written beside it
}

// content is one file of a template's folder.
type content struct {
	name string // relative, with slashes
	data []byte
}

// ErrNoTemplate says that a folder has no manifest.
var ErrNoTemplate = errors.New("there is no " + Manifest)

// Load reads the template at the root of files. It refuses what could reach outside of its target or is too
// big, and reads no more than that.
func Load(files fs.FS) (*Template, error) {
	text, err := read(files, Manifest, maxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoTemplate
	}
	if err != nil {
		return nil, err
	}
	t := &Template{}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := stack.GuardYAML(func() error { return dec.Decode(t) }); err != nil {
		return nil, fmt.Errorf("read %s: %w", Manifest, err)
	}
	if t.content, err = contents(files); err != nil {
		return nil, err
	}
	return t, t.check()
}

// contents reads every file but the manifest.
func contents(files fs.FS) ([]content, error) {
	var all []content
	total := 0
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() || name == Manifest {
			return nil
		}
		if !d.Type().IsRegular() {
			return fmt.Errorf("read %s: it is a link or no file", name)
		}
		if len(all) == maxFiles {
			return fmt.Errorf("read template: it has over %d files", maxFiles)
		}
		data, err := read(files, name, maxFile)
		if err != nil {
			return err
		}
		if total += len(data); total > maxTotal {
			return fmt.Errorf("read template: it is over %d MiB", maxTotal>>20)
		}
		all = append(all, content{name, data})
		return nil
	})
	return all, err
}

// read returns a file of at most so many bytes.
func read(files fs.FS, name string, most int64) ([]byte, error) {
	f, err := files.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, cause(err))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, cause(err))
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("read %s: it is over %d KiB", name, most>>10)
	}
	return data, nil
}

func cause(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// check returns everything that is wrong with a manifest.
func (t *Template) check() error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(Manifest+": "+format, args...)) }
	if !ValidName(t.Name) {
		add("name %q must be small letters, digits and -", t.Name)
	}
	if t.Doc == "" || !oneLine(t.Doc) {
		add("doc must be one line")
	}
	if len(t.Files) == 0 {
		add("files: there are none")
	}
	seen := map[string]bool{}
	for _, p := range t.Params {
		if !paramName.MatchString(p.Name) || seen[p.Name] {
			add("params: %q must be one word, once", p.Name)
		}
		seen[p.Name] = true
		if err := p.check(); err != nil {
			add("params: %v", err)
		}
	}
	if err := t.Events.check(); err != nil {
		add("events: %v", err)
	}
	for _, m := range t.Modules {
		if err := checkText("modules", m); err != nil {
			add("modules: %v", err)
		}
	}
	for _, f := range t.Files {
		if err := t.checkFile(f); err != nil {
			add("files: %v", err)
		}
	}
	for _, m := range t.Includes {
		if err := m.check(); err != nil {
			add("includes: %v", err)
		}
	}
	for name, value := range t.Service.Env {
		if !varName.MatchString(name) || !oneLine(value) {
			add("service: env: %q must be one word and one line", name)
		}
	}
	errs = append(errs, t.checkTexts()...)
	return errors.Join(errs...)
}

var varName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,100}$`)

var paramName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,40}$`)

func (p Param) check() error {
	if _, err := regexp.Compile(p.Pattern); err != nil {
		return fmt.Errorf("pattern of %s: %w", p.Name, err)
	}
	if !oneLine(p.Doc) {
		return fmt.Errorf("doc of %s must be one line", p.Name)
	}
	if p.Default == "" {
		return nil
	}
	return p.Accepts(p.Default)
}

// Accepts returns why a value cannot be the parameter's.
func (p Param) Accepts(value string) error {
	pattern := p.Pattern
	if pattern == "" {
		pattern = defaultPattern
	}
	form, err := regexp.Compile(`^(?:` + pattern + `)$`)
	if err != nil {
		return err
	}
	if !oneLine(value) || len(value) > 1000 || !form.MatchString(value) {
		return fmt.Errorf("%s %q does not match %s", p.Name, value, pattern)
	}
	return nil
}

func (t *Template) checkFile(f File) error {
	if len(t.under(f.From)) == 0 {
		return fmt.Errorf("from %q is not in the template", f.From)
	}
	if err := checkText("to", f.To); err != nil {
		return err
	}
	return checkText("when", condition(f.When))
}

// checkTexts looks into every file that is rendered.
func (t *Template) checkTexts() []error {
	var errs []error
	for _, c := range t.content {
		if !strings.HasSuffix(c.name, suffix) {
			continue
		}
		if err := checkText(c.name, string(c.data)); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// under returns the files that from names: itself, or what is in it.
func (t *Template) under(from string) []content {
	from = path.Clean(from)
	return slices.DeleteFunc(slices.Clone(t.content), func(c content) bool {
		return from != "." && c.name != from && !strings.HasPrefix(c.name, from+"/")
	})
}
