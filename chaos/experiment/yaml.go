package experiment

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"msctl.dev/msctl/chaos"
	"msctl.dev/msctl/internal/stack"
)

// Bounds of a file.
const (
	maxFile  = 256 << 10
	maxDepth = 40
	maxNodes = 20_000
	maxText  = 1 << 20 // bytes, when aliases and configuration are replaced
	maxWrong = 20      // mistakes that are told
)

// reader reads the nodes of one file, and gathers every mistake.
type reader struct {
	file string
	errs stack.Errors
	more int // mistakes beyond maxWrong

	places []place // where variables are filled in
}

func (r *reader) pos(n *yaml.Node) stack.Pos {
	if n == nil {
		return stack.Pos{File: r.file, Line: 1, Col: 1}
	}
	return stack.Pos{File: r.file, Line: n.Line, Col: n.Column}
}

func (r *reader) fail(n *yaml.Node, hint, format string, args ...any) {
	r.failAt(r.pos(n), hint, format, args...)
}

func (r *reader) failAt(at stack.Pos, hint, format string, args ...any) {
	if r.full() {
		r.more++
		return
	}
	r.errs = append(r.errs, &stack.Error{Pos: at, Msg: fmt.Sprintf(format, args...), Hint: hint})
}

// full reports that more mistakes are only counted: a file may have as many as it has bytes.
func (r *reader) full() bool { return len(r.errs) >= maxWrong }

// result returns the mistakes in the order of the file, or nil.
func (r *reader) result() error {
	if len(r.errs) == 0 {
		return nil
	}
	all := r.errs.InOrder()
	if r.more > 0 {
		all = append(all, &stack.Error{Pos: all[len(all)-1].Pos, Msg: fmt.Sprintf("and %d mistakes more", r.more)})
	}
	return all
}

// document parses a file, replaces its aliases and bounds it.
func (r *reader) document(data []byte) *yaml.Node {
	if len(data) > maxFile {
		r.fail(nil, "", "the file has more than %d bytes", maxFile)
		return nil
	}
	doc, mistake := stack.ParseYAML(r.file, data)
	if mistake != nil {
		r.errs = append(r.errs, mistake)
		return nil
	}
	if doc == nil || len(doc.Content) == 0 {
		r.fail(nil, "begin with title:", "the file is empty")
		return nil
	}
	left := room{maxNodes, maxText}
	plain, over := r.plain(doc.Content[0], 0, &left)
	if over != nil {
		r.fail(over, "", "the file holds too much")
		return nil
	}
	return plain
}

// room is how much a file may still hold when its aliases are replaced.
type room struct{ nodes, text int }

// plain copies a node with its aliases replaced, or returns the one at which there is too much.
func (r *reader) plain(n *yaml.Node, depth int, left *room) (plain, over *yaml.Node) {
	left.nodes--
	left.text -= len(n.Value)
	if left.nodes < 0 || left.text < 0 || depth > maxDepth {
		return nil, n
	}
	if n.Kind == yaml.AliasNode {
		return r.plain(n.Alias, depth+1, left)
	}
	out := *n
	out.Content = make([]*yaml.Node, len(n.Content))
	for i, c := range n.Content {
		if out.Content[i], over = r.plain(c, depth+1, left); over != nil {
			return nil, over
		}
	}
	return &out, nil
}

// field is one key of a mapping.
type field struct {
	name string
	read func(*yaml.Node)
}

// mapping reads the keys of a mapping; one that is not among the fields is a mistake.
func (r *reader) mapping(n *yaml.Node, what string, fields []field) {
	if n.Kind != yaml.MappingNode {
		r.fail(n, "", "%s is a mapping of keys and values", what)
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if strings.HasPrefix(key.Value, "x-") {
			continue // holds anchors
		}
		at := slices.IndexFunc(fields, func(f field) bool { return f.name == key.Value })
		switch {
		case at < 0 && r.full():
			r.more++
		case at < 0:
			var known []string
			for _, f := range fields {
				known = append(known, f.name)
			}
			r.fail(key, meant(key.Value, known), "%s has no key %q", what, shorten(key.Value))
		case seen[key.Value]:
			r.fail(key, "", "key %q is there twice", key.Value)
		default:
			seen[key.Value] = true
			fields[at].read(value)
		}
	}
}

// keysOf are the keys that fields have.
func keysOf(fields []field) (all []string) {
	for _, f := range fields {
		all = append(all, f.name)
	}
	return all
}

