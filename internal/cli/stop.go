package cli

import (
	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/control"
)

func newStop(a *App) *cobra.Command {
	return a.operationCommand(&cobra.Command{
		Use:   "stop SERVICE…",
		Short: "Stop services; the rest goes on",
		Long: "stop ends services politely, after their grace by force, and returns when nothing of them is left.\n" +
			"Ctrl-C ends the waiting, not the stop. Resources can be stopped too: `msctl stop mail` is a mail\n" +
			"server that is down.",
		Example: "  msctl stop email\n  msctl stop mail",
	}, operation{verb: "stop", doing: "stopping", done: "stopped", do: (*control.Client).Stop})
}
