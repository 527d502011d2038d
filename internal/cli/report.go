package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/output"
	"msctl.dev/msctl/internal/resource"
	"msctl.dev/msctl/internal/stack"
)

// report says what went wrong, each mistake on its own line with its hint, and returns the exit code.
func report(a *App, err error) int {
	code := exitCode(err)
	var quiet silent
	var sig *signalled
	if err == nil || errors.As(err, &quiet) || errors.As(err, &sig) {
		return code
	}
	veil := a.veil()
	for _, m := range mistakes(err) {
		say(a.Err, veil.Text(m.text), a.aimed(veil.Text(m.hint)))
	}
	return code
}

// mistake is one line for the user.
type mistake struct{ text, hint string }

// mistakes takes an error apart into what is printed.
func mistakes(err error) []mistake {
	var all stack.Errors
	if errors.As(err, &all) {
		out := make([]mistake, len(all))
		for i, e := range all {
			out[i] = mistake{e.Error(), e.Hint}
		}
		return out
	}
	var each several
	if errors.As(err, &each) {
		var out []mistake
		for _, e := range each {
			out = append(out, mistakes(e)...)
		}
		return out
	}
	m := mistake{text: err.Error()}
	var coded *codedError
	var one *stack.Error
	var refusal *control.Refusal
	var hinted interface{ Hint() string }
	var none *resource.CannotRun
	switch {
	case errors.As(err, &none):
		m.text, m.hint = cannotRun(err)
	case errors.As(err, &one):
		m.hint = one.Hint
	case errors.As(err, &coded):
		m.hint = coded.hint
	case errors.As(err, &refusal):
		m.hint = refusal.Hint
	case errors.As(err, &hinted):
		m.hint = hinted.Hint()
	}
	return []mistake{m}
}

// several is errors of one command that are told one after another. The first one decides the exit code.
type several []error

func (s several) Error() string   { return errors.Join(s...).Error() }
func (s several) Unwrap() []error { return s }

// orNil is nil where there is no error.
func (s several) orNil() error {
	if len(s) == 0 {
		return nil
	}
	return s
}

// say prints one mistake. Nothing in it can drive the terminal.
func say(w io.Writer, text, hint string) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	fmt.Fprintf(w, "msctl: %s\n", clean(lines[0]))
	for _, l := range lines[1:] {
		fmt.Fprintf(w, "  %s\n", clean(strings.TrimSpace(l)))
	}
	if hint != "" {
		fmt.Fprintf(w, "hint: %s\n", clean(hint))
	}
}

// clean shows text that comes from outside without letting it drive the terminal.
func clean(text string) string { return output.Plain([]byte(text)) }

// stackMistake reports an error of stack.yaml.
func stackMistake(err error) bool {
	var all stack.Errors
	var one *stack.Error
	return errors.As(err, &all) || errors.As(err, &one)
}

// commandArgs refuses every word where only a command can stand.
func commandArgs(cmd *cobra.Command, given []string) error {
	if len(given) == 0 {
		return nil
	}
	return unknownCommand(cmd, given[0])
}

// args wraps a check of arguments so that what it refuses reads like every other error.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		if check(cmd, given) == nil {
			return nil
		}
		got := "nothing after it"
		if len(given) > 0 {
			got = fmt.Sprintf("%q", strings.Join(given, " "))
		}
		return usage("see `"+cmd.CommandPath()+" --help`", "read arguments: want `%s`, got %s", useLine(cmd), got)
	}
}

// useLine is how a command is written, without the flags.
func useLine(cmd *cobra.Command) string {
	if !cmd.HasParent() {
		return cmd.Use
	}
	return cmd.Parent().CommandPath() + " " + cmd.Use
}
