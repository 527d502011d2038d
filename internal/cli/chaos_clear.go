package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/state"
)

func newChaosClear(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "clear [TARGET…]",
		Short:             "Lift the faults of targets, or all",
		Long:              "clear lifts the faults that were put on a TARGET, or all where none is named. Open connections feel it at once." + chaosCodes,
		Example:           "  msctl chaos clear\n  msctl chaos clear orders:payments",
		ValidArgsFunction: a.completeEdges,
	}
	cmd.RunE = func(cmd *cobra.Command, targets []string) error {
		if len(targets) == 0 {
			targets = []string{""}
		}
		return a.withClient(cmd.Context(), func(ctx context.Context, c *control.Client) error {
			total := 0
			var wrong several
			for _, t := range once(targets) { // what can be lifted is, whatever else was mistyped
				n, err := c.ClearFaults(ctx, state.EdgeName(t))
				if errors.Is(err, state.ErrUnknownTarget) {
					err = strangeTarget(ctx, c, t, err)
				}
				if err != nil {
					wrong = append(wrong, err)
				}
				if err != nil && !errors.As(err, new(*control.Refusal)) && exitCode(err) != exitUsage {
					break // it answers no more
				}
				total += n
			}
			if total > 0 || len(wrong) == 0 {
				fmt.Fprintf(a.Err, "%s lifted\n", count(total, "fault"))
			}
			return wrong.orNil()
		})
	}
	return cmd
}
