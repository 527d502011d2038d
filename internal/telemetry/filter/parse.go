package filter

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of a filter.
const (
	MaxLength = 4 << 10 // bytes of the text
	MaxDepth  = 64      // of parentheses and negations
	MaxRegexp = 1 << 10 // bytes of one regular expression
)

// Parse reads a filter. Text without a word is nil, which matches everything. The error is an [*Error].
func Parse(text string) (*Node, error) {
	if len(text) > MaxLength {
		return nil, &Error{Column: 1, Msg: fmt.Sprintf("filter has %d bytes, at most %d are read", len(text), MaxLength)}
	}
	if !utf8.ValidString(text) {
		return nil, &Error{Column: 1, Msg: "filter is not UTF-8"}
	}
	p := parser{lexer{text: text}}
	if p.skip(); p.pos == len(text) {
		return nil, nil
	}
	n, err := p.or(0)
	if err != nil {
		return nil, err
	}
	if p.pos < len(text) {
		return nil, p.fail(p.pos, `")" closes nothing`, "")
	}
	return n, nil
}

type parser struct{ lexer }

// or reads: and { "OR" and }.
func (p *parser) or(depth int) (*Node, error) {
	at := p.pos
	var kids []*Node
	for {
		n, err := p.and(depth)
		if err != nil {
			return nil, err
		}
		kids = join(kids, Or, n)
		if !p.peekKeyword("OR") {
			return p.group(Or, kids, at), nil
		}
		p.take("OR")
		p.skip()
	}
}

// and reads: unary { ["AND"] unary }.
func (p *parser) and(depth int) (*Node, error) {
	at := p.pos
	var kids []*Node
	for {
		n, err := p.unary(depth)
		if err != nil {
			return nil, err
		}
		kids = join(kids, And, n)
		p.skip()
		if p.peekKeyword("AND") {
			p.take("AND")
			p.skip()
			continue
		}
		if p.pos == len(p.text) || p.text[p.pos] == ')' || p.peekKeyword("OR") {
			return p.group(And, kids, at), nil
		}
	}
}

// join adds n, or the kids of n when it is of the same operation.
func join(kids []*Node, op Op, n *Node) []*Node {
	if n.Op == op {
		return append(kids, n.Kids...)
	}
	return append(kids, n)
}

func (p *parser) group(op Op, kids []*Node, at int) *Node {
	if len(kids) == 1 {
		return kids[0]
	}
	return &Node{Op: op, Kids: kids, Column: p.column(at)}
}

// unary reads: ("-" | "NOT") unary | "(" or ")" | a comparison or a bare word.
func (p *parser) unary(depth int) (*Node, error) {
	at := p.pos
	if depth > MaxDepth {
		return nil, p.fail(at, fmt.Sprintf("filter is nested deeper than %d", MaxDepth), "")
	}
	switch {
	case p.peekKeyword("OR"), p.peekKeyword("AND"), p.pos == len(p.text), p.text[p.pos] == ')':
		return nil, p.missing()
	case p.peekKeyword("NOT"):
		p.take("NOT")
		p.skip()
		return p.not(at, depth)
	case p.take("-"):
		return p.not(at, depth)
	case p.take("("):
		return p.parens(at, depth)
	}
	return p.compare()
}

// missing says that something should stand where the text ends or goes on with a keyword.
func (p *parser) missing() error {
	hint := ""
	if p.peekKeyword("OR") || p.peekKeyword("AND") {
		hint = "to search for that word put it into quotes"
	}
	return p.fail(p.pos, "something to look for is missing here", hint)
}

func (p *parser) not(at, depth int) (*Node, error) {
	n, err := p.unary(depth + 1)
	if err != nil {
		return nil, err
	}
	if n.Op == Not {
		return n.Kids[0], nil
	}
	return &Node{Op: Not, Kids: []*Node{n}, Column: p.column(at)}, nil
}

func (p *parser) parens(at, depth int) (*Node, error) {
	p.skip()
	n, err := p.or(depth + 1)
	if err != nil {
		return nil, err
	}
	if !p.take(")") {
		return nil, p.fail(at, `"(" is never closed`, "")
	}
	return n, nil
}

// compare reads: key operator value, or a bare word.
func (p *parser) compare() (*Node, error) {
	at := p.pos
	literal := p.quote()
	word, err := p.word()
	if err != nil {
		return nil, err
	}
	after := p.pos
	p.skip()
	if p.op() == "" {
		p.pos = after
		return p.bare(at, word, literal)
	}
	if word == "" {
		return nil, p.fail(at, fmt.Sprintf("a key is missing before %q", p.op()), "to search for it put it into quotes")
	}
	return p.comparison(at, word)
}

// bare makes a full-text search of one word.
func (p *parser) bare(at int, word string, literal bool) (*Node, error) {
	switch {
	case word == "":
		return nil, p.fail(at, "text to search for is empty", "")
	case !literal && word == "&&":
		return nil, p.fail(at, `"&&" is not an operator`, "words beside each other must all hold; leave it out")
	case !literal && word == "||":
		return nil, p.fail(at, `"||" is not an operator`, "did you mean OR?")
	case !literal && word[0] == '!':
		return nil, p.fail(at, `"!" negates only before = and ~`, "did you mean -"+word[1:]+"?")
	}
	return &Node{Op: Text, Value: word, Column: p.column(at), fold: strings.ToLower(word)}, nil
}

