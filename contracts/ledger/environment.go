package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/internal/stack"
)

// EnvironmentsFile is where a stack says which commit of which service is where.
const EnvironmentsFile = "contracts/environments.yaml"

// maxEnvironments bounds that file in bytes.
const maxEnvironments = 1 << 20

// Environment is one place where services run.
type Environment struct {
	Name     string
	Services map[string]string // full commit by service
}

var (
	environmentRule = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,62}$`)
	commitRule      = regexp.MustCompile(`^[0-9a-f]{40}([0-9a-f]{24})?$`)
)

// ValidEnvironment reports a good name of an environment.
func ValidEnvironment(name string) bool {
	return environmentRule.MatchString(name) && name != Worktree && name != "head"
}

// Environments reads the environments of the stack in dir, by name. A stack without the file has none.
func Environments(dir string) ([]Environment, error) {
	doc, err := environmentsDoc(filepath.Join(dir, filepath.FromSlash(EnvironmentsFile)))
	if err != nil {
		return nil, err
	}
	var out []Environment
	root := doc.Content[0]
	for i := 0; i < len(root.Content); i += 2 {
		e := Environment{Name: root.Content[i].Value, Services: map[string]string{}}
		list := root.Content[i+1]
		for j := 0; j < len(list.Content); j += 2 {
			e.Services[list.Content[j].Value] = list.Content[j+1].Value
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b Environment) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// environmentsDoc reads and checks the file.
func environmentsDoc(file string) (*yaml.Node, error) {
	body, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read environments: %w", err)
	}
	if len(body) > maxEnvironments {
		return nil, fmt.Errorf("read %s: it is over %d bytes", EnvironmentsFile, maxEnvironments)
	}
	var doc yaml.Node
	if err := stack.GuardYAML(func() error { return yaml.Unmarshal(body, &doc) }); err != nil {
		return nil, fmt.Errorf("read %s: %w", EnvironmentsFile, err)
	}
	if len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" {
		head := doc.HeadComment
		doc = yaml.Node{Kind: yaml.DocumentNode, HeadComment: head, Content: []*yaml.Node{{Kind: yaml.MappingNode, Tag: "!!map"}}}
	}
	if err := checkEnvironments(doc.Content[0]); err != nil {
		return nil, fmt.Errorf("read %s: %w", EnvironmentsFile, err)
	}
	return &doc, nil
}

// checkEnvironments refuses what is not environment, service, commit.
func checkEnvironments(root *yaml.Node) error {
	if root.Kind != yaml.MappingNode {
		return errors.New("write environments as a mapping: `production: {orders: COMMIT}`")
	}
	for i := 0; i < len(root.Content); i += 2 {
		key, list := root.Content[i], root.Content[i+1]
		if !ValidEnvironment(key.Value) {
			return fmt.Errorf("line %d: %q is no name of an environment", key.Line, key.Value)
		}
		if list.Kind != yaml.MappingNode && list.Tag != "!!null" {
			return fmt.Errorf("line %d: write the services of %s as a mapping to commits", list.Line, key.Value)
		}
		for j := 0; j+1 < len(list.Content); j += 2 {
			if at := list.Content[j+1]; at.Kind != yaml.ScalarNode || !commitRule.MatchString(at.Value) {
				return fmt.Errorf("line %d: %s is at no commit: write all digits of one", at.Line, list.Content[j].Value)
			}
		}
	}
	return nil
}

// WriteEnvironment notes which commits of services are in an environment from now on; "" says that a service is
// not there any more. Comments stay. It reports whether that was new.
func WriteEnvironment(ctx context.Context, dir, name string, services map[string]string) (bool, error) {
	file := filepath.Join(dir, filepath.FromSlash(EnvironmentsFile))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return false, fmt.Errorf("write environments: %w", err)
	}
	free, err := lock(ctx, filepath.Dir(file))
	if err != nil {
		return false, fmt.Errorf("write environments: %w", err)
	}
	defer free()
	doc, err := environmentsDoc(file)
	if err != nil {
		return false, err
	}
	old, _ := os.ReadFile(file) // none is empty
	if len(old) == 0 {
		doc.HeadComment = "What runs where: environment, service, commit. `msctl contract record` writes it."
	}
	into := child(doc.Content[0], name)
	for service, commit := range services {
		set(into, service, commit)
	}
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := errors.Join(e.Encode(doc), e.Close()); err != nil {
		return false, fmt.Errorf("write environments: %w", err)
	}
	if bytes.Equal(old, out.Bytes()) {
		return false, nil
	}
	return true, contracts.Replace(file, out.Bytes(), 0o644)
}

// child returns the mapping under a key, made where there is none.
func child(root *yaml.Node, key string) *yaml.Node {
	at := place(root, key)
	if at < len(root.Content) && root.Content[at].Value == key {
		if v := root.Content[at+1]; v.Kind != yaml.MappingNode {
			*v = yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		}
		root.Content[at+1].Style = 0
		return root.Content[at+1]
	}
	v := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	root.Content = slices.Insert(root.Content, at, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, v)
	return v
}

// set writes one value, or removes it.
func set(m *yaml.Node, key, value string) {
	at := place(m, key)
	there := at < len(m.Content) && m.Content[at].Value == key
	switch {
	case there && value == "":
		m.Content = slices.Delete(m.Content, at, at+2)
	case there:
		m.Content[at+1].Value, m.Content[at+1].Tag, m.Content[at+1].Style = value, "!!str", 0
	case value != "":
		m.Content = slices.Insert(m.Content, at,
			&yaml.Node{Kind: yaml.ScalarNode, Value: key}, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value})
	}
}

// place returns where a key is, or where it belongs in order.
func place(m *yaml.Node, key string) int {
	before := len(m.Content)
	for i := 0; i < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return i
		}
		if m.Content[i].Value > key && before == len(m.Content) {
			before = i
		}
	}
	return before
}

// lock waits until nobody else writes in a folder.
func lock(ctx context.Context, dir string) (free func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := contracts.Lock(ctx, f); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}
