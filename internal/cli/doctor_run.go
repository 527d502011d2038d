package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/fleet"
	"msctl.dev/msctl/internal/resource"
)

// examinePorts plans the start of the stack, which finds ports that others hold, unless it is up.
func examinePorts(ctx context.Context, p *patient) []finding {
	if p.stack == nil || p.trouble != nil {
		return nil
	}
	f := finding{Area: "start", Name: "plan", OK: true}
	if c, err := p.place.connect(ctx); err == nil {
		c.Close()
		f.Text = "the stack is up"
		return []finding{f}
	}
	made, err := p.app.parts(ctx, p.place, p.stack, &upOptions{runtime: "auto"}, slog.New(slog.DiscardHandler))
	if err == nil {
		var plan *fleet.Plan
		if plan, err = fleet.NewPlan(ctx, made.options); err == nil {
			f.Text = fmt.Sprintf("%d units can start, their ports are free", len(plan.Steps))
			return []finding{f}
		}
	}
	var found []finding
	var none *resource.CannotRun
	if errors.As(err, &none) {
		return nil // the resources were looked at already
	}
	for _, m := range mistakes(err) {
		found = append(found, finding{Area: "start", Name: "plan", Bad: true, Text: m.text})
	}
	return found
}

// examineLeft looks for what runs of this stack, with or without a supervisor.
func examineLeft(ctx context.Context, p *patient) []finding {
	if p.place.dir == "" {
		return nil
	}
	f := finding{Area: "running", Name: "supervisor", OK: true, Text: "not running"}
	c, err := p.place.connect(ctx)
	switch {
	case err == nil:
		f.Text = fmt.Sprintf("msctl %s, pid %d", c.Info().Version, c.Info().PID)
		c.Close()
		return []finding{f}
	case !errors.Is(err, control.ErrNotRunning):
		f.OK, f.Text = false, err.Error()
	}
	left := finding{Area: "running", Name: "left over", OK: true, Text: "no process; `msctl down` looks for containers too"}
	if copies := p.place.copies(); len(copies) > 0 {
		f.Text += "; copies run: " + list(copies) + " (`msctl --instance " + copies[0] + " ps`)"
		left.Text = "no process but those of copies; `msctl down` looks for containers too"
	}
	if n := leftOver(p.place.id()); n > 0 {
		left.OK = false
		left.Text = fmt.Sprintf("%d processes without a supervisor: `msctl up` takes them over, `msctl down` ends them", n)
	}
	return []finding{f, left}
}