func (p *parser) comparison(at int, key string) (*Node, error) {
	op, opAt := p.op(), p.pos
	p.take(string(op))
	if err := p.foreign(key, opAt); err != nil {
		return nil, err
	}
	p.skip()
	literal, valueAt := p.quote(), p.pos
	value, err := p.value()
	if err != nil {
		return nil, err
	}
	if value == "" && !literal {
		return nil, p.fail(valueAt, fmt.Sprintf("a value is missing after %s%s", key, op), `for the empty value write ""`)
	}
	n := &Node{Op: op, Key: key, Value: value, Column: p.column(at), fold: strings.ToLower(value)}
	if value == "*" && !literal && (op == Equal || op == NotEqual) {
		return p.presence(n), nil
	}
	return n, p.check(n, valueAt)
}

func (p *parser) presence(n *Node) *Node {
	there := &Node{Op: Present, Key: n.Key, Column: n.Column}
	if n.Op == Equal {
		return there
	}
	return &Node{Op: Not, Kids: []*Node{there}, Column: n.Column}
}

// foreign finds operators of other languages: "==", "=~", "=>", "=<", "<>".
func (p *parser) foreign(key string, at int) error {
	for _, f := range []struct{ sign, ours string }{
		{"==", "="}, {"=~", "~"}, {"=>", ">="}, {"=<", "<="}, {"<>", "!="}, {"!==", "!="}, {"::", ":"},
	} {
		if strings.HasPrefix(p.text[at:], f.sign) {
			return p.fail(at, fmt.Sprintf("%q is not an operator", f.sign), fmt.Sprintf("did you mean %s%s…?", key, f.ours))
		}
	}
	return nil
}

// check fills in what depends on the value: its number and its regular expression.
func (p *parser) check(n *Node, at int) (err error) {
	var bare bool
	n.Number, bare, n.Numeric = number(n.Value)
	if v, known := rank(n.Value); known && leveled(n.Key) {
		n.Number, n.Numeric = v, true
	}
	switch n.Op {
	case Match, NotMatch:
		return p.compile(n, at)
	case Greater, GreaterEqual, Less, LessEqual:
		if leveled(n.Key) && !n.Numeric {
			return p.noName(n, at)
		}
		if timed(n.Key) && !n.Numeric {
			return p.fail(at, fmt.Sprintf("%q is not a duration", n.Value), fmt.Sprintf("write it like %s%s200ms", n.Key, n.Op))
		}
	}
	if timed(n.Key) && bare && n.Number != 0 {
		return p.fail(at, fmt.Sprintf("duration %q has no unit", n.Value), fmt.Sprintf("did you mean %s%s%sms?", n.Key, n.Op, n.Value))
	}
	return p.checkName(n, at)
}

// names are the values of keys that have only a few.
func names(key string) []string {
	switch key {
	case "status":
		return []string{"error", "unset", "ok"}
	case "kind":
		return []string{"server", "client", "producer", "consumer", "internal"}
	case "level", "severity":
		return []string{"trace", "debug", "info", "warn", "error", "fatal"}
	case "trace.kind":
		return []string{"request", "background"}
	}
	return nil
}

// ours reports keys of which nobody else has values: attributes may be called "level" or "kind" too.
func ours(key string) bool { return key == "severity" || key == "trace.kind" }

// checkName refuses a value that is nearly one of the few that its key has, or, under keys of msctl's own, none
// of them.
func (p *parser) checkName(n *Node, at int) error {
	known := names(n.Key)
	least := 4 // shorter words are near to everything
	if ours(n.Key) {
		least = 1
	}
	if n.Op == Contains || n.Numeric && n.Key != "trace.kind" || len(n.Value) < least || slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, n.Value) }) {
		return nil
	}
	if ours(n.Key) || Nearest(n.Value, known) != "" {
		return p.noName(n, at)
	}
	return nil
}

// noName says that the key of n never has its value, and which it has.
func (p *parser) noName(n *Node, at int) error {
	known := names(n.Key)
	hint := "it is " + strings.Join(known[:len(known)-1], ", ") + " or " + known[len(known)-1]
	if near := Nearest(n.Value, known); near != "" {
		hint = fmt.Sprintf("did you mean %s%s%s?", n.Key, n.Op, near)
	}
	return p.fail(at, fmt.Sprintf("%s is never %q", n.Key, n.Value), hint)
}

func (p *parser) compile(n *Node, at int) error {
	if len(n.Value) > MaxRegexp {
		return p.fail(at, fmt.Sprintf("regular expression has %d bytes, at most %d are read", len(n.Value), MaxRegexp), "")
	}
	re, err := regexp.Compile(n.Value)
	if err != nil {
		cause := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
		return p.fail(at, "read regular expression: "+cause, fmt.Sprintf("to look for the text itself write %s:%s", n.Key, quoteWord(n.Value, false)))
	}
	n.Regexp = re
	return nil
}
