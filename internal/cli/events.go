package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/state"
)

func newEvents(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "events [SERVICE…]",
		Short: "Show what happened to the fleet, and when",
		Long: "events lists what happened to the running fleet since it came up: starts, ends and restarts with their\n" +
			"reasons, builds, faults and notices, as the dashboard's view of events does. The newest thousand or so are\n" +
			"kept, as long as the fleet runs.",
		Example:           "  msctl events\n  msctl events -f orders payments\n  msctl events --since 10m --json | jq -r 'select(.kind==\"restart\").text'",
		ValidArgsFunction: a.completeNames,
	}
	follow := cmd.Flags().BoolP("follow", "f", false, "go on as more happens")
	since := cmd.Flags().String("since", "", "only what happened in the last `DURATION`, or since this time")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		from, err := momentFlag("--since", *since, time.Now())
		if err != nil {
			return err
		}
		return a.withUnits(cmd.Context(), names, func(ctx context.Context, c *control.Client, snap state.Snapshot) error {
			h := &history{names: names, since: from, print: a.printEvent(*asJSON)}
			if !*follow {
				h.last = snap.Seq
			}
			return h.tell(ctx, c)
		})
	}
	return cmd
}

// history is what is told of the events of a fleet.
type history struct {
	names []string // of services or units; empty is all
	since time.Time
	last  uint64 // the event to end with; 0 goes on
	print func(state.Event) error
}

// errTold ends the following of events.
var errTold = errors.New("all is told")

func (h *history) tell(ctx context.Context, c *control.Client) error {
	err := c.Follow(ctx, 0, func(ev state.Event) error {
		if h.wants(ev) {
			if err := h.print(ev); err != nil {
				return err
			}
		}
		if h.last > 0 && ev.Seq >= h.last {
			return errTold
		}
		return nil
	})
	if errors.Is(err, errTold) {
		return nil
	}
	return err
}

// wants leaves out what was measured, what is about others, and what is older than was asked for.
func (h *history) wants(ev state.Event) bool {
	if ev.Kind == state.KindUsage || ev.Text == "" || ev.Time.Before(h.since) {
		return false
	}
	return len(h.names) == 0 || ev.Unit != nil && len(pick([]state.Unit{*ev.Unit}, h.names)) > 0
}

// printEvent prints one event on a line.
func (a *App) printEvent(asJSON bool) func(state.Event) error {
	s := a.screenOf(a.Out)
	return func(ev state.Event) error {
		if asJSON {
			ev.Snapshot = nil
			return writeJSON(a.Out, "event", ev)
		}
		colour := ""
		switch {
		case ev.Unit != nil && ev.Kind == state.KindPhase:
			colour = phaseColour(ev.Unit.Phase)
		case ev.Kind == state.KindNotice, ev.Kind == state.KindRestart:
			colour = yellow
		}
		text := strings.ReplaceAll(clean(ev.Text), "\n", " ")
		_, err := fmt.Fprintf(s, "%s  %-7s  %s\n", s.paint(dim, clockText(ev.Time)), ev.Kind, s.paint(colour, text))
		return err
	}
}
