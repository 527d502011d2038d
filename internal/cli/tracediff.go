package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/telemetry"
)

func newTraceDiff(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Compare two requests, or two times",
		Long: "diff compares two traces by their ids, or two windows of time written as FROM..TO, and lists what got\n" +
			"slower or faster, what is new and what is gone: the greatest change first. The ends of a window are\n" +
			"durations ago, times of day or RFC 3339; an empty end is now. Of many requests it reads those that stand\n" +
			"for all: then counts and times are estimates, which is said.",
		Example: "  msctl trace diff 4bf92f35 a1c3e5f7\n  msctl trace diff 20m..10m 10m..\n  msctl trace diff 14:00..14:05 14:10.. --json",
		Args:    args(cobra.ExactArgs(2)),
	}
	asJSON := jsonFlag(cmd)
	limit := cmd.Flags().IntP("limit", "n", 25, "at most this `NUMBER` of operations")
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		for _, w := range words {
			if checkTraceID(w) != nil && !strings.Contains(w, "..") {
				return usage("an id of `msctl traces`, or a window such as 20m..10m", "compare %q: neither a trace nor a window", w)
			}
		}
		return a.tell(cmd.Context(), func(t teller) error {
			d, err := t.Diff(cmd.Context(), words[0], words[1])
			if err != nil {
				return err
			}
			rows := d.Rows[:min(len(d.Rows), max(*limit, 0))]
			if *asJSON {
				return a.jsonLines("operation", len(rows), func(i int) any { return rows[i] })
			}
			diffTable(a.shown(), rows)
			if d.Estimated {
				fmt.Fprintln(a.screenOf(a.Err), "counts and times are estimated: of so many requests those are read that stand for all")
			}
			if len(rows) < len(d.Rows) {
				fmt.Fprintf(a.screenOf(a.Err), "%d more changed less: --limit\n", len(d.Rows)-len(rows))
			}
			return nil
		})
	}
	return cmd
}

func diffTable(s screen, rows []telemetry.DiffRow) {
	cols := []column{
		{title: "OPERATION", least: 24}, {title: "COUNT", right: true, spare: 1}, {title: "SELF A", right: true}, {title: "SELF B", right: true},
		{title: "CHANGE", right: true}, {title: "ERRORS", right: true, spare: 2},
	}
	cells := make([][]cell, len(rows))
	for i, r := range rows {
		cells[i] = []cell{
			{clean(r.Service + "  " + r.Name), ""}, {fmt.Sprintf("%d → %d", r.CountA, r.CountB), ""},
			{telemetry.Took(r.SelfA), ""}, {telemetry.Took(r.SelfB), ""}, change(r), {fmt.Sprintf("%d → %d", r.ErrorsA, r.ErrorsB), errorChange(r)},
		}
	}
	writeTable(s, "", cols, cells)
}

func errorChange(r telemetry.DiffRow) string {
	if r.ErrorsB > r.ErrorsA {
		return red
	}
	return ""
}

// change says how the self time of an operation changed.
func change(r telemetry.DiffRow) cell {
	switch {
	case r.Only == "a":
		return cell{"gone", yellow}
	case r.Only == "b":
		return cell{"new", yellow}
	}
	d := r.SelfB - r.SelfA
	switch {
	case d > max(r.SelfA/10, 50*time.Microsecond):
		return cell{"+" + telemetry.Took(d), red}
	case -d > max(r.SelfA/10, 50*time.Microsecond):
		return cell{"-" + telemetry.Took(-d), green}
	}
	return cell{"=", dim}
}
