package cli

import (
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/spf13/cobra"
)

func newHelp(*App) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Show the help of a command",
		Long:    "help shows what a command does, its flags and examples: the same as COMMAND --help.",
		Example: "  msctl help up\n  msctl help",
	}
	cmd.ValidArgsFunction = func(cmd *cobra.Command, given []string, begun string) ([]string, cobra.ShellCompDirective) {
		of, err := find(cmd.Root(), given)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var out []string
		for _, c := range of.Commands() {
			if c.IsAvailableCommand() && strings.HasPrefix(c.Name(), begun) {
				out = append(out, c.Name()+"\t"+c.Short)
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		of, err := find(cmd.Root(), words)
		if err != nil {
			return err
		}
		of.InitDefaultHelpFlag()
		return of.Help()
	}
	return cmd
}

// find returns the command that words lead to, one level each.
func find(from *cobra.Command, words []string) (*cobra.Command, error) {
	at := from
	for _, w := range words {
		next, _, err := at.Find([]string{w})
		if err != nil || next == at {
			return nil, unknownCommand(at, w)
		}
		at = next
	}
	return at, nil
}

// unknownCommand suggests the commands that were probably meant.
func unknownCommand(parent *cobra.Command, word string) error {
	hint := "see `" + parent.CommandPath() + " --help`"
	if near := nearCommands(parent, word); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, ", ") + "?"
	}
	if !parent.HasParent() {
		return usage(hint, "unknown command %q", word)
	}
	return usage(hint, "unknown command %q of %s", word, parent.CommandPath())
}

// nearCommands returns the commands that begin with word or are one slip away from it; two where at least
// the first letter is right.
func nearCommands(parent *cobra.Command, word string) []string {
	return slices.DeleteFunc(parent.SuggestionsFor(word), func(name string) bool {
		return name[0] != word[0] && levenshtein.ComputeDistance(name, word) > 1
	})
}

// refuseUnknown makes a command that only groups others show its help, and refuse a word that is none of
// them.
func refuseUnknown(cmd *cobra.Command) {
	if cmd.HasSubCommands() && !cmd.Runnable() {
		cmd.Args = commandArgs
		cmd.SuggestionsMinimumDistance = cmd.Root().SuggestionsMinimumDistance
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	for _, c := range cmd.Commands() {
		refuseUnknown(c)
	}
}
