package stack

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Mention is one place of a stack file that names a service or resource.
type Mention struct {
	Pos  Pos
	What string // "service \"orders\" calls it"

	path []string // of the entry that goes with it
}

// RemoveService takes a service away, with the comment that stands above it after a blank line. What else
// names it stays: see [Document.Mentions].
func (d *Document) RemoveService(name string) error {
	k, v := child(d.section("services"), name)
	if k == nil {
		return d.mistake("", "there is no service %q in %s", name, d.file)
	}
	if anchor := d.sharedAnchor(v); anchor != "" {
		return d.cannot(v, fmt.Sprintf("other places use the anchor &%s of service %s", anchor, name))
	}
	return d.remove("services", name)
}

// sharedAnchor returns an anchor inside y to which an alias outside of it leads, or "".
func (d *Document) sharedAnchor(y *yaml.Node) string {
	inside := map[*yaml.Node]bool{}
	walk(y, func(n *yaml.Node) { inside[n] = true })
	found := ""
	walk(d.root, func(n *yaml.Node) {
		if n.Kind == yaml.AliasNode && inside[n.Alias] && !inside[n] {
			found = n.Value
		}
	})
	return found
}

func walk(y *yaml.Node, fn func(*yaml.Node)) {
	fn(y)
	for _, c := range y.Content {
		walk(c, fn)
	}
}

// Mentions returns where the file names a service or resource: calls, uses, after, weights, profiles and
// references, in file order. Its own entry is none.
func (d *Document) Mentions(name string) []Mention {
	root, err := readForm(d.file, d.text)
	if err != nil {
		return nil
	}
	var out []Mention
	for _, section := range []string{"resources", "services"} {
		units := root.at(section)
		if units == nil {
			continue
		}
		for i, k := range units.keys {
			if k.text != name {
				out = append(out, unitMentions(section, k.text, units.values[i], name)...)
			}
		}
	}
	if profiles := root.at("profiles"); profiles != nil {
		for i, k := range profiles.keys {
			if at := profiles.values[i].place(name); at != nil {
				out = append(out, Mention{at.pos, fmt.Sprintf("profile %q names it", k.text), []string{"profiles", k.text, name}})
			}
		}
	}
	return out
}

// place returns the item or key that is name, or nil.
func (n *node) place(name string) *node {
	in := n.values
	if isMapping(n) {
		in = n.keys
	}
	if i := slices.IndexFunc(in, func(v *node) bool { return isScalar(v) && v.text == name }); i >= 0 {
		return in[i]
	}
	return nil
}

// unitMentions returns where one service or resource names another.
func unitMentions(section, unit string, body *node, name string) []Mention {
	var out []Mention
	who := map[string]string{"resources": "resource", "services": "service"}[section]
	for _, link := range []struct{ key, verb string }{
		{"calls", "calls it"}, {"uses", "uses it"}, {"after", "starts after it"}, {"weights", "shares its calls with it"},
	} {
		list := body.at(link.key)
		if list == nil {
			continue
		}
		if at := list.place(name); at != nil {
			out = append(out, Mention{at.pos, fmt.Sprintf("%s %q %s", who, unit, link.verb), []string{section, unit, link.key, name}})
		}
	}
	env := body.at("env")
	if env == nil || !isMapping(env) {
		return out
	}
	for i, k := range env.keys {
		refs, _ := Var{Name: k.text, Value: env.values[i].text}.Refs()
		if slices.ContainsFunc(refs, func(r Ref) bool { return r.Scheme == "" && r.Name == name }) {
			out = append(out, Mention{env.values[i].pos, fmt.Sprintf("variable %s of %s %q refers to it", k.text, who, unit), []string{section, unit, "env", k.text}})
		}
	}
	return out
}

// RemoveMention takes one of [Document.Mentions] away: the name in its list, or the variable. A list of
// calls, uses, after, weights or env with nothing left goes too.
func (d *Document) RemoveMention(m Mention) error {
	path := m.path
	list, err := d.lookup(path[:len(path)-1])
	if err != nil {
		return err
	}
	switch {
	case sizeOf(list) > 1:
	case len(path) == 4:
		path = path[:3]
	case !flow(list):
		return d.emptyProfile(path[1], list)
	}
	return d.remove(path...)
}

// emptyProfile takes the last service of a profile away: an empty list stays.
func (d *Document) emptyProfile(name string, list *yaml.Node) error {
	k, _ := child(d.section("profiles"), name)
	colon := d.skipSpace(d.end(k)) + 1
	return d.do([]change{{colon, colon, " []"}, d.cutLines(list, 0, 1, false)}, func(root *node) {
		root.at("profiles").at(name).values = nil
	})
}

// sizeOf returns how many entries a list or mapping has.
func sizeOf(y *yaml.Node) int {
	if y.Kind == yaml.MappingNode {
		return len(y.Content) / 2
	}
	return len(y.Content)
}