// misspelt returns where a mapping has a key that is near to a kind, with a hint at it, or the mapping and otherwise.
// The others are keys that stand beside a kind, as those of every step and probe do.
func misspelt(n *yaml.Node, kinds, others []string, otherwise string) (at *yaml.Node, hint string) {
	others = append([]string{"name", "at", "for", "every", "from", "to", "tolerate", "within", "stays"}, others...)
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content) && i < 2*maxWrong; i += 2 {
			key := n.Content[i]
			if near := chaos.Meant(key.Value, kinds, ""); near != "" && !slices.Contains(others, key.Value) {
				return key, near
			}
		}
	}
	return n, otherwise
}

// has returns the value of a key, or nil.
func has(n *yaml.Node, key string) *yaml.Node {
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				return n.Content[i+1]
			}
		}
	}
	return nil
}

// each reads the items of a list.
func (r *reader) each(what string, read func(*yaml.Node)) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind != yaml.SequenceNode {
			r.fail(n, "begin each with `- `", "%s is a list", what)
			return
		}
		for _, item := range n.Content {
			read(item)
		}
	}
}

// text reads a text or number.
func (r *reader) text(into *string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
			r.fail(n, "", "want a text here")
			return
		}
		*into = n.Value
	}
}

// texts reads one text, or a list of them.
func (r *reader) texts(into *[]string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		one := func(n *yaml.Node) {
			var s string
			r.text(&s)(n)
			*into = append(*into, s)
		}
		if n.Kind == yaml.ScalarNode {
			one(n)
			return
		}
		r.each("this", one)(n)
	}
}

// words reads a line, which is given to a shell, or a list of words.
func (r *reader) words(into *[]string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind == yaml.ScalarNode {
			*into = []string{"sh", "-c", n.Value}
			return
		}
		r.texts(into)(n)
	}
}

// pairs reads a mapping of texts.
func (r *reader) pairs(into *map[string]string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind != yaml.MappingNode {
			r.fail(n, "", "want a mapping of names and texts here")
			return
		}
		*into = map[string]string{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			var s string
			r.text(&s)(n.Content[i+1])
			(*into)[n.Content[i].Value] = s
		}
	}
}

func (r *reader) duration(into *time.Duration, least, most time.Duration) func(*yaml.Node) {
	return func(n *yaml.Node) {
		d, err := time.ParseDuration(n.Value)
		if err != nil && n.Value == "0" {
			d, err = 0, nil
		}
		if err != nil || d < least || d > most {
			r.fail(n, "write 500ms, 3s or 2m", "%q is no duration from %v to %v", shorten(n.Value), least, most)
			return
		}
		*into = d
	}
}

func (r *reader) whole(into *int, least, most int) func(*yaml.Node) {
	return func(n *yaml.Node) {
		v, err := strconv.Atoi(n.Value)
		if err != nil || v < least || v > most {
			r.fail(n, "", "%q is no whole number from %d to %d", shorten(n.Value), least, most)
			return
		}
		*into = v
	}
}

func (r *reader) number(into *float64, above, most float64) func(*yaml.Node) {
	return func(n *yaml.Node) {
		v, err := strconv.ParseFloat(n.Value, 64)
		if err != nil || !(v > above && v <= most) {
			r.fail(n, "", "%q is no number above %v and up to %v", shorten(n.Value), above, most)
			return
		}
		*into = v
	}
}

func (r *reader) truth(into *bool) func(*yaml.Node) {
	return func(n *yaml.Node) {
		v, err := strconv.ParseBool(n.Value)
		if err != nil {
			r.fail(n, "", "want true or false here")
		}
		*into = v
	}
}

// want reads a comparison: 0, ">= 3", "< 300ms".
func (r *reader) want(into *Want) func(*yaml.Node) {
	return func(n *yaml.Node) {
		w, err := ParseWant(n.Value)
		if err != nil || n.Kind != yaml.ScalarNode {
			r.fail(n, `write 0, ">= 3", "< 300ms" or "~ a.*b"`, "%q compares nothing", shorten(n.Value))
			return
		}
		*into = w
	}
}

// expression reads a regular expression, which may hold variables.
func (r *reader) expression(into *string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if _, err := regexp.Compile(variable.ReplaceAllString(n.Value, "x")); err != nil {
			r.fail(n, "", "%q is no regular expression: %v", shorten(n.Value), err)
			return
		}
		*into = n.Value
	}
}

// value reads any value, as JSON has them.
func (r *reader) value(into *any) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if err := n.Decode(into); err != nil {
			r.fail(n, "", "read value: %v", err)
		}
	}
}

// meant returns a hint at the nearest known word, or at all of them where none is near.
func meant(word string, known []string) string {
	if len(known) == 0 {
		return ""
	}
	return chaos.Meant(word, known, "known are "+strings.Join(known, ", "))
}

// shorten keeps what a message quotes short.
func shorten(s string) string {
	if len(s) > 80 {
		return s[:77] + "…"
	}
	return s
}
