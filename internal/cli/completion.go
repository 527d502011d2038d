package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

// shells is what completion knows to write for.
var shells = []string{"bash", "zsh", "fish", "powershell"}

func newCompletion(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print what makes a shell complete msctl",
		Long: "completion prints a script for " + strings.Join(shells, ", ") + ". With it, Tab completes commands, flags and the\n" +
			"names of this folder's services, tasks and profiles.",
		Example: "  source <(msctl completion bash)                                # this shell; bash-completion must be there\n" +
			"  msctl completion bash > /etc/bash_completion.d/msctl           # every bash\n" +
			"  msctl completion zsh > \"${fpath[1]}/_msctl\"                    # every zsh\n" +
			"  msctl completion fish > ~/.config/fish/completions/msctl.fish  # every fish",
		Args:      args(cobra.ExactArgs(1)),
		ValidArgs: shells,
	}
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		root := cmd.Root()
		switch words[0] {
		case "bash":
			return root.GenBashCompletionV2(a.Out, true)
		case "zsh":
			return root.GenZshCompletion(a.Out)
		case "fish":
			return root.GenFishCompletion(a.Out, true)
		case "powershell":
			return root.GenPowerShellCompletionWithDesc(a.Out)
		}
		hint := strings.Join(shells, ", ")
		if near := nearest(words[0], shells); near != "" {
			hint = "did you mean " + near + "?"
		}
		return usage(hint, "unknown shell %q", words[0])
	}
	return cmd
}
