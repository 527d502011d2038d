package stack

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// linking is one name more under calls or uses of a service.
type linking struct {
	service, key, name string
	value              string // behind the name where it must stand in a mapping; "" is none
	optional           bool   // of a call
	behind             []string
}

// bare reports that a name says all.
func (l linking) bare() bool { return l.value == "" && !l.optional }

// said is what stands behind the name in a mapping.
func (l linking) said(value string) *node {
	if !l.optional {
		return wordNode(value)
	}
	out := mapNode()
	if l.value != "" {
		out.set("protocol", strNode(l.value))
	}
	out.set("optional", &node{kind: yaml.ScalarNode, text: "true", tag: "!!bool"})
	return out
}

// AddCall lets a service call another one. protocol is the listen name of the callee; "" is http, or the
// only one there is. A list of calls becomes a mapping where it must say the protocol.
func (d *Document) AddCall(from, to, protocol string) error {
	return d.addCall(from, to, protocol, false)
}

// AddOptionalCall is [Document.AddCall] for a call without which the caller works.
func (d *Document) AddOptionalCall(from, to, protocol string) error {
	return d.addCall(from, to, protocol, true)
}

func (d *Document) addCall(from, to, protocol string, optional bool) error {
	service, err := d.service(from)
	if err != nil {
		return err
	}
	for _, name := range []string{to, or(protocol, to)} {
		if !nameRule.MatchString(name) {
			return d.mistake(nameHint, "%s is not a good name", shorten(name))
		}
	}
	if main := d.main(to); protocol == main {
		protocol = ""
	}
	calls, err := d.meaning(from, "calls")
	if err != nil {
		return err
	}
	if calls != nil && calls.has(to) {
		return d.addProtocol(service, from, to, calls, or(protocol, d.main(to)))
	}
	return d.extend(service, linking{service: from, key: "calls", name: to, value: protocol, optional: optional,
		behind: []string{"path", "command", "image", "build", "dir", "run", "requires", "optional", "listen"}})
}

// main returns the listen name that is meant when none is said, as far as this file tells; or "".
func (d *Document) main(service string) string {
	listen, err := d.meaning(service, "listen")
	if err != nil || listen == nil || !isMapping(listen) {
		return ""
	}
	var ls []Listen
	for _, k := range listen.keys {
		ls = append(ls, Listen{Name: k.text})
	}
	return mainOf(ls, "http")
}

// meaning returns the value of a service's key with aliases and merge keys replaced, or nil.
func (d *Document) meaning(service, key string) (*node, error) {
	root, err := readForm(d.file, d.text)
	if err != nil {
		return nil, err
	}
	for _, at := range []string{"services", service, key} {
		if root = root.at(at); root == nil {
			return nil, nil
		}
	}
	if root.empty() {
		return nil, nil
	}
	return root, nil
}

// extend adds a name to the list or mapping under a key of a service.
func (d *Document) extend(service *yaml.Node, l linking) error {
	k, v := child(service, l.key)
	old, err := d.meaning(l.service, l.key)
	if err != nil {
		return err
	}
	grown := d.grown(old, l)
	want := func(root *node) { root.at("services").at(l.service).set(l.key, grown) }
	switch {
	case k == nil && old == nil:
		return d.do(d.addKey(service, l.key, d.freshList(service, l, grown), l.behind), want)
	case k == nil: // a merge key brings it
		return d.do(d.addKey(service, l.key, flowText(grown), l.behind), want)
	case null(v):
		return d.do(d.fill(k, v, flowText(grown)), want)
	case v.Kind == yaml.AliasNode:
		return d.do([]change{{d.start(v), d.end(v), flowText(grown)}}, want)
	}
	if v.Kind == yaml.SequenceNode && isMapping(grown) {
		if len(v.Content) == 0 {
			return d.do([]change{{d.content(v), d.end(v), flowText(grown)}}, want)
		}
		return d.do(d.keyed(k, v, d.main, d.like(lastOf(v), l.name)+": "+flowText(grown.at(l.name))), want)
	}
	item := d.like(lastOf(v), l.name)
	if isMapping(grown) {
		item += ": " + flowText(grown.at(l.name))
	}
	return d.do(d.appendItem(v, strings.TrimRight(item, " ")+trailing(v, item)), want)
}

