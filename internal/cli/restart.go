package cli

import (
	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/control"
)

func newRestart(a *App) *cobra.Command {
	return a.operationCommand(&cobra.Command{
		Use:     "restart SERVICE…",
		Short:   "Restart services",
		Long:    "restart stops services, builds what changed, and starts them again. What calls them keeps running.",
		Example: "  msctl restart users\n  msctl restart users email",
	}, operation{verb: "restart", doing: "restarting", done: "restarted", first: ": building", do: (*control.Client).Restart})
}
