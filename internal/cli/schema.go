package cli

import (
	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/stack"
)

func newSchema(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "schema",
		Short:   "Print the JSON schema of stack.yaml",
		Long:    "schema prints what stack.yaml may say, with every default, for editors that check as you type.",
		Example: "  msctl schema > stack.schema.json\n  # then, as the first line of stack.yaml:\n  # yaml-language-server: $schema=stack.schema.json",
		Args:    args(cobra.NoArgs),
	}
	cmd.RunE = func(*cobra.Command, []string) error {
		_, err := a.Out.Write(stack.Schema())
		return err
	}
	return cmd
}
