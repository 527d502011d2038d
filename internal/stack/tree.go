package stack

import (
	"bytes"
	"encoding/json"
	"strconv"

	"gopkg.in/yaml.v3"
)

// The makers of YAML nodes return nil for what is not worth a key, and put leaves nil away.

func mapping() *yaml.Node { return &yaml.Node{Kind: yaml.MappingNode} }

func put(m *yaml.Node, key string, v *yaml.Node) {
	if v != nil {
		m.Content = append(m.Content, str(key), v)
	}
}

// full returns a mapping that has something in it, or nil.
func full(m *yaml.Node) *yaml.Node {
	if len(m.Content) == 0 {
		return nil
	}
	return m
}

func str(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	return n
}

func word(s string) *yaml.Node {
	if s == "" {
		return nil
	}
	return str(s)
}

func words(ss []string) *yaml.Node {
	if len(ss) == 0 {
		return nil
	}
	return list(ss)
}

// list returns a list that may be empty.
func list(ss []string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, s := range ss {
		n.Content = append(n.Content, str(s))
	}
	return n
}

func number(i int) *yaml.Node {
	if i == 0 {
		return nil
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.Itoa(i)}
}

func yes(b bool) *yaml.Node {
	if !b {
		return nil
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"}
}

// JSON returns what [Stack.Format] returns as one line of JSON with the type "config", the stack's
// folder and its files.
func (s *Stack) JSON(mask bool) []byte {
	head := mapping()
	put(head, "type", str("config"))
	put(head, "dir", word(s.Dir))
	put(head, "files", words(s.Files))
	head.Content = append(head.Content, s.tree(mask).Content...)
	var b bytes.Buffer
	writeJSON(&b, head)
	b.WriteByte('\n')
	return b.Bytes()
}

// writeJSON keeps the order of keys, which maps would lose.
func writeJSON(b *bytes.Buffer, n *yaml.Node) {
	switch {
	case n.Kind == yaml.MappingNode:
		b.WriteByte('{')
		for i := 0; i < len(n.Content); i += 2 {
			comma(b, i)
			writeString(b, n.Content[i].Value)
			b.WriteByte(':')
			writeJSON(b, n.Content[i+1])
		}
		b.WriteByte('}')
	case n.Kind == yaml.SequenceNode:
		b.WriteByte('[')
		for i, c := range n.Content {
			comma(b, i)
			writeJSON(b, c)
		}
		b.WriteByte(']')
	case n.Tag == "!!bool" && n.Value == "off":
		b.WriteString("false")
	case n.Tag != "!!str":
		b.WriteString(n.Value)
	default:
		writeString(b, n.Value)
	}
}

func comma(b *bytes.Buffer, i int) {
	if i > 0 {
		b.WriteByte(',')
	}
}

func writeString(b *bytes.Buffer, s string) {
	text, err := json.Marshal(s)
	if err != nil {
		panic("encode a string: " + err.Error())
	}
	b.Write(text)
}
