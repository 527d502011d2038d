package output

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

var cleanCases = []struct{ in, clean, plain string }{
	{"", "", ""},
	{"plain\ttext", "plain\ttext", "plain\ttext"},
	{"\x1b[31mred\x1b[0m end", "\x1b[31mred\x1b[0m end", "red end"},
	{"\x1b[38:2::1:2:3mopen", "\x1b[38:2::1:2:3mopen\x1b[0m", "open"},
	{"\x1b[mnone", "\x1b[mnone", "none"},
	{"\x1b]0;title\x07", `\x1b]0;title\x07`, `\x1b]0;title\x07`},
	{"\x1b]52;c;ZXZpbA==\x1b\\", `\x1b]52;c;ZXZpbA==\x1b\`, `\x1b]52;c;ZXZpbA==\x1b\`},
	{"\x1b[2J\x1b[H", `\x1b[2J\x1b[H`, `\x1b[2J\x1b[H`},
	{"\x1b[?25lm", `\x1b[?25lm`, `\x1b[?25lm`},
	{"\x1b[>4;2m", `\x1b[>4;2m`, `\x1b[>4;2m`},
	{"a\rb\x00\x7f", `a\x0db\x00\x7f`, `a\x0db\x00\x7f`},
	{"\u009b31m\x9b", `\x9b31m\x9b`, `\x9b31m\x9b`},
	{"\u202eevil\u2066", `\u202eevil\u2066`, `\u202eevil\u2066`},
	{"bad \xff\xc3", `bad \xff\xc3`, `bad \xff\xc3`},
	{"\x1b", `\x1b`, `\x1b`},
	{"\x1b[1", `\x1b[1`, `\x1b[1`},
	{"grüße 世界 👍🏽", "grüße 世界 👍🏽", "grüße 世界 👍🏽"},
}

// TestClean is D2.
func TestClean(t *testing.T) {
	for _, c := range cleanCases {
		if got := Clean([]byte(c.in)); got != c.clean {
			t.Errorf("Clean(%q) = %q, want %q", c.in, got, c.clean)
		}
		if got := Plain([]byte(c.in)); got != c.plain {
			t.Errorf("Plain(%q) = %q, want %q", c.in, got, c.plain)
		}
	}
}

// FuzzClean is D2: a terminal's own parser finds nothing in the cleaned text but colours and what prints.
func FuzzClean(f *testing.F) {
	for _, c := range cleanCases {
		f.Add([]byte(c.in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		clean, plain := Clean(in), Plain(in)
		if !utf8.ValidString(clean) || strings.ContainsRune(plain, esc) {
			t.Fatalf("%q gives %q and %q", in, clean, plain)
		}
		if got := ansi.Strip(clean); got != plain {
			t.Fatalf("%q without its colours is %q, want %q", clean, got, plain)
		}
		for _, r := range plain {
			if r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
				t.Fatalf("%q lets %q through", in, r)
			}
		}
	})
}
