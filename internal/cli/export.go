package cli

import "github.com/spf13/cobra"

func newExport(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "export",
		Short:   "Make a Docker Compose file from the stack",
		Long:    "export writes what the stack is in the words of another tool.",
		Example: "  msctl export compose\n  msctl export compose -o compose.yaml && docker compose config",
	}
	cmd.AddCommand(newExportCompose(a))
	return cmd
}
