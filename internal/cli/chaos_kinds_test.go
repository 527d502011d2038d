package cli

import (
	"strings"
	"testing"
	"unicode/utf8"

	"msctl.dev/msctl/chaos"
)

// TestKindsFit prints every kind of fault so that a terminal of 80 columns breaks no line, and aligned; in a pipe each
// text is one line.
func TestKindsFit(t *testing.T) {
	for _, k := range chaos.Kinds {
		if len(k.Name)+2 > kindColumn {
			t.Errorf("%s has no room in its column", k.Name)
		}
		for _, p := range k.Params {
			if kindColumn+len(p.Name)+2 > paramColumn {
				t.Errorf("%s: %s has no room in its column", k.Name, p.Name)
			}
		}
		var narrow, piped strings.Builder
		if err := describeKind(screen{Writer: &narrow, width: 80}, k); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(narrow.String()) {
			line = strings.TrimRight(line, "\n")
			if utf8.RuneCountInString(line) > 80 && !strings.Contains(line, "msctl chaos add") {
				t.Errorf("%s: a line is too long: %s", k.Name, line)
			}
			if begin := strings.Repeat(" ", kindColumn); !strings.HasPrefix(line, k.Name) && !strings.HasPrefix(line, begin) {
				t.Errorf("%s: a line begins too early: %q", k.Name, line)
			}
		}
		if err := describeKind(screen{Writer: &piped, width: unlimited}, k); err != nil {
			t.Fatal(err)
		}
		if want := 2 + len(k.Params); k.Example != "" && strings.Count(piped.String(), "\n") != want {
			t.Errorf("%s in a pipe is not %d lines:\n%s", k.Name, want, piped.String())
		}
	}
}
