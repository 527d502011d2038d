package filter

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// operators are read in this order: the longer first.
var operators = []Op{NotEqual, NotMatch, GreaterEqual, LessEqual, Equal, Greater, Less, Match, Contains}

// lexer walks over the text of a filter. Positions are bytes; columns are characters.
type lexer struct {
	text string
	pos  int
}

func (l *lexer) fail(at int, msg, hint string) error {
	return &Error{Column: l.column(at), Msg: msg, Hint: hint}
}

func (l *lexer) column(at int) int { return utf8.RuneCountInString(l.text[:at]) + 1 }

func (l *lexer) rest() string { return l.text[l.pos:] }

func (l *lexer) skip() {
	l.pos = len(l.text) - len(strings.TrimLeftFunc(l.rest(), unicode.IsSpace))
}

// op returns the operator at the current position, or "".
func (l *lexer) op() Op { return opAt(l.rest()) }

func opAt(s string) Op {
	for _, o := range operators {
		if strings.HasPrefix(s, string(o)) {
			return o
		}
	}
	return ""
}

// take moves over prefix when it is next.
func (l *lexer) take(prefix string) bool {
	if !strings.HasPrefix(l.rest(), prefix) {
		return false
	}
	l.pos += len(prefix)
	return true
}

// peekKeyword says whether the next word is that one, and nothing but that word.
func (l *lexer) peekKeyword(word string) bool {
	rest, found := strings.CutPrefix(l.rest(), word)
	if !found || rest == "" {
		return found
	}
	r, _ := utf8.DecodeRuneInString(rest)
	return unicode.IsSpace(r) || r == '(' || r == ')'
}

// quoted reads a string in quotes. Within it \" and \\ stand for themselves without the backslash; every
// other backslash stays, so that a regular expression can be written as it is.
func (l *lexer) quoted() (string, error) {
	start, quote := l.pos, l.text[l.pos]
	var b strings.Builder
	for i := start + 1; i < len(l.text); i++ {
		c := l.text[i]
		if c == quote {
			l.pos = i + 1
			return b.String(), l.glued()
		}
		if c == '\\' && i+1 < len(l.text) && (l.text[i+1] == quote || l.text[i+1] == '\\') {
			i++
			c = l.text[i]
		}
		b.WriteByte(c)
	}
	return "", l.fail(start, "quote is never closed", "add "+string(quote)+" at the end of the value")
}

// glued refuses a word that follows a closing quote without a space.
func (l *lexer) glued() error {
	r, size := utf8.DecodeRuneInString(l.rest())
	if size == 0 || unicode.IsSpace(r) || r == '(' || r == ')' || l.op() != "" {
		return nil
	}
	return l.fail(l.pos, "value goes on after its closing quote", "put all of it into the quotes")
}

// quote says whether a string in quotes is next.
func (l *lexer) quote() bool {
	return strings.HasPrefix(l.rest(), `"`) || strings.HasPrefix(l.rest(), "'")
}

// word reads a key or a bare word: up to a space, a parenthesis or an operator.
func (l *lexer) word() (string, error) {
	if l.quote() {
		return l.quoted()
	}
	start := l.pos
	for l.pos < len(l.text) {
		r, size := utf8.DecodeRuneInString(l.rest())
		if unicode.IsSpace(r) || r == '(' || r == ')' || l.ends() {
			break
		}
		if r == '"' {
			return "", l.fail(l.pos, "quote in the middle of a word", "put all of it into the quotes")
		}
		l.pos += size
	}
	return l.text[start:l.pos], nil
}

// ends says whether an operator ends the word here; the "://" of an address does not.
func (l *lexer) ends() bool { return l.op() != "" && !strings.HasPrefix(l.rest(), "://") }

// value reads what follows an operator: up to a space or a parenthesis that it did not open.
func (l *lexer) value() (string, error) {
	if l.quote() {
		v, err := l.quoted()
		if err == nil && l.op() != "" {
			err = l.fail(l.pos, "value goes on after its closing quote", "put all of it into the quotes")
		}
		return v, err
	}
	start, open := l.pos, 0
	for l.pos < len(l.text) {
		r, size := utf8.DecodeRuneInString(l.rest())
		if unicode.IsSpace(r) || r == ')' && open == 0 {
			break
		}
		switch r {
		case '(':
			open++
		case ')':
			open--
		case '"':
			return "", l.fail(l.pos, "quote in the middle of a value", "put all of it into the quotes")
		}
		l.pos += size
	}
	return l.text[start:l.pos], nil
}
