package cli

import (
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

// TestHelpFolds asks every command for its help and breaks it for a narrow terminal: no line is wider but those that
// are one word, no word is lost, and nothing changes where there is room.
func TestHelpFolds(t *testing.T) {
	root := newRoot(&App{Out: io.Discard, Err: io.Discard, Getenv: func(string) string { return "" }, Dir: t.TempDir()})
	words := func(text string) string {
		kept := strings.Fields(text)
		kept = slices.DeleteFunc(kept, func(w string) bool { return w == `\` || w == "#" })
		slices.Sort(kept) // remarks go above their examples
		return strings.Join(kept, " ")
	}
	var each func(c *cobra.Command)
	each = func(c *cobra.Command) {
		whole := c.Long + "\n\n" + c.UsageString()
		if got := foldText(whole, unlimited); got != whole {
			t.Errorf("%s: changed without need: %s", c.CommandPath(), cmp.Diff(whole, got))
		}
		for _, width := range []int{80, 50} {
			narrow := foldText(whole, width)
			for line := range strings.Lines(narrow) {
				line = strings.TrimSuffix(line, "\n")
				if n := utf8.RuneCountInString(line); n > width && len(shellWords(strings.TrimSuffix(line, `\`))) > 1 {
					t.Errorf("%s at %d: a line of %d: %s", c.CommandPath(), width, n, line)
				}
			}
			if got, want := words(narrow), words(whole); got != want {
				t.Errorf("%s at %d: other words: %s", c.CommandPath(), width, cmp.Diff(want, got))
			}
		}
		for _, sub := range c.Commands() {
			each(sub)
		}
	}
	each(root)
}

// TestFoldText holds the forms of help: paragraphs, tables, flags, and examples that can still be copied.
func TestFoldText(t *testing.T) {
	const text = `orders asks payments and users for what it needs
and more.

short
lines

Modes:
  refuse  the callee is not asked, and says no: 409
  name-of-a-flag-that-is-wide  the text goes below it

Examples:
  msctl chaos run --workload 'POST /v1/orders {"a": 1}' --max 3
  source this        # for the shell; which must be a good one
  msctl up           # short

Usage:
  msctl chaos add TARGET KIND[=VALUE] [OPTION=VALUE]
`
	const want = `orders asks payments and users for what
it needs and more.

short
lines

Modes:
  refuse  the callee is not asked, and
          says no: 409
  name-of-a-flag-that-is-wide
      the text goes below it

Examples:
  msctl chaos run --workload \
      'POST /v1/orders {"a": 1}' \
      --max 3
  # for the shell; which must be a good
  # one
  source this
  msctl up           # short

Usage:
  msctl chaos add TARGET
      KIND[=VALUE] [OPTION=VALUE]
`
	if d := cmp.Diff(want, foldText(text, 39)); d != "" {
		t.Error(d)
	}
}

// TestHelpAtTerminal asks for help at a terminal of 60 columns, which breaks no word of it.
func TestHelpAtTerminal(t *testing.T) {
	x := newTmux(t, "name: shop\n", 60, 60, "chaos", "remove", "--help")
	x.shows("-h, --help", "copy with this NAME that up\n", "  --isolated started\n", "code 0.")
}
