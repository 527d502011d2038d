package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/output"
	"msctl.dev/msctl/internal/telemetry/desk"
	"msctl.dev/msctl/internal/tui"
)

func newDash(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dash",
		Short: "Look at the running fleet on one screen",
		Long: "dash shows the running fleet at the terminal: services, logs, traces, the map of calls, events and contracts.\n" +
			"From there services are restarted, stopped and scaled. ? lists the keys. Leaving it changes nothing.",
		Example: "  msctl up -d && msctl dash\n  msctl dash --instance i1",
		Args:    args(cobra.NoArgs),
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if !a.canDraw() {
			return usage("`msctl ps`, `msctl logs -f` and `msctl map` print the same as lines", "dash needs a terminal")
		}
		p, err := a.place()
		if err != nil {
			return err
		}
		c, err := p.connect(cmd.Context())
		if err != nil {
			return err
		}
		defer c.Close()
		return a.look(cmd.Context(), p, c, "")
	}
	return cmd
}

// canDraw reports that a dashboard can be shown: a terminal at both ends that knows more than lines, and
// nobody's automation.
func (a *App) canDraw() bool {
	in, ok := a.In.(*os.File)
	return ok && a.screenOf(in).terminal && a.screenOf(a.Out).terminal && a.Getenv("TERM") != "dumb" && a.Getenv("CI") == ""
}

// look shows the dashboard of a fleet that is another process's, with a notice where there is one.
func (a *App) look(ctx context.Context, p place, c *control.Client, notice string) error {
	o, err := a.dashboard(ctx, p, c)
	if err != nil {
		return err
	}
	o.Notice = notice
	_, err = tui.Run(ctx, o.source, o.Options)
	return a.dashEnd(p, err)
}

// dashboard is what a dashboard needs.
type dashboard struct {
	source tui.Source
	tui.Options
}

// behindScreen is how far back the output goes that a dashboard shows at first.
const behindScreen = 15 * time.Minute

func (a *App) dashboard(ctx context.Context, p place, c *control.Client) (dashboard, error) {
	veil, err := a.logVeil(ctx, p)
	if err != nil {
		return dashboard{}, err
	}
	d := dashboard{
		source:  dashSource{Client: c, Telemetry: desk.Remote{Ask: c.Ask}, logs: p.logs(), mask: veil.Bytes, hub: &output.Hub{}, board: a.contractBoard},
		Options: tui.Options{In: a.In, Out: a.Out, Environ: a.Environ, Since: time.Now().Add(-behindScreen), Called: a.called()},
	}
	if a.desktop() {
		d.Browse = browse
	}
	return d, nil
}

// dashEnd says how a dashboard ended. Where it broke, what is needed to mend it is kept in a file.
func (a *App) dashEnd(p place, err error) error {
	var crash *tui.Crash
	if !errors.As(err, &crash) {
		return err
	}
	path := filepath.Join(p.state(), "crash.txt")
	text := a.veil().Text(fmt.Sprintf("msctl %s, %s\n%v\n\n%s", version(), time.Now().Format(time.RFC3339), crash.Value, crash.Stack))
	os.Remove(path) // an older one may be readable by others
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return crash
	}
	return failed(path+" says where; the fleet runs on", "%w", crash)
}

// dashSource is the fleet behind the socket, with the output that its units leave on disk.
type dashSource struct {
	*control.Client
	tui.Telemetry
	logs string // folder with one log folder per unit
	mask func([]byte) []byte
	hub  *output.Hub

	board func(ctx context.Context) (tui.Contracts, error)
}

// Contracts reads the pacts of the stack, and what verifications of them found.
func (s dashSource) Contracts(ctx context.Context) (tui.Contracts, error) { return s.board(ctx) }

// Lines follows what a unit prints, with secrets masked.
func (s dashSource) Lines(ctx context.Context, unit string, since time.Time, fn func([]output.Line) error) error {
	return s.hub.Follow(ctx, filepath.Join(s.logs, unit), output.Query{Since: since}, func(lines []output.Line) error {
		for i := range lines {
			lines[i].Text = s.mask(lines[i].Text)
		}
		return fn(lines)
	})
}
