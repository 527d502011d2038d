package stack

import (
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// What a file's own style is, read off what stands in it.

// section returns the mapping of units under a key of the file, or nil where there is none to see.
func (d *Document) section(name string) *yaml.Node {
	if _, v := child(d.root, name); v != nil && v.Kind == yaml.MappingNode {
		return v
	}
	return nil
}

// step is how many spaces a level is indented: that of the first mapping that says.
func (d *Document) step() int {
	for i := 1; i < len(d.root.Content); i += 2 {
		if v := d.root.Content[i]; block(v) && v.Kind == yaml.MappingNode {
			if n := v.Content[0].Column - d.root.Content[i-1].Column; n > 0 {
				return n
			}
		}
	}
	return 2
}

// block reports a list or mapping with something in it, that is written one line each.
func block(y *yaml.Node) bool { return !flow(y) && len(y.Content) > 0 && y.Kind != yaml.ScalarNode }

// inner is the indent of what stands below a key at indent base: as elsewhere in m.
func (d *Document) inner(m *yaml.Node, base int) int {
	if m != nil {
		for i := 1; i < len(m.Content); i += 2 {
			if v := m.Content[i]; v.Kind == yaml.MappingNode && block(v) && v.Content[0].Column > m.Content[i-1].Column {
				return base + v.Content[0].Column - m.Content[i-1].Column
			}
		}
	}
	return base + d.step()
}

// spaced reports a mapping whose entries have blank lines between them, or fallback where it has only one.
func (d *Document) spaced(m *yaml.Node, fallback bool) bool {
	with, without := 0, 0
	for i := 2; i+1 < len(m.Content); i += 2 {
		if d.blankAbove(m.Content[i].Line - 1) {
			with++
		} else {
			without++
		}
	}
	if with == without {
		return with > 0 || fallback
	}
	return with > without
}

// blankAbove reports a blank line above line n and the comments that stand directly above it.
func (d *Document) blankAbove(n int) bool {
	top := d.remarks(n, 0)
	return top > 0 && strings.TrimSpace(d.line(top-1)) == ""
}

// remarks returns the first of the comment lines that stand directly above line n, indented alike; or n.
func (d *Document) remarks(n, least int) int {
	in := leading(d.line(n))
	for n > least && leading(d.line(n-1)) == in && strings.HasPrefix(strings.TrimSpace(d.line(n-1)), "#") {
		n--
	}
	return n
}

// oneLiners reports a mapping all of whose entries are in brackets on one line each.
func (d *Document) oneLiners(m *yaml.Node) bool {
	if m == nil || len(m.Content) == 0 {
		return false
	}
	for i := 0; i+1 < len(m.Content); i += 2 {
		k, v := m.Content[i], m.Content[i+1]
		if !flow(v) || d.lineOf(d.end(v)) != k.Line-1 {
			return false
		}
	}
	return true
}

// pad returns the spaces behind `name:` that put its value below those of the entries above, where these
// stand below each other.
func (d *Document) pad(m *yaml.Node, name string) string {
	column, aligned := 0, false
	for i := 0; m != nil && i+1 < len(m.Content); i += 2 {
		k, v := m.Content[i], m.Content[i+1]
		if k.Line != v.Line || column != 0 && v.Column != column {
			return " "
		}
		column = v.Column
		aligned = aligned || i > 0
	}
	if !aligned || column == 0 {
		return " "
	}
	return strings.Repeat(" ", max(1, column-m.Content[0].Column-len(name)-1))
}

// listsAsBlocks reports a file most of whose lists of calls and uses stand one name a line.
func (d *Document) listsAsBlocks() bool {
	services := d.section("services")
	lead := 0
	for i := 1; services != nil && i < len(services.Content); i += 2 {
		for _, key := range []string{"calls", "uses", "after"} {
			switch _, v := child(services.Content[i], key); {
			case v == nil || len(v.Content) == 0:
			case flow(v):
				lead--
			default:
				lead++
			}
		}
	}
	return lead > 0
}

// flowText writes a value in brackets.
func flowText(n *node) string {
	switch {
	case isScalar(n):
		return scalarText(n)
	case isMapping(n):
		var parts []string
		for i, k := range n.keys {
			parts = append(parts, Quote(k.text)+": "+flowText(n.values[i]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	var parts []string
	for _, v := range n.values {
		if v.empty() {
			parts = append(parts, "null")
		} else {
			parts = append(parts, flowText(v))
		}
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

func scalarText(n *node) string {
	if n.tag == "!!str" {
		return Quote(n.text)
	}
	return n.text
}

// plainRunes may stand without quotes anywhere, in brackets too.
const plainRunes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-@+"

// Quote writes a text that is read back as the same text, in quotes where it has to be.
func Quote(text string) string {
	if text != "" && strings.Trim(text, plainRunes+" =$") == "" && strings.TrimSpace(text) == text && !strings.Contains("@=-", text[:1]) {
		var y yaml.Node
		if yaml.Unmarshal([]byte(text), &y) == nil && len(y.Content) == 1 && y.Content[0].ShortTag() == "!!str" {
			return text
		}
	}
	return strconv.Quote(text)
}

// like writes a name with the quotes that another one has.
func (d *Document) like(other *yaml.Node, name string) string {
	switch {
	case other != nil && other.Kind == yaml.ScalarNode && other.Style&yaml.SingleQuotedStyle != 0:
		return "'" + name + "'"
	case other != nil && other.Kind == yaml.ScalarNode && other.Style&yaml.DoubleQuotedStyle != 0:
		return `"` + name + `"`
	}
	return Quote(name)
}
