package cli

import "github.com/spf13/cobra"

func newRemove(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "remove",
		Short:   "Take a service out of stack.yaml",
		Long:    "remove takes entries out of stack.yaml and leaves everything else as it is. It never deletes code.",
		Example: "  msctl remove service billing\n  msctl remove service billing --force --dry-run",
	}
	cmd.AddCommand(newRemoveService(a))
	return cmd
}
