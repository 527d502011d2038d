package cli

import (
	"context"
	"strings"
	"syscall"
	"testing"

	"msctl.dev/msctl/chaos/explore"
)

// TestScoreShown prints what was tried, and that it is not all.
func TestScoreShown(t *testing.T) {
	scores := []explore.Score{{Service: "orders", Edge: "orders:payments", Mode: "omit", Calls: 2, Survived: 1}}
	for _, c := range []struct {
		scores       []explore.Score
		sum          scored
		json         bool
		out, err     string
		silent, hush bool // nothing is printed
	}{
		{scores: scores, sum: scored{Why: "interrupted", Runs: 11, Of: 214}, out: "1 of 2", err: "interrupted: incomplete, after 11 of 214 runs\n"},
		{scores: scores, sum: scored{Complete: true, Runs: 214, Of: 214}, out: "1 of 2", hush: true},
		{sum: scored{Why: "interrupted"}, err: "interrupted before any fault was tried\n", silent: true},
		{scores: scores, sum: scored{Why: "interrupted", Runs: 11, Of: 214}, json: true, hush: true,
			out: `{"type":"scored","complete":false,"why":"interrupted","runs":11,"of":214}`},
	} {
		var out, err writes
		x := &exploring{App: &App{Dir: t.TempDir(), Getenv: func(string) string { return "" }, Out: &out, Err: &err}, o: &exploreOptions{json: c.json}}
		if lost := x.showScores(c.scores, c.sum); lost != nil {
			t.Error(lost)
		}
		if !strings.Contains(string(out), c.out) || c.silent && len(out) > 0 {
			t.Errorf("%+v: printed %q, want %q", c.sum, out, c.out)
		}
		if string(err) != c.err || c.hush && len(err) > 0 {
			t.Errorf("%+v: said %q, want %q", c.sum, err, c.err)
		}
	}
}

// TestChaosInterrupted has the exit code of the signal.
func TestChaosInterrupted(t *testing.T) {
	for want, why := range map[int]error{exitInterrupt: context.Canceled, exitTerminated: &signalled{syscall.SIGTERM}} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(why)
		if got := exitCode(interrupted(ctx)); got != want {
			t.Errorf("%v: code %d, want %d", why, got, want)
		}
	}
}
