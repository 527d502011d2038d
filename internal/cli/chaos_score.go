package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/chaos/explore"
)

func newChaosScore(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "score",
		Short: "Show which faults on its edges each service survives",
		Long: "score makes one request once for each call that it leads to and each way in which that can fail, and sums up\n" +
			"by service: after how many runs all invariants held (survived), and how many of these were answered as if\n" +
			"nothing had happened (masked). `msctl chaos explore` goes on to several faults at once.\n\n" +
			modesHelp() + "\n\n" +
			"Exit codes: 0 all survived, 1 something broke, 2 usage or a mistake in a file (stack.yaml too), 3 something is\n" +
			"broken without a fault, 4 a fault or probe could not run, or no fleet runs, 6 the budget was over before all was\n" +
			"tried, 130 interrupted.",
		Example: "  msctl chaos score\n  msctl chaos score --edges orders:* --json",
		Args:    args(cobra.NoArgs),
	}
	o := &exploreOptions{faults: 1, all: true, thorough: true}
	o.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return a.searching(cmd.Context(), o, func(ctx context.Context, x *exploring) error { return x.score(ctx) })
	}
	return cmd
}

// score tries every fault alone and sums up.
func (x *exploring) score(ctx context.Context) error {
	s := x.search()
	s.Again = -1
	var runs []explore.Past
	r, err := x.do(ctx, s, func(p explore.Past) error { runs = append(runs, p); return nil })
	if err := x.failure(ctx, err); err != nil {
		return err
	}
	if err := x.idle(r.Clean.Calls); err != nil {
		return err
	}
	x.warn(r)
	scores := explore.Scores(r.Clean, runs)
	if x.o.json {
		err = x.jsonLines("score", len(scores), func(i int) any { return scores[i] })
	} else {
		scoreTable(x.shown(), scores)
	}
	if err != nil {
		return err
	}
	if len(r.Found) == 0 && !r.Complete {
		fmt.Fprintln(x.Err, r.Why)
	}
	return x.verdict(r)
}

func scoreTable(s screen, scores []explore.Score) {
	cols := []column{{title: "SERVICE", least: 8}, {title: "EDGE", least: 12}, {title: "FAULT"}, {title: "SURVIVED", right: true},
		{title: "MASKED", right: true}, {title: "BREAKS", least: 12}}
	rows := make([][]cell, len(scores))
	last := ""
	for i, one := range scores {
		colour, name := green, one.Service
		if one.Survived < one.Calls {
			colour = red
		}
		if name == last {
			name = ""
		}
		last = one.Service
		rows[i] = []cell{{clean(name), bold}, {clean(one.Edge), ""}, {one.Mode, ""}, {fmt.Sprintf("%d of %d", one.Survived, one.Calls), colour},
			{fmt.Sprintf("%d of %d", one.Masked, one.Calls), ""}, {clean(strings.Join(one.Broken, "; ")), red}}
	}
	writeTable(s, "", cols, rows)
}
