package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/driver/container"
	"msctl.dev/msctl/internal/fleet"
)

// healUnits undoes what a supervisor that was killed did to processes and containers.
func healUnits(a *App, ctx context.Context, p place) (int, error) {
	units, err := a.calm(ctx, p)
	return len(units), err
}

// calm undoes what is left of faults on units, and returns which units those were.
func (a *App) calm(ctx context.Context, p place) ([]string, error) {
	var containers driver.Driver
	if !missing(containersMark(p)) && container.Ping(ctx) == nil {
		containers = a.containers(p)
	}
	return fleet.Heal(ctx, p.state(), a.processes(p), containers)
}

// connectOrCalm connects to the running fleet. Where none runs, nobody is there to end what faults of a killed one
// did to units: it is undone first.
func (a *App) connectOrCalm(ctx context.Context, p place) (*control.Client, error) {
	c, err := p.connect(ctx)
	if left, _ := filepath.Glob(filepath.Join(p.state(), "upsets", "*.json")); err == nil || len(left) == 0 || !errors.Is(err, control.ErrNotRunning) {
		return c, err
	}
	units, failed := a.calm(ctx, p)
	if len(units) > 0 {
		fmt.Fprintf(a.Err, "undone what faults of a fleet that was killed did: %s\n", strings.Join(units, ", "))
	}
	if failed != nil {
		fmt.Fprintf(a.Err, "%v; `msctl chaos heal` tries again\n", failed)
	}
	return c, err
}
