package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// generated is the first line of every page that is made, not written.
const generated = "<!-- made by `make generate`; edits are lost -->\n\n"

// referencePages is every generated page by its file name.
var referencePages = []struct {
	file string
	make func(root *cobra.Command) []byte
}{
	{"commands.md", commandPage},
	{"kinds.md", func(*cobra.Command) []byte { return kindPage() }},
	{"faults.md", func(*cobra.Command) []byte { return faultPage() }},
	{"stack.md", func(*cobra.Command) []byte { return stackPage() }},
}

func newDocs(*App) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "docs DIR",
		Short:   "Write the reference pages",
		Long:    "docs writes the pages of docs/reference: every command, every kind of resource, every key of stack.yaml.",
		Example: "  msctl docs docs/reference",
		Args:    args(cobra.ExactArgs(1)),
		Hidden:  true,
	}
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		if err := os.MkdirAll(words[0], 0o755); err != nil {
			return fmt.Errorf("write reference: %w", err)
		}
		for _, p := range referencePages {
			if err := os.WriteFile(filepath.Join(words[0], p.file), p.make(cmd.Root()), 0o644); err != nil {
				return fmt.Errorf("write reference: %w", err)
			}
		}
		return nil
	}
	return cmd
}

// commandPage describes every command, in the groups of the help.
func commandPage(root *cobra.Command) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Commands\n\n%s%s\n\n", generated, paragraph(strings.Split(root.Long, "\n\n")[0]))
	for _, g := range root.Groups() {
		fmt.Fprintf(&b, "%s\n", strings.TrimSuffix(g.Title, ":"))
		for _, c := range inGroup(root, g.ID) {
			fmt.Fprintf(&b, "- [%s](#msctl-%s): %s\n", c.Name(), c.Name(), lowerFirst(c.Short))
		}
		b.WriteString("\n")
	}
	b.WriteString("Every command takes these flags:\n\n")
	all := pflag.NewFlagSet("all", pflag.ContinueOnError)
	root.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" {
			all.AddFlag(f)
		}
	})
	writeFlags(&b, all)
	for _, g := range root.Groups() {
		for _, c := range inGroup(root, g.ID) {
			writeCommand(&b, c)
		}
	}
	b.WriteString("## Exit codes\n\n| code | meaning |\n|---|---|\n")
	for _, c := range exitCodes {
		fmt.Fprintf(&b, "| %d | %s |\n", c.code, c.doc)
	}
	b.WriteString("\n`run` and `exec` pass on the code of their command.\n")
	return b.Bytes()
}

// inGroup returns the commands of a group that the help shows.
func inGroup(root *cobra.Command, id string) []*cobra.Command {
	return slices.DeleteFunc(slices.Clone(root.Commands()), func(c *cobra.Command) bool { return c.GroupID != id || c.Hidden })
}

// writeCommand describes one command, and those below it.
func writeCommand(b *bytes.Buffer, c *cobra.Command) {
	fmt.Fprintf(b, "## %s\n\n%s.\n\n", c.CommandPath(), c.Short)
	fmt.Fprintf(b, "```\n%s\n```\n\n", useLine(c))
	if c.Long != "" {
		writeProse(b, c.Long)
	}
	own := pflag.NewFlagSet(c.Name(), pflag.ContinueOnError)
	c.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "file" && f.Name != "help" {
			own.AddFlag(f)
		}
	})
	writeFlags(b, own)
	if c.Example != "" {
		fmt.Fprintf(b, "```sh\n%s\n```\n\n", unindent(c.Example))
	}
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			writeCommand(b, sub)
		}
	}
}

// writeProse writes a help text: its paragraphs, and as it stands what is indented in them.
func writeProse(b *bytes.Buffer, text string) {
	for _, block := range strings.Split(text, "\n\n") {
		lines := strings.Split(block, "\n")
		list := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "  ") })
		if list < 0 {
			list = len(lines)
		}
		fmt.Fprintf(b, "%s\n\n", paragraph(strings.Join(lines[:list], " ")))
		if list < len(lines) {
			fmt.Fprintf(b, "```text\n%s\n```\n\n", unindent(strings.Join(lines[list:], "\n")))
		}
	}
}

// writeFlags is a table of flags, or nothing where there are none.
func writeFlags(b *bytes.Buffer, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	b.WriteString("| flag | | default |\n|---|---|---|\n")
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		kind, doc := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if kind != "" {
			name += " " + kind
		}
		value := f.DefValue
		if value == "[]" || value == "false" || value == "0s" {
			value = ""
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", name, inTable(doc), inTable(value))
	})
	b.WriteString("\n")
}

// inTable keeps text within one cell.
func inTable(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "\n", " "), "|", "\\|")
}

// paragraph joins the lines of a help text that are broken for the terminal.
func paragraph(text string) string { return strings.Join(strings.Fields(text), " ") }

// unindent takes the help's indent away.
func unindent(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "  ")
	}
	return strings.Join(lines, "\n")
}

func lowerFirst(text string) string { return strings.ToLower(text[:1]) + text[1:] }
