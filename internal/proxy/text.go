package proxy

import "bytes"

// blank reports what may stand around a value.
func blank(c byte) bool { return c == ' ' || c == '\t' }

// is compares with a lower-case word.
func is(b []byte, word string) bool {
	if len(b) != len(word) {
		return false
	}
	for i := range b {
		c := b[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != word[i] {
			return false
		}
	}
	return true
}

// lists reports that a comma-separated list has a word.
func lists(b []byte, word string) bool {
	for len(b) > 0 {
		one, rest, _ := bytes.Cut(b, []byte{','})
		if is(bytes.Trim(one, " \t"), word) {
			return true
		}
		b = rest
	}
	return false
}

// Classes of characters, RFC 9110 section 5.
const (
	isToken   = 1 << iota // of names
	isVisible             // of request targets
	isText                // of values
)

var classes = classify()

func classify() (c [256]byte) {
	for i := range c {
		switch {
		case i > ' ' && i < 0x7f:
			c[i] = isVisible | isText
		case i >= 0x80:
			c[i] = isVisible | isText
		case i == ' ' || i == '\t':
			c[i] = isText
		}
		if i >= '0' && i <= '9' || i >= 'a' && i <= 'z' || i >= 'A' && i <= 'Z' || i < 0x80 && i > 0 && bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), byte(i)) >= 0 {
			c[i] |= isToken
		}
	}
	return c
}

func all(b []byte, class byte) bool {
	for _, c := range b {
		if classes[c]&class == 0 {
			return false
		}
	}
	return true
}
