package cli

import (
	"context"
	"fmt"
	"slices"
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
			"Exit codes: 0 all survived, 1 something broke, 2 usage, a mistake in a file (stack.yaml too), or the request leads to\n" +
			"no call that is to be disturbed, 3 something is broken without a fault, 4 a fault or probe could not run, no fleet\n" +
			"runs, or another search of it goes on, 6 the budget was over before all was tried, 130 interrupted: the table has what\n" +
			"was tried until then.",
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
	err = x.failure(ctx, err)
	if err == nil {
		if err := x.idle(r.Clean.Calls); err != nil {
			return err
		}
	}
	x.warn(r)
	sum := scored{Complete: r.Complete && err == nil, Why: r.Why, Runs: len(disturbed(runs)), Of: x.singles(r.Clean.Calls)}
	switch {
	case ctx.Err() != nil:
		sum.Why = "interrupted"
	case err != nil:
		sum.Why = "it could not go on"
	}
	if lost := x.showScores(explore.Scores(r.Clean, runs), sum); lost != nil {
		return lost
	}
	if err != nil {
		return err
	}
	return x.verdict(r)
}

// scored is how far a score came. Its zero value tried nothing.
type scored struct {
	Complete bool   `json:"complete"`
	Why      string `json:"why,omitempty"` // it is not
	Runs     int    `json:"runs"`          // with a fault
	Of       int    `json:"of"`            // that there are to be made; 0: not known, as it ended before
}

// disturbed are the runs with a fault.
func disturbed(runs []explore.Past) []explore.Past {
	return slices.DeleteFunc(slices.Clone(runs), func(p explore.Past) bool { return len(p.Set) == 0 })
}

// singles is how many faults there are on calls of the request.
func (x *exploring) singles(calls []explore.Call) (n int) {
	for _, c := range calls {
		n += len(x.modes(c))
	}
	return n
}

// showScores prints what was found, and whether that is all.
func (x *exploring) showScores(scores []explore.Score, sum scored) error {
	if x.o.json {
		if err := x.jsonLines("score", len(scores), func(i int) any { return scores[i] }); err != nil {
			return err
		}
		return x.jsonLines("scored", 1, func(int) any { return sum })
	}
	if len(scores) > 0 {
		scoreTable(x.shown(), scores)
	}
	if !sum.Complete && sum.Why != "" {
		fmt.Fprintln(x.screenOf(x.Err), clean(sum.String()))
	}
	return nil
}

// String says how far it came.
func (s scored) String() string {
	if s.Of == 0 {
		return s.Why + " before any fault was tried"
	}
	return fmt.Sprintf("%s: incomplete, after %d of %s", s.Why, s.Runs, count(s.Of, "run"))
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
