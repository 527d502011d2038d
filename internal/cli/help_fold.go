package cli

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// foldHelp makes the help of root and its commands fit the terminal that it is printed on. What goes
// elsewhere, or is narrow enough, stays as it was written.
func foldHelp(a *App, root *cobra.Command) {
	whole := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		s := a.screenOf(a.Out)
		if !s.terminal {
			whole(cmd, args)
			return
		}
		var b strings.Builder
		out := cmd.OutOrStdout()
		cmd.SetOut(&b)
		whole(cmd, args)
		cmd.SetOut(out)
		fmt.Fprint(out, foldText(b.String(), s.width))
	})
}

// foldText breaks the lines of a help text that are wider than width. Lines without indent that follow each
// other are a paragraph and flow together; of an indented line the rest goes below its text.
func foldText(text string, width int) string {
	var b strings.Builder
	var paragraph []string
	end := func() {
		b.WriteString(foldParagraph(paragraph, width))
		paragraph = nil
	}
	examples := false
	for line := range strings.Lines(text) {
		switch line = strings.TrimSuffix(line, "\n"); {
		case line == "":
			end()
			b.WriteString("\n")
		case !strings.HasPrefix(line, " "):
			paragraph = append(paragraph, line)
			examples = line == "Examples:"
		case utf8.RuneCountInString(line) <= width:
			end()
			b.WriteString(line + "\n")
		case examples:
			end()
			b.WriteString(foldExample(line, width) + "\n")
		default:
			end()
			b.WriteString(foldIndented(line, width) + "\n")
		}
	}
	end()
	return b.String()
}

// foldParagraph joins lines and breaks them anew, when one of them is too wide.
func foldParagraph(lines []string, width int) string {
	for _, l := range lines {
		if utf8.RuneCountInString(l) > width {
			return fold(strings.Join(lines, " "), width, "") + "\n"
		}
	}
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}

// leastText is the room that a text behind a name has at least, else it goes below the name.
const leastText = 24

// foldIndented breaks one line. Behind a name, such as a flag, a command or a mode, its text stays a column.
func foldIndented(line string, width int) string {
	indent, rest := cutIndent(line)
	name, text, is := strings.Cut(rest, "  ")
	if !is {
		first := fold(rest, width, indent+"    ")
		return indent + strings.TrimLeft(first, " ")
	}
	text = strings.TrimLeft(text, " ")
	column := utf8.RuneCountInString(line) - utf8.RuneCountInString(text)
	if width-column >= leastText {
		return indent + name + fold(text, width, strings.Repeat(" ", column))[len(indent)+utf8.RuneCountInString(name):]
	}
	return indent + name + "\n" + fold(text, width, indent+"    ")
}

// foldExample breaks a command line so that it can still be copied: between the words of the shell, with a
// backslash. A remark behind it goes above it.
func foldExample(line string, width int) string {
	indent, rest := cutIndent(line)
	if strings.HasPrefix(rest, "#") {
		return foldRemark(rest, width, indent)
	}
	if command, remark, is := strings.Cut(rest, "  #"); is {
		above := indent + "# " + strings.TrimSpace(remark)
		return foldRemark(above[len(indent):], width, indent) + "\n" + foldExample(indent+strings.TrimRight(command, " "), width)
	}
	var b strings.Builder
	room := 0
	for i, word := range shellWords(rest) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
			room = width - len(" \\") - len(indent)
			b.WriteString(indent)
		case n+1 > room:
			room = width - len(" \\") - len(indent) - 4
			b.WriteString(" \\\n" + indent + "    ")
		default:
			room--
			b.WriteString(" ")
		}
		room -= n
		b.WriteString(word)
	}
	return b.String()
}

// foldRemark breaks a remark, each line of it with a # of its own.
func foldRemark(remark string, width int, indent string) string {
	return fold(strings.TrimLeft(remark, "# "), width, indent+"# ")
}

// cutIndent parts the spaces at the beginning from the rest.
func cutIndent(line string) (indent, rest string) {
	rest = strings.TrimLeft(line, " ")
	return line[:len(line)-len(rest)], rest
}

// shellWords splits a command line at its spaces, except within quotes.
func shellWords(line string) []string {
	quote := rune(0)
	return strings.FieldsFunc(line, func(r rune) bool {
		switch {
		case r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote = r
		}
		return quote == 0 && r == ' '
	})
}
