package cli

import "github.com/spf13/cobra"

func newImport(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "import",
		Short:   "Make a stack.yaml from a Docker Compose file",
		Long:    "import reads what describes a fleet elsewhere and writes it as a stack.yaml.",
		Example: "  msctl import compose compose.yaml\n  msctl import compose compose.yaml -o stack.yaml && msctl up",
	}
	cmd.AddCommand(newImportCompose(a))
	return cmd
}
