package cli

import (
	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/control"
)

func newStart(a *App) *cobra.Command {
	return a.operationCommand(&cobra.Command{
		Use:     "start SERVICE…",
		Short:   "Start stopped services and what they need",
		Long:    "start brings services up that were stopped, failed or left out of `up`, and what they need first.",
		Example: "  msctl start email\n  msctl start email users",
	}, operation{verb: "start", doing: "starting", done: "started", others: true, do: (*control.Client).Start})
}
