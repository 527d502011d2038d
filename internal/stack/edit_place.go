package stack

import (
	"bytes"
	"sort"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// The parser says where a value begins, and not where it ends: that is found here. What is found wrongly
// does no harm, since the text that an edit makes is read again and compared.

// lineStarts returns where each line begins. A line ends with \n, \r\n or \r.
func lineStarts(text []byte) []int {
	out := []int{0}
	for i, c := range text {
		if c == '\n' || c == '\r' && (i+1 == len(text) || text[i+1] != '\n') {
			out = append(out, i+1)
		}
	}
	return out
}

// start returns the byte at which a value begins; with its anchor and tag, if it has them.
func (d *Document) start(y *yaml.Node) int {
	if y.Line < 1 || y.Line > len(d.lines) {
		return len(d.text)
	}
	at := d.lines[y.Line-1]
	for i := 1; i < y.Column && at < len(d.text); i++ {
		_, size := utf8.DecodeRune(d.text[at:])
		at += size
	}
	return at
}

// lineOf returns the line of a byte, from 0.
func (d *Document) lineOf(at int) int {
	return sort.Search(len(d.lines), func(i int) bool { return d.lines[i] > at }) - 1
}

// line returns the text of a line from 0, without its end.
func (d *Document) line(n int) string {
	return strings.TrimRight(string(d.text[d.lines[n]:d.after(n)]), "\r\n")
}

// after returns where the line after line n begins, or the end of the text.
func (d *Document) after(n int) int {
	if n+1 < len(d.lines) {
		return d.lines[n+1]
	}
	return len(d.text)
}

// content returns where a value begins behind its anchor and tag.
func (d *Document) content(y *yaml.Node) int {
	at := d.start(y)
	for y.Kind != yaml.AliasNode && at < len(d.text) && (d.text[at] == '&' || d.text[at] == '!') {
		for at < len(d.text) && !space(d.text[at]) {
			at++
		}
		at = d.skipSpace(at)
	}
	return at
}

func space(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// skipSpace returns the next byte that is neither space nor comment.
func (d *Document) skipSpace(at int) int {
	for at < len(d.text) {
		switch c := d.text[at]; {
		case space(c):
			at++
		case c == '#' && (at == 0 || space(d.text[at-1])):
			at = d.lines[d.lineOf(at)] + len(d.line(d.lineOf(at)))
		default:
			return at
		}
	}
	return at
}

// end returns the byte behind a value.
func (d *Document) end(y *yaml.Node) int {
	at := d.content(y)
	switch {
	case y.Kind == yaml.AliasNode:
		return at + 1 + len(y.Value)
	case y.Kind == yaml.ScalarNode:
		return d.scalarEnd(y, at)
	case flow(y):
		return d.closing(at)
	case len(y.Content) == 0:
		return at
	}
	return max(at, d.end(y.Content[len(y.Content)-1]))
}

func flow(y *yaml.Node) bool { return y.Style&yaml.FlowStyle != 0 }

func (d *Document) scalarEnd(y *yaml.Node, at int) int {
	switch {
	case y.Style&yaml.DoubleQuotedStyle != 0, y.Style&yaml.SingleQuotedStyle != 0:
		return d.quoteEnd(at)
	case y.Style&yaml.LiteralStyle != 0:
		return d.literalEnd(y, at)
	case y.Style&yaml.FoldedStyle != 0:
		return d.foldedEnd(y, at)
	case y.Value == "":
		return d.start(y) + len(strings.TrimRight(string(d.text[d.start(y):at]), " \t\r\n"))
	}
	for _, r := range y.Value { // a plain value may be folded over lines: its spaces say nothing
		if r == ' ' || r == '\n' || r == '\t' {
			continue
		}
		for at < len(d.text) && space(d.text[at]) {
			at++
		}
		at += utf8.RuneLen(r)
	}
	return min(at, len(d.text))
}

// quoteEnd returns the byte behind the quoted text that begins at at.
func (d *Document) quoteEnd(at int) int {
	if at >= len(d.text) {
		return at
	}
	quote := d.text[at]
	for i := at + 1; i < len(d.text); i++ {
		switch {
		case quote == '"' && d.text[i] == '\\':
			i++
		case d.text[i] != quote:
		case quote == '\'' && i+1 < len(d.text) && d.text[i+1] == quote:
			i++
		default:
			return i + 1
		}
	}
	return len(d.text)
}

// lineEnd returns the byte behind the text of a line from 0.
func (d *Document) lineEnd(n int) int {
	n = min(n, len(d.lines)-1)
	return d.lines[n] + len(d.line(n))
}

// keeps reports the header of a block text that keeps the blank lines behind it: "|+".
func (d *Document) keeps(at int) bool {
	header, _, _ := strings.Cut(string(d.text[at:d.lineEnd(d.lineOf(at))]), "#")
	return strings.Contains(header, "+")
}

// literalEnd counts lines: each line of the value is one of the text.
func (d *Document) literalEnd(y *yaml.Node, at int) int {
	n := strings.Count(y.Value, "\n")
	if !d.keeps(at) {
		if body := strings.TrimRight(y.Value, "\n"); body != "" {
			n = strings.Count(body, "\n") + 1
		} else {
			n = 0
		}
	}
	return d.lineEnd(d.lineOf(at) + n)
}

// foldedEnd goes on as long as lines are indented like the first.
func (d *Document) foldedEnd(y *yaml.Node, at int) int {
	head := d.lineOf(at)
	last, indent := head, -1
	if strings.TrimSpace(y.Value) == "" {
		return d.lineEnd(head)
	}
	for n := head + 1; n < len(d.lines); n++ {
		line := d.line(n)
		if strings.TrimSpace(line) == "" {
			continue
		}
		in := leading(line)
		if indent < 0 {
			indent = in
		}
		if in < indent {
			break
		}
		last = n
	}
	for d.keeps(at) && last+1 < len(d.lines) && strings.TrimSpace(d.line(last+1)) == "" && d.lines[last+1] < len(d.text) {
		last++
	}
	return d.lineEnd(last)
}

// leading returns how many spaces a line begins with.
func leading(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// closing returns the byte behind the list or mapping in brackets that begins at at.
func (d *Document) closing(at int) int {
	depth := 0
	begins := true // a value may begin here
	property := false
	for i := at; i < len(d.text); i++ {
		switch c := d.text[i]; {
		case (c == '"' || c == '\'') && begins:
			i, begins = d.quoteEnd(i)-1, false
		case c == '#' && space(d.text[max(i-1, 0)]):
			i = d.lineEnd(d.lineOf(i)) - 1
		case c == '[' || c == '{':
			depth++
			begins, property = true, false
		case c == ']' || c == '}':
			if depth--; depth == 0 {
				return i + 1
			}
			begins, property = false, false
		case c == ',' || c == ':':
			begins, property = true, false
		case space(c):
			begins, property = begins || property, false
		default:
			property = property || begins && (c == '&' || c == '!')
			begins = false
		}
	}
	return len(d.text)
}

// eol is how the text ends its lines.
func (d *Document) eol() string {
	if i := bytes.IndexByte(d.text, '\n'); i > 0 && d.text[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// insertLines puts lines behind line n.
func (d *Document) insertLines(n int, lines []string) change {
	at, eol := d.after(n), d.eol()
	text := strings.Join(lines, eol)
	if at == len(d.text) && !ended(d.text) {
		return change{at, at, eol + text}
	}
	return change{at, at, text + eol}
}

func ended(text []byte) bool {
	return len(text) == 0 || bytes.HasSuffix(text, []byte("\n")) || bytes.HasSuffix(text, []byte("\r"))
}

// child returns the key and value of a mapping's own key, or nil.
func child(y *yaml.Node, key string) (k, v *yaml.Node) {
	if y == nil || y.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(y.Content); i += 2 {
		if y.Content[i].Value == key && y.Content[i].ShortTag() != "!!merge" {
			return y.Content[i], y.Content[i+1]
		}
	}
	return nil, nil
}

// null reports a value that is not written, or written as null.
func null(y *yaml.Node) bool {
	return y != nil && y.Kind == yaml.ScalarNode && y.ShortTag() == "!!null"
}
