package stack

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Document is the text of a stack file that is being changed. An edit inserts, replaces or removes a few
// characters at places that the parsed text tells; it encodes nothing anew, so that every comment, blank
// line, quote and indent elsewhere stays as it is. After each edit the new text is read, and is kept only
// if what it says differs from before in nothing but what was asked for; else the edit returns an error
// and the document stays as it was.
type Document struct {
	file  string
	text  []byte
	root  *yaml.Node // the mapping at the top
	lines []int      // where each line begins
}

// ServiceText is what stands below a service's name: lines of block YAML without indent, two spaces per
// level, such as "path: services/billing\nlisten: {http: auto}\n". Comments are kept.
type ServiceText string

// Edit begins to change the text of a stack file. Its error is [Errors] where the text is not one.
func Edit(text []byte) (*Document, error) { return edit(FileName, text) }

func edit(file string, text []byte) (*Document, error) {
	d := &Document{file: file}
	if _, err := readForm(file, text); err != nil {
		return nil, err
	}
	return d, d.take(text)
}

// Bytes returns the text as it is now.
func (d *Document) Bytes() []byte { return bytes.Clone(d.text) }

// File returns what the user calls the file.
func (d *Document) File() string { return d.file }

// readForm reads a text as far as it can be read without its folder: its form, keys and types.
func readForm(file string, text []byte) (*node, error) {
	c := &collector{}
	root := parse(file, text, c)
	if root != nil && isMapping(root) {
		objectFrom(func(Pos) draft { return draft{} }, stackTable()).read(c, root.plain())
	} else if root != nil {
		wrong(c, root, "a mapping that begins with `version: 1`")
	}
	return root, c.result([]string{file})
}

// take makes text the document's own.
func (d *Document) take(text []byte) error {
	doc, err := decode(text)
	if err != nil {
		return fmt.Errorf("read %s: %w", d.file, err)
	}
	d.text, d.root, d.lines = bytes.Clone(text), doc.Content[0], lineStarts(text)
	if d.root.Kind != yaml.MappingNode {
		return d.cannot(d.root, "the file is an alias")
	}
	return nil
}

// change is one replacement of text[from:to].
type change struct {
	from, to int
	text     string
}

// do makes the changes if they turn the document into what want makes of its meaning.
func (d *Document) do(cs []change, want func(root *node)) error {
	slices.SortStableFunc(cs, func(a, b change) int { return cmp.Compare(a.from, b.from) })
	var out []byte
	at := 0
	for _, c := range cs {
		if c.from < at || c.to < c.from || c.to > len(d.text) {
			return d.cannot(d.root, "its changes overlap")
		}
		out = append(append(out, d.text[at:c.from]...), c.text...)
		at = c.to
	}
	return d.become(append(out, d.text[at:]...), want)
}

// become takes a text if it says what want makes of the one before.
func (d *Document) become(text []byte, want func(root *node)) error {
	before, err := readForm(d.file, d.text)
	if err != nil {
		return err
	}
	want(before)
	after, err := readForm(d.file, text)
	if err != nil {
		return fmt.Errorf("edit %s: %w", d.file, err)
	}
	if path := differ(before, after, ""); path != "" {
		return &Error{Pos: Pos{File: d.file}, Msg: fmt.Sprintf("cannot be edited without changing %s too", path), Hint: "edit the file by hand"}
	}
	return d.take(text)
}

// cannot is the error about what the editor leaves to a person.
func (d *Document) cannot(y *yaml.Node, why string) error {
	return &Error{Pos: Pos{d.file, y.Line, y.Column}, Msg: "cannot be edited: " + why, Hint: "edit the file by hand"}
}

// mistake is an error about what was asked for.
func (d *Document) mistake(hint, format string, args ...any) error {
	return &Error{Pos: Pos{File: d.file}, Msg: fmt.Sprintf(format, args...), Hint: hint}
}

// differ returns the path of the first value in which two meanings differ, or "". Keys of the file, of
// one service and of one resource may change places: a new section stands before others, and what a merge
// key brings stands last.
func differ(a, b *node, path string) string {
	shown := path
	if shown == "" {
		shown = "the file"
	}
	if a.nothing() && b.nothing() {
		return ""
	}
	if a.kind != b.kind || a.text != b.text || a.tag != b.tag || len(a.values) != len(b.values) {
		return shown
	}
	for i, v := range a.values {
		w, name := b.values[i], fmt.Sprintf("%s[%d]", path, i)
		if isMapping(a) {
			key := a.keys[i].text
			if name = key; path != "" {
				name = path + "." + key
			}
			if b.keys[i].text != key && path != "" && !unitPath(path) {
				return name
			}
			if w = b.at(key); w == nil {
				return name
			}
		}
		if found := differ(v, w, name); found != "" {
			return found
		}
	}
	return ""
}

// nothing reports no value or an empty mapping, which mean the same.
func (n *node) nothing() bool { return n.empty() || isMapping(n) && len(n.keys) == 0 }

// unitPath reports "services.NAME" and "resources.NAME".
func unitPath(path string) bool {
	section, name, ok := strings.Cut(path, ".")
	if _, _, more := strings.Cut(name, "."); !ok || more {
		return false
	}
	return section == "services" || section == "resources"
}

// Says reports whether the file itself has a key at a path, such as "services", "orders", "calls".
func (d *Document) Says(path ...string) bool {
	at := d.root
	for _, key := range path {
		if _, at = child(at, key); at == nil {
			return false
		}
	}
	return true
}
