package cli

import "github.com/spf13/cobra"

func newAdd(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add",
		Short: "Add a resource, an edge or a route to the stack",
		Long: "add writes into stack.yaml and leaves every comment, blank line and quote elsewhere as it is. What the\n" +
			"file then says is checked before it is written, and a running fleet is reloaded.",
		Example: "  msctl add resource orders-db --type postgres --embedded sqlite\n  msctl add edge orders:billing\n" +
			"  msctl add route /v1/billing billing",
	}
	cmd.AddCommand(newAddResource(a), newAddEdge(a), newAddRoute(a))
	return cmd
}
