// Package route edits a gateway's table of routes, a file of which the gateway knows what its lines do, and
// this package only what they are: a list under "routes" of mappings with a prefix and a service. Every
// comment, blank line and quote elsewhere stays as it is.
package route

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"msctl.dev/msctl/internal/stack"
)

// File is what the table is called, in the gateway's folder.
const File = "routes.yaml"

// Route is one line of a table.
type Route struct {
	Prefix  string        `yaml:"prefix"`
	Service string        `yaml:"service"`
	Path    string        `yaml:"path"`    // what the service is asked for in place of the prefix; "" is /
	Auth    *bool         `yaml:"auth"`    // whether a token is asked for; nil is yes
	Timeout time.Duration `yaml:"timeout"` // 0 is what the gateway takes
	Line    int           `yaml:"-"`       // on which it begins
}

// Parse reads "/v1/billing", or with what the service is asked for in its place "/v1/items=/items".
func Parse(word string) (Route, error) {
	prefix, path, _ := strings.Cut(word, "=")
	r := Route{Prefix: prefix, Path: path}
	return r, r.Check()
}

// Open is a value of Auth that asks for no token.
func Open() *bool { return new(bool) }

var pathForm = regexp.MustCompile(`^/[A-Za-z0-9._~/-]*$`)

// maxTimeout is what a gateway allows a request.
const maxTimeout = 10 * time.Second

// Check returns why r cannot stand in a table.
func (r Route) Check() error {
	for _, p := range []string{r.Prefix, r.Path} {
		if p == "" && r.Prefix != "" {
			continue
		}
		if !pathForm.MatchString(p) || path.Clean(p) != p {
			return fmt.Errorf("%q is not a path such as /v1/billing", p)
		}
	}
	if r.Timeout < 0 || r.Timeout > maxTimeout {
		return fmt.Errorf("a timeout of %v is not within %v", r.Timeout, maxTimeout)
	}
	return nil
}

