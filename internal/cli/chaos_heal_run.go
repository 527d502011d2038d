package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"msctl.dev/msctl/chaos/experiment"
	"msctl.dev/msctl/internal/control"
)

// owed is where experiments write down what they have to undo that does not end with a lease.
func (p place) owed() string { return filepath.Join(p.state(), "owed") }

// healRuns undoes what experiments owe that were killed: what they stopped is started, and as many replicas run as
// before.
func healRuns(a *App, ctx context.Context, p place) (int, error) {
	if all, err := experiment.Left(p.owed()); len(all) == 0 {
		return 0, err
	}
	c, err := p.connect(ctx)
	if errors.Is(err, control.ErrNotRunning) {
		_, err := experiment.Heal(ctx, p.owed(), nil)
		return 0, err
	}
	if err != nil {
		return 0, err
	}
	defer c.Close()
	done, err := experiment.Heal(ctx, p.owed(), c)
	for _, what := range done {
		fmt.Fprintf(a.Err, "undone for an experiment that was killed: %s\n", clean(what))
	}
	return len(done), err
}

// owing tells before an experiment what an earlier one owes that was killed.
func (a *App) owing(p place) {
	if all, err := experiment.Left(p.owed()); err == nil && len(all) > 0 {
		fmt.Fprintf(a.Err, "an experiment that was killed owes: %s; `msctl chaos heal` does it\n", clean(strings.Join(all, ", ")))
	}
}
