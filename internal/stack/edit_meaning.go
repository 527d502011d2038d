package stack

import (
	"slices"

	"gopkg.in/yaml.v3"
)

// The makers of values as a text that is parsed has them, for what an edit is to come to.

func strNode(text string) *node { return &node{kind: yaml.ScalarNode, text: text, tag: "!!str"} }

// wordNode is a text, or nothing where it is empty.
func wordNode(text string) *node {
	if text == "" {
		return &node{kind: yaml.ScalarNode, tag: "!!null"}
	}
	return strNode(text)
}

func mapNode() *node { return &node{kind: yaml.MappingNode} }

func listNode(values ...*node) *node { return &node{kind: yaml.SequenceNode, values: values} }

// clone copies a mapping or list, not what is in it.
func (n *node) clone() *node {
	c := *n
	c.keys, c.values = slices.Clone(n.keys), slices.Clone(n.values)
	return &c
}

// set gives a mapping's key a value and returns it.
func (n *node) set(key string, v *node) *node {
	for i, k := range n.keys {
		if k.text == key {
			n.values[i] = v
			return v
		}
	}
	n.keys, n.values = append(n.keys, strNode(key)), append(n.values, v)
	return v
}

// drop takes a key away.
func (n *node) drop(key string) {
	if i := slices.IndexFunc(n.keys, func(k *node) bool { return k.text == key }); i >= 0 {
		n.keys, n.values = slices.Delete(n.keys, i, i+1), slices.Delete(n.values, i, i+1)
	}
}

// has reports a key of a mapping or an item of a list.
func (n *node) has(name string) bool {
	in := n.values
	if isMapping(n) {
		in = n.keys
	}
	return slices.ContainsFunc(in, func(v *node) bool { return isScalar(v) && v.text == name })
}