// text is the line as it is written.
func (r Route) text() string {
	parts := []string{"prefix: " + r.Prefix, "service: " + quote(r.Service)}
	if r.Path != "" && r.Path != "/" {
		parts = append(parts, "path: "+r.Path)
	}
	if r.Auth != nil && !*r.Auth {
		parts = append(parts, "auth: false")
	}
	if r.Timeout > 0 {
		parts = append(parts, "timeout: "+r.Timeout.String())
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// quote writes a name that YAML would read as something else in quotes.
func quote(name string) string {
	var y yaml.Node
	err := stack.GuardYAML(func() error { return yaml.Unmarshal([]byte(name), &y) })
	if err == nil && len(y.Content) == 1 && y.Content[0].ShortTag() == "!!str" {
		return name
	}
	return `"` + name + `"`
}

// ErrNoTable says that a text is YAML, but no table of routes.
var ErrNoTable = errors.New("it has no list of routes")

// Read returns the routes of a table. Keys that it does not know are the gateway's business.
func Read(text []byte) ([]Route, error) {
	list, err := find(text)
	if err != nil {
		return nil, err
	}
	var all []Route
	for _, y := range list.Content {
		r := Route{Line: y.Line}
		if err := stack.GuardYAML(func() error { return y.Decode(&r) }); err != nil {
			return nil, fmt.Errorf("read route at line %d: %w", y.Line, err)
		}
		if r.Prefix == "" || r.Service == "" {
			return nil, fmt.Errorf("read route at line %d: prefix or service is missing", y.Line)
		}
		all = append(all, r)
	}
	return all, nil
}

// find returns the list of a table, which may be empty.
func find(text []byte) (*yaml.Node, error) {
	var doc yaml.Node
	if err := stack.GuardYAML(func() error { return yaml.Unmarshal(text, &doc) }); err != nil {
		return nil, err
	}
	if len(doc.Content) == 0 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, ErrNoTable
	}
	top := doc.Content[0]
	for i := 0; i+1 < len(top.Content); i += 2 {
		if top.Content[i].Value != "routes" {
			continue
		}
		if v := top.Content[i+1]; v.Kind == yaml.SequenceNode || v.ShortTag() == "!!null" {
			return v, nil
		}
	}
	return nil, ErrNoTable
}

// Add returns the table with one route more, behind the others. Its prefix must not be there.
func Add(text []byte, r Route) ([]byte, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	before, err := Read(text)
	if err != nil {
		return nil, err
	}
	for _, o := range before {
		if o.Prefix == r.Prefix {
			return nil, fmt.Errorf("%s leads to %s already, at line %d", r.Prefix, o.Service, o.Line)
		}
	}
	list, err := find(text)
	if err != nil {
		return nil, err
	}
	after, ok := grow(text, list, r)
	if !ok {
		return nil, errByHand
	}
	if r.Path == "/" {
		r.Path = ""
	}
	return verified(after, append(before, r))
}

var errByHand = errors.New("its list is written in a way that only a person should change")

// grow puts a line behind the last item of a list, or into an empty one.
func grow(text []byte, list *yaml.Node, r Route) ([]byte, bool) {
	lines := split(text)
	if len(list.Content) == 0 {
		at := list.Line - 1
		head, _, found := strings.Cut(string(lines[at]), ":")
		if list.ShortTag() == "!!null" && list.Value == "" { // nothing stands behind the colon
			at = keyLine(lines)
			head, found = "routes", at >= 0
		}
		if !found || strings.TrimSpace(head) != "routes" {
			return nil, false
		}
		rest := ""
		if _, remark, ok := strings.Cut(string(lines[at]), " #"); ok {
			rest = " #" + strings.TrimRight(remark, "\r\n")
		}
		lines[at] = []byte(head + ":" + rest + eol(text))
		return join(slices.Insert(lines, at+1, []byte("  - "+r.text()+eol(text)))), true
	}
	if list.Style&yaml.FlowStyle != 0 {
		return nil, false
	}
	last := list.Content[len(list.Content)-1]
	dash := strings.IndexByte(string(lines[last.Line-1]), '-')
	if dash < 0 || dash > last.Column {
		return nil, false
	}
	at := end(last)
	if !bytes.HasSuffix(lines[at-1], []byte("\n")) {
		lines[at-1] = append(slices.Clone(lines[at-1]), eol(text)...)
	}
	indent := string(lines[last.Line-1])[:dash]
	return join(slices.Insert(lines, at, []byte(indent+"- "+r.text()+eol(text)))), true
}

// keyLine is the line of the key "routes", or -1.
func keyLine(lines [][]byte) int {
	return slices.IndexFunc(lines, func(l []byte) bool { return bytes.HasPrefix(l, []byte("routes:")) })
}

// Remove returns the table without the routes to a service.
func Remove(text []byte, service string) ([]byte, error) {
	before, err := Read(text)
	if err != nil {
		return nil, err
	}
	left := slices.DeleteFunc(slices.Clone(before), func(r Route) bool { return r.Service == service })
	if len(left) == len(before) {
		return text, nil
	}
	list, err := find(text)
	if err != nil {
		return nil, err
	}
	if list.Style&yaml.FlowStyle != 0 {
		return nil, errByHand
	}
	lines := split(text)
	for i := len(before) - 1; i >= 0; i-- {
		if y := list.Content[i]; before[i].Service == service {
			lines = slices.Delete(lines, y.Line-1, end(y))
		}
	}
	if len(left) == 0 {
		at := keyLine(lines)
		if at < 0 {
			return nil, errByHand
		}
		lines[at] = bytes.Replace(slices.Clone(lines[at]), []byte("routes:"), []byte("routes: []"), 1)
	}
	return verified(join(lines), left)
}

// end is the last line of a value, from 1.
func end(y *yaml.Node) int {
	last := y.Line + strings.Count(strings.TrimRight(y.Value, "\n"), "\n")
	for _, c := range y.Content {
		last = max(last, end(c))
	}
	return last
}

// verified returns a text that says what it should, and nothing else.
func verified(text []byte, want []Route) ([]byte, error) {
	got, err := Read(text)
	if err != nil {
		return nil, errByHand
	}
	same := func(a, b Route) bool {
		return a.Prefix == b.Prefix && a.Service == b.Service && a.Path == b.Path && a.Timeout == b.Timeout && (a.Auth == nil || *a.Auth) == (b.Auth == nil || *b.Auth)
	}
	if !slices.EqualFunc(got, want, same) {
		return nil, errByHand
	}
	return text, nil
}

// split returns the lines of a text with their ends.
func split(text []byte) [][]byte { return slices.Collect(bytes.Lines(text)) }

func join(lines [][]byte) []byte { return bytes.Join(lines, nil) }

// eol is how the lines of a text end.
func eol(text []byte) string {
	if bytes.Contains(text, []byte("\r\n")) {
		return "\r\n"
	}
	return "\n"
}
