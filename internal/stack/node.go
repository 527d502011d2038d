package stack

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"gopkg.in/yaml.v3"
)

// node is one YAML value with aliases and merge keys replaced, and the place where it was written.
type node struct {
	kind   yaml.Kind // ScalarNode, SequenceNode or MappingNode
	text   string    // of a scalar
	tag    string    // of a scalar, resolved: "!!str", "!!int", "!!bool", "!!float", "!!null", …
	keys   []*node   // of a mapping
	values []*node   // of a mapping or a sequence
	pos    Pos
}

// empty reports a value that was not written: `key:` alone.
func (n *node) empty() bool { return n.kind == yaml.ScalarNode && n.tag == "!!null" }

// parse reads one YAML document within the limits. It reports every mistake of the form itself.
func parse(file string, text []byte, errs *collector) *node {
	if err := inspect(file, text); err != nil {
		errs.add(err)
		return nil
	}
	doc, mistake := ParseYAML(file, text)
	if mistake != nil {
		errs.add(mistake)
		return nil
	}
	if doc == nil || len(doc.Content) == 0 {
		errs.fail(Pos{file, 1, 1}, "begin with `version: 1`", "the file is empty")
		return nil
	}
	e := expander{file: file, errs: errs, left: min(max(maxAlias*count(doc), smallValues), maxValues)}
	return e.expand(doc.Content[0], 1)
}

// ParseYAML returns the only document of a text, nil where it is empty, or the mistake with which it stops being one.
// It is for files beside stack.yaml too; file is how messages call it. Who calls it bounds the text.
func ParseYAML(file string, text []byte) (*yaml.Node, *Error) {
	doc, err := decode(text)
	if err != nil {
		return nil, syntaxError(file, text, err)
	}
	return doc, nil
}

// GuardYAML calls the parser of YAML, which is not ours: a panic of it is an error too. It is for what is read into values
// of Go, where the parser panics on keys such as those of `{{},<<}`, and for texts of several documents.
func GuardYAML(parse func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("yaml: %v", r)
		}
	}()
	return parse()
}

// decode returns the only document of text, nil where there is none.
func decode(text []byte) (doc *yaml.Node, err error) {
	err = GuardYAML(func() (err error) { doc, err = only(text); return err })
	return doc, err
}

// only is decode with the panics of the parser.
func only(text []byte) (doc *yaml.Node, err error) {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	doc = new(yaml.Node)
	if err := dec.Decode(doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, err
	}
	var second yaml.Node
	if err := dec.Decode(&second); err == nil {
		return nil, fmt.Errorf("yaml: line %d: a second document begins", second.Line)
	} else if !errors.Is(err, io.EOF) {
		return nil, err
	}
	return doc, nil
}

// count returns how many values are written in y; aliases are not followed.
func count(y *yaml.Node) int {
	n := 1
	for _, c := range y.Content {
		n += count(c)
	}
	return n
}

// expander copies a YAML tree, with aliases and merge keys replaced, as long as it stays small.
type expander struct {
	file string
	errs *collector
	left int          // values that may still be made
	over bool         // said already that there are too many
	path []*yaml.Node // anchors that are being expanded
}

func (e *expander) expand(y *yaml.Node, depth int) *node {
	n := &node{kind: y.Kind, pos: Pos{e.file, y.Line, y.Column}}
	if e.left--; e.left < 0 || depth > maxDepth {
		e.tooMuch(n.pos, depth)
		return nil
	}
	switch y.Kind {
	case yaml.AliasNode:
		return e.alias(y, n.pos, depth)
	case yaml.ScalarNode:
		n.text, n.tag = y.Value, y.ShortTag()
		if len(n.text) > maxText {
			e.errs.fail(n.pos, "", "a value has more than %d bytes", maxText)
			return nil
		}
	case yaml.SequenceNode:
		for _, c := range y.Content {
			if v := e.expand(c, depth+1); v != nil {
				n.values = append(n.values, v)
			}
		}
	case yaml.MappingNode:
		e.mapping(y, n, depth)
	}
	if tag := y.ShortTag(); y.Style&yaml.TaggedStyle != 0 && (!strings.HasPrefix(tag, "!!") || tag == "!!binary") {
		e.errs.fail(n.pos, "leave the tag away", "unknown tag %s", shorten(tag))
	}
	return n
}

func (e *expander) tooMuch(pos Pos, depth int) {
	if e.over {
		return
	}
	if depth > maxDepth {
		e.errs.fail(pos, "", "values are nested deeper than %d", maxDepth)
	} else {
		e.errs.fail(pos, "use fewer aliases", "with aliases replaced the file is more than %d times larger", maxAlias)
	}
	e.over, e.left = true, 0
}

func (e *expander) alias(y *yaml.Node, pos Pos, depth int) *node {
	for _, p := range e.path {
		if p == y.Alias {
			e.errs.fail(pos, "", "alias %s contains itself", shorten("*"+y.Value))
			return nil
		}
	}
	e.path = append(e.path, y.Alias)
	defer func() { e.path = e.path[:len(e.path)-1] }()
	return e.expand(y.Alias, depth)
}

func (e *expander) mapping(y *yaml.Node, n *node, depth int) {
	seen := map[string]*node{}
	var merges []*node
	for i := 0; i+1 < len(y.Content); i += 2 {
		k, v := e.expand(y.Content[i], depth+1), e.expand(y.Content[i+1], depth+1)
		switch {
		case k == nil || v == nil:
		case k.kind != yaml.ScalarNode:
			e.errs.fail(k.pos, "", "a key must be a plain word")
		case k.tag == "!!merge":
			merges = append(merges, v)
		case seen[k.text] != nil:
			e.errs.fail(k.pos, fmt.Sprintf("it is at line %d already", seen[k.text].pos.Line), "key %s is there twice", shorten(k.text))
		default:
			seen[k.text] = k
			n.keys, n.values = append(n.keys, k), append(n.values, v)
		}
	}
	for _, m := range merges {
		e.merge(n, m, seen)
	}
}

// merge adds what `<<:` brings and n does not say itself; earlier ones win, as YAML has it.
func (e *expander) merge(n, from *node, seen map[string]*node) {
	switch from.kind {
	case yaml.SequenceNode:
		for _, v := range from.values {
			e.merge(n, v, seen)
		}
	case yaml.MappingNode:
		for i, k := range from.keys {
			if seen[k.text] == nil {
				seen[k.text] = k
				n.keys, n.values = append(n.keys, k), append(n.values, from.values[i])
			}
		}
	default:
		e.errs.fail(from.pos, "write `<<: *name` where the anchor &name is a mapping", "`<<` merges mappings only")
	}
}