// lookup returns the value at a path of own keys.
func (d *Document) lookup(path []string) (*yaml.Node, error) {
	at := d.root
	for _, key := range path {
		_, next := child(at, key)
		if next == nil {
			return nil, d.cannot(at, strings.Join(path, ".")+" comes from an anchor")
		}
		at = next
	}
	return at, nil
}

// remove takes the entry at a path away.
func (d *Document) remove(path ...string) error {
	last := len(path) - 1
	in, err := d.lookup(path[:last])
	if err != nil {
		return err
	}
	from := slices.IndexFunc(in.Content, func(y *yaml.Node) bool { return y.Kind == yaml.ScalarNode && y.Value == path[last] })
	per := 1
	if in.Kind == yaml.MappingNode {
		if from, per = keyIndex(in, path[last]), 2; from < 0 {
			return d.cannot(in, path[last]+" comes from an anchor")
		}
	}
	if from < 0 {
		return d.cannot(in, "its entry "+path[last]+" is not found")
	}
	want := func(root *node) {
		for _, key := range path[:last] {
			root = root.at(key)
		}
		root.dropItem(path[last])
	}
	if flow(in) {
		return d.do([]change{d.cutFlow(in, from, per)}, want)
	}
	err = d.do([]change{d.cutLines(in, from, per, len(path) == 2)}, want)
	if err != nil { // a blank line may be part of a text before it
		err = d.do([]change{d.cutLines(in, from, per, false)}, want)
	}
	if err != nil { // which then must not get the one behind either
		err = d.do([]change{d.withBlank(d.cutLines(in, from, per, false))}, want)
	}
	return err
}

// withBlank takes the blank line away too that stands behind what a change cuts.
func (d *Document) withBlank(c change) change {
	if n := d.lineOf(c.to); c.to < len(d.text) && strings.TrimSpace(d.line(n)) == "" {
		c.to = d.after(n)
	}
	return c
}

func keyIndex(m *yaml.Node, key string) int {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key && m.Content[i].ShortTag() != "!!merge" {
			return i
		}
	}
	return -1
}

// dropItem takes a key, or an item of a list, away. A mapping with nothing left is nothing.
func (n *node) dropItem(name string) {
	if isMapping(n) {
		if n.drop(name); len(n.keys) == 0 {
			*n = node{kind: yaml.ScalarNode, tag: "!!null", pos: n.pos}
		}
		return
	}
	n.values = slices.DeleteFunc(n.values, func(v *node) bool { return isScalar(v) && v.text == name })
}

// cutFlow takes an item in brackets away with the comma that parts it from its neighbour, or with its line
// where it has one of its own.
func (d *Document) cutFlow(in *yaml.Node, i, per int) change {
	from, to := d.start(in.Content[i]), d.end(in.Content[i+per-1])
	comma := d.skipSpace(to)
	if comma < len(d.text) && d.text[comma] != ',' {
		comma = to - 1
	}
	if first, last := d.lineOf(from), d.lineOf(comma); d.alone(first, from, last, comma+1) {
		return change{d.lines[first], d.after(last), ""}
	}
	switch {
	case i+per < len(in.Content):
		to = d.start(in.Content[i+per])
	case i > 0:
		from = d.end(in.Content[i-1])
	default:
		to = comma + 1
	}
	return change{from, to, ""}
}

// alone reports that nothing but a comment stands beside text[from:to] on its lines.
func (d *Document) alone(first, from, last, to int) bool {
	before := string(d.text[d.lines[first]:from])
	behind := strings.TrimSpace(string(d.text[to:d.lineEnd(last)]))
	return strings.TrimSpace(before) == "" && (behind == "" || behind[0] == '#')
}

// cutLines takes the lines of an entry away. A unit goes with its comment and one blank line.
func (d *Document) cutLines(in *yaml.Node, i, per int, unit bool) change {
	first, last := in.Content[i].Line-1, d.lineOf(d.end(in.Content[i+per-1]))
	if unit {
		if top := d.remarks(first, 0); i > 0 && top > 0 && strings.TrimSpace(d.line(top-1)) == "" {
			first = top
		}
		last = d.deeper(last, in.Content[i].Column)
		above := first > 0 && strings.TrimSpace(d.line(first-1)) == ""
		below := last+1 >= len(d.lines) || strings.TrimSpace(d.line(last+1)) == ""
		switch {
		case above && below:
			first--
		case below && i == 0 && i+per < len(in.Content) && !d.remark(first-1):
			last++
		}
	}
	from, to := d.lines[first], d.after(last)
	if to == len(d.text) && !ended(d.text) && first > 0 { // the line before becomes the last one
		from = d.lineEnd(first - 1)
	}
	return change{from, to, ""}
}

// remark reports a line that is a comment.
func (d *Document) remark(n int) bool {
	return n >= 0 && strings.HasPrefix(strings.TrimSpace(d.line(n)), "#")
}

// deeper returns the last of the comment lines directly below line n that are indented deeper than a unit's
// name: they belong to it.
func (d *Document) deeper(n, column int) int { return d.belongs(n, column) }
