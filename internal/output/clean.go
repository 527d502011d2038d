package output

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

const esc = 0x1b

// Clean makes text safe to show on a terminal: colours (SGR sequences) and tabs are kept, every other
// control is shown as what it is, \x1b for escape, and so is what is no UTF-8 and what changes the
// direction of text. A colour that is still on at the end is switched off.
func Clean(text []byte) string { return render(text, true) }

// Plain is Clean without colours.
func Plain(text []byte) string { return render(text, false) }

// bare returns text without SGR sequences, for searching.
func bare(text []byte) []byte {
	if bytes.IndexByte(text, esc) < 0 {
		return text
	}
	return []byte(Plain(text))
}

func render(text []byte, colour bool) string {
	if plainASCII(text) {
		return string(text)
	}
	var b strings.Builder
	on := false
	for len(text) > 0 {
		if n := sgr(text); n > 0 {
			if colour {
				b.Write(text[:n])
				on = !resets(text[2 : n-1])
			}
			text = text[n:]
			continue
		}
		r, n := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case r == '\t' || !hidden(r):
			b.Write(text[:n])
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		text = text[n:]
	}
	if on {
		b.WriteString("\x1b[0m")
	}
	return b.String()
}

func plainASCII(text []byte) bool {
	for _, c := range text {
		if (c < ' ' && c != '\t') || c >= 0x7f {
			return false
		}
	}
	return true
}

// sgr returns the length of the SGR sequence at the start of b, or 0: ESC [ digits ; : m.
func sgr(b []byte) int {
	if len(b) < 3 || b[0] != esc || b[1] != '[' {
		return 0
	}
	for i := 2; i < len(b) && i < 64; i++ {
		switch c := b[i]; {
		case c == 'm':
			return i + 1
		case c != ';' && c != ':' && (c < '0' || c > '9'):
			return 0
		}
	}
	return 0
}

// resets reports whether the parameters of an SGR sequence leave every attribute off.
func resets(params []byte) bool { return len(bytes.Trim(params, "0;")) == 0 }

// hidden reports whether r is a control, or changes the direction or the lines of the text around it.
func hidden(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r < 0xa0: // C0, DEL, C1
		return true
	case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069: // embeddings, overrides, isolates
		return true
	case r == 0x200e, r == 0x200f, r == 0x061c: // direction marks
		return true
	case r == 0x2028, r == 0x2029: // line and paragraph separator
		return true
	}
	return false
}
