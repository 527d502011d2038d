package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/state"
)

func newChaosRemove(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "remove ID…",
		Short:             "Lift faults by their ids",
		Long:              "remove lifts the faults of those ids, all or none. Open connections feel it at once. `msctl chaos list` shows the ids." + chaosCodes,
		Example:           "  msctl chaos remove latency-1\n  msctl chaos remove slow refuse-2",
		Args:              args(cobra.MinimumNArgs(1)),
		ValidArgsFunction: a.completeFaultIDs,
	}
	cmd.RunE = func(cmd *cobra.Command, ids []string) error {
		return a.withClient(cmd.Context(), func(ctx context.Context, c *control.Client) error {
			n, err := c.RemoveFaults(ctx, ids)
			if errors.Is(err, state.ErrUnknownFault) {
				return strangeFault(ctx, c, ids, err)
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(a.Err, "%s lifted\n", count(n, "fault"))
			return nil
		})
	}
	return cmd
}

// strangeFault adds to the error about an id that is not there the nearest one that is.
func strangeFault(ctx context.Context, c *control.Client, ids []string, err error) error {
	known, lost := faultIDs(ctx, c)
	if lost != nil {
		return err
	}
	for _, id := range ids {
		if near := nearest(id, known); near != "" && near != id {
			return usage("did you mean "+near+"?", "%w", err)
		}
	}
	if len(known) == 0 {
		return usage("", "%w", err) // it says that none acts
	}
	return usage("`msctl chaos list` shows them", "%w", err)
}

func faultIDs(ctx context.Context, c *control.Client) ([]string, error) {
	faults, err := c.Faults(ctx)
	var ids []string
	for _, f := range faults {
		ids = append(ids, f.ID)
	}
	return ids, err
}

// completeFaultIDs completes the ids of the faults that act.
func (a *App) completeFaultIDs(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	var ids []string
	_ = a.withClient(cmd.Context(), func(ctx context.Context, c *control.Client) (err error) { // nothing runs: nothing to complete
		ids, err = faultIDs(ctx, c)
		return err
	})
	return ids, cobra.ShellCompDirectiveNoFileComp
}
