package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"msctl.dev/msctl/internal/control"
)

// attach shows the fleet that another `up` runs. Its Ctrl-C leaves that one running.
func (a *App) attach(ctx context.Context, p place, o *upOptions) error {
	c, err := a.reach(ctx, p)
	if err != nil {
		return err
	}
	defer c.Close()
	fmt.Fprintf(a.Err, "already up (pid %d): attached to it; Ctrl-C leaves it running\n", c.Info().PID)
	if err := a.tellLacks(ctx, c, o); err != nil {
		return err
	}
	if err := a.join(ctx, c, o); err != nil {
		return err
	}
	veil, err := a.logVeil(ctx, p)
	if err != nil {
		return err
	}
	v := &foreground{app: a, place: p, opts: o, source: c, mask: veil.Bytes, keys: a.keys(attachedKeys), begun: time.Now()}
	if err := v.run(ctx); err != nil {
		return err
	}
	if ctx.Err() != nil {
		fmt.Fprintln(a.Err, a.aimed("detached; it is still running: `msctl down` ends it"))
		return context.Cause(ctx)
	}
	fmt.Fprintln(a.Err, "the fleet went down")
	return nil
}

// join starts what this `up` names and the running one was not asked for.
func (a *App) join(ctx context.Context, c *control.Client, o *upOptions) error {
	if len(o.services) == 0 {
		return nil
	}
	if err := c.Start(ctx, o.services); err != nil {
		return fmt.Errorf("start %s: %w", list(o.services), err)
	}
	return nil
}

// begins is how long a supervisor that holds the lock may take until it answers.
const begins = 15 * time.Second

// reach connects to the supervisor that holds the lock, also while it is only beginning.
func (a *App) reach(ctx context.Context, p place) (*control.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, begins)
	defer cancel()
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		c, err := p.connect(ctx)
		if err == nil || !errors.Is(err, control.ErrNotRunning) {
			return c, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, notRunning("`msctl down --force` ends it", "another msctl holds %s and does not answer", p.lock())
		}
	}
}