// trailing is the space that a key without a value has before the bracket.
func trailing(y *yaml.Node, item string) string {
	if flow(y) && strings.HasSuffix(item, " ") {
		return " "
	}
	return ""
}

// grown returns a list or mapping with one name more.
func (d *Document) grown(old *node, l linking) *node {
	switch {
	case old == nil && l.bare():
		return listNode(strNode(l.name))
	case old == nil:
		out := mapNode()
		out.set(l.name, l.said(l.value))
		return out
	case isMapping(old):
		out := old.clone()
		value := l.value
		if l.key == "calls" {
			value = or(value, d.main(l.name))
		}
		out.set(l.name, l.said(value))
		return out
	case l.bare():
		return listNode(append(slices.Clone(old.values), strNode(l.name))...)
	}
	out := mapNode()
	for _, v := range old.values {
		out.set(v.text, wordNode(d.main(v.text)))
	}
	out.set(l.name, l.said(l.value))
	return out
}

// freshList writes a list that was not there in the style of the others.
func (d *Document) freshList(service *yaml.Node, l linking, grown *node) string {
	if !d.listsAsBlocks() || flow(service) {
		return flowText(grown)
	}
	indent := "\n" + strings.Repeat(" ", d.step())
	if isMapping(grown) {
		return indent + Quote(l.name) + ": " + flowText(grown.at(l.name))
	}
	return indent + "- " + Quote(l.name)
}

// addProtocol lets a service that calls another one already call it on one more of its ports.
func (d *Document) addProtocol(service *yaml.Node, from, to string, calls *node, protocol string) error {
	there := d.mistake("", "service %q calls %q already", from, to)
	main := wordNode(d.main(to))
	if isMapping(calls) {
		main = calls.at(to)
		if isMapping(main) {
			return d.mistake("add it to the protocol there", "service %q calls %q already, and says how", from, to)
		}
		if main.empty() {
			main = wordNode(d.main(to))
		}
	}
	both := main
	if isScalar(main) {
		both = listNode(main)
	}
	if main.empty() || protocol == "" || both.has(protocol) {
		return there
	}
	both = listNode(append(slices.Clone(both.values), strNode(protocol))...)
	grown := calls.clone()
	if !isMapping(calls) {
		grown = mapNode()
		for _, v := range calls.values {
			grown.set(v.text, wordNode(d.main(v.text)))
		}
	}
	grown.set(to, both)
	return d.do(d.protocolChanges(service, to, both, grown), func(root *node) {
		root.at("services").at(from).set("calls", grown)
	})
}

func (d *Document) protocolChanges(service *yaml.Node, to string, both, grown *node) []change {
	k, v := child(service, "calls")
	switch {
	case k == nil:
		return d.addKey(service, "calls", flowText(grown), []string{"path", "listen"})
	case v.Kind == yaml.MappingNode:
		call, said := child(v, to)
		if call == nil {
			break
		}
		if null(said) {
			return d.fill(call, said, flowText(both))
		}
		if said.Kind == yaml.SequenceNode {
			return d.appendItem(said, lastText(both))
		}
		return []change{{d.start(said), d.end(said), flowText(both)}}
	case v.Kind == yaml.SequenceNode:
		return d.keyed(k, v, func(name string) string {
			if name == to {
				return flowText(both)
			}
			return d.main(name)
		}, "")
	}
	return []change{{d.start(v), d.end(v), flowText(grown)}}
}

func lastText(list *node) string { return scalarText(list.values[len(list.values)-1]) }
