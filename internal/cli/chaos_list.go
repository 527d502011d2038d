package cli

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/chaos"
	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/state"
)

func newChaosList(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show the faults that act now",
		Long: "list shows the faults that act in the running fleet: where, what they do and to which share, when they are\n" +
			"lifted, and on how many connections or requests they have acted." + chaosCodes,
		Example: "  msctl chaos list\n  msctl chaos list --json",
		Args:    args(cobra.NoArgs),
	}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return a.withClient(cmd.Context(), func(ctx context.Context, c *control.Client) error {
			faults, err := c.Faults(ctx)
			if err != nil {
				return err
			}
			if *asJSON {
				for _, f := range faults {
					if err := writeJSON(a.Out, "fault", f); err != nil {
						return err
					}
				}
				return nil
			}
			if len(faults) == 0 {
				fmt.Fprintln(a.Err, "no faults act")
				return nil
			}
			faultTable(a.screenOf(a.Out), faults, time.Now())
			return nil
		})
	}
	return cmd
}

func faultTable(s screen, faults []state.Fault, now time.Time) {
	rows := make([][]cell, len(faults))
	for i, f := range faults {
		share := "all"
		if f.Toxicity > 0 && f.Toxicity < 1 {
			share = strconv.FormatFloat(100*f.Toxicity, 'g', 4, 64) + "%"
		}
		f.Toxicity = 0
		rows[i] = []cell{{f.ID, bold}, {state.EdgeTitle(f.Target), ""}, {chaos.Title(f), ""}, {share, ""},
			{shortDuration(max(0, f.Until.Sub(now))), ""}, {strconv.FormatInt(f.Acted, 10), ""}}
	}
	writeTable(s, "", []column{{title: "ID", least: 10}, {title: "TARGET", least: 12}, {title: "FAULT", least: 12},
		{title: "SHARE", spare: 1}, {title: "ENDS IN"}, {title: "ACTED", right: true, spare: 2}}, rows)
}
