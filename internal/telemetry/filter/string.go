package filter

import (
	"strings"
	"unicode"
)

// String returns a text that Parse reads into the same filter.
func (n *Node) String() string {
	if n == nil {
		return ""
	}
	var b strings.Builder
	n.write(&b)
	return b.String()
}

func (n *Node) write(b *strings.Builder) {
	switch n.Op {
	case And, Or:
		n.writeKids(b)
	case Not:
		b.WriteByte('-')
		n.Kids[0].writeIn(b, n.Kids[0].Op == And || n.Kids[0].Op == Or)
	case Text:
		b.WriteString(quoteWord(n.Value, true))
	case Present:
		b.WriteString(quoteWord(n.Key, true) + "=*")
	default:
		b.WriteString(quoteWord(n.Key, true) + string(n.Op) + quoteWord(n.Value, false))
	}
}

func (n *Node) writeKids(b *strings.Builder) {
	for i, k := range n.Kids {
		if i > 0 && n.Op == Or {
			b.WriteString(" OR")
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		k.writeIn(b, n.Op == And && k.Op == Or)
	}
}

func (n *Node) writeIn(b *strings.Builder, parens bool) {
	if parens {
		b.WriteByte('(')
		defer b.WriteByte(')')
	}
	n.write(b)
}

// quoteWord puts s into quotes where it would not be read back as it is: as a key or bare word, or else as
// a value.
func quoteWord(s string, word bool) string {
	if plain(s, word) {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func plain(s string, word bool) bool {
	if s == "" || s == "*" || s[0] == '\'' || strings.ContainsFunc(s, special) {
		return false
	}
	if !word {
		return opAt(s) == ""
	}
	switch s {
	case "AND", "OR", "NOT", "&&", "||":
		return false
	}
	return s[0] != '-' && !strings.ContainsAny(s, "=!<>~:")
}

func special(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(`()"\`, r) }

// Keys returns the keys that a filter asks for, each once, in order.
func (n *Node) Keys() []string {
	var keys []string
	n.keys(map[string]bool{"": true}, &keys)
	return keys
}

func (n *Node) keys(seen map[string]bool, keys *[]string) {
	if n == nil {
		return
	}
	if !seen[n.Key] {
		seen[n.Key] = true
		*keys = append(*keys, n.Key)
	}
	for _, k := range n.Kids {
		k.keys(seen, keys)
	}
}
