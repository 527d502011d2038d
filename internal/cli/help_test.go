package cli

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestHelp holds every command to its form: one line, a paragraph, an example that names the command.
func TestHelp(t *testing.T) {
	a := &App{Out: io.Discard, Err: io.Discard, Getenv: func(string) string { return "" }, Dir: t.TempDir()}
	root := newRoot(a)
	for _, c := range root.Commands() {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") || c.Long == "" {
			t.Errorf("%s: short or long help is missing or has a full stop", c.Name())
		}
		if !strings.Contains(c.Example, "msctl "+c.Name()) {
			t.Errorf("%s: no example", c.Name())
		}
		for line := range strings.Lines(c.Long + "\n" + c.Example) {
			if len([]rune(line)) > 110 {
				t.Errorf("%s: a line of help is too long: %s", c.Name(), line)
			}
		}
	}
}

// TestHelpRuns asks every command for its help through the front door.
func TestHelpRuns(t *testing.T) {
	for _, c := range commands {
		var out bytes.Buffer
		a := &App{Out: &out, Err: io.Discard, Getenv: func(string) string { return "" }, Dir: t.TempDir()}
		name := name(c.make(a))
		if code := Main(t.Context(), a, []string{name, "--help"}); code != exitOK || !strings.Contains(out.String(), "Examples:") {
			t.Errorf("%s --help: code %d, got %s", name, code, out.String())
		}
	}
}

func name(c *cobra.Command) string { return c.Name() }
