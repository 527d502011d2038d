package cli

import (
	"context"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"msctl.dev/msctl/internal/driver"
)

func newExec(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "exec SERVICE COMMAND…",
		Short: "Run a command where a running service runs",
		Long: "exec runs a command inside the container of a service or backing server. For a service that is a process\n" +
			"it is the same as `run SERVICE -- COMMAND`. Beside a server that is a process it runs on this machine,\n" +
			"with the server's address in NAME_URL, and psql, redis-cli, mysql, mongosh, nats and sqlite3 find it.",
		Example:           "  msctl exec gateway -- sh\n  msctl exec users-db psql -c 'select 1'\n  msctl exec cache redis-cli info server",
		Args:              args(serviceAndCommand),
		ValidArgsFunction: a.completeOne,
	}
	cmd.Flags().SetInterspersed(false)
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		argv := words[1:]
		if argv[0] == "--" {
			argv = argv[1:]
		}
		return a.inside(cmd.Context(), words[0], argv)
	}
	return cmd
}

// execContainer runs argv in the container of a unit, with the terminal when there is one.
func (a *App) execContainer(ctx context.Context, unit string, argv []string) error {
	p, err := a.place()
	if err != nil {
		return err
	}
	stdio := driver.Stdio{In: a.In, Out: a.Out, Err: a.Err}
	if in, ok := a.In.(*os.File); ok && term.IsTerminal(int(in.Fd())) && a.screenOf(a.Out).terminal {
		stdio.TTY = true
		if old, err := term.MakeRaw(int(in.Fd())); err == nil {
			defer term.Restore(int(in.Fd()), old)
		}
	}
	code, err := a.executor(p).Exec(ctx, unit, argv, stdio)
	if err != nil {
		return err
	}
	if code != 0 {
		return silent(code)
	}
	return nil
}
