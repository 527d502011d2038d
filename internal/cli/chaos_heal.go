package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/control"
)

// healer undoes what a kind of fault may have left behind, whether or not the fleet still runs. It returns
// how many things it undid.
type healer func(a *App, ctx context.Context, p place) (int, error)

// healers are asked by "chaos heal", in this order.
var healers = []healer{healUnits, healRuns}

func newChaosHeal(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "heal",
		Short: "Undo everything that chaos did, whoever did it",
		Long: "heal lifts every fault of the fleet, and undoes what an experiment left that was killed: what it stopped is started,\n" +
			"what it scaled has as many replicas as before. It may be called at any time and as often as you like, also when the\n" +
			"fleet is down. What an experiment did that still runs is left to it.\n\n" +
			"Exit codes: 0 nothing of it is left, 1 something could not be undone, 2 the command line is wrong.",
		Example: "  msctl chaos heal",
		Args:    args(cobra.NoArgs),
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx := cmd.Context()
		p, err := a.place()
		if err != nil {
			return err
		}
		lifted := 0
		err = a.withClient(ctx, func(ctx context.Context, c *control.Client) (err error) {
			lifted, err = c.ClearFaults(ctx, "")
			return err
		})
		if errors.Is(err, control.ErrNotRunning) {
			err = nil // faults end with the fleet
		}
		errs := []error{err}
		undone := 0
		for _, heal := range healers {
			n, err := heal(a, ctx, p)
			undone += n
			errs = append(errs, err)
		}
		fmt.Fprintf(a.Err, "%s lifted, %s undone\n", count(lifted, "fault"), count(undone, "effect"))
		return errors.Join(errs...)
	}
	return cmd
}
