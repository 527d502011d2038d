package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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
	v := &foreground{app: a, place: p, opts: o, source: c, mask: veil.Bytes, keys: attachedKeys, begun: time.Now()}
	if err := v.run(ctx); err != nil {
		return err
	}
	if ctx.Err() != nil {
		fmt.Fprintln(a.Err, "detached; it is still running: msctl down ends it")
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

// tellLacks prints what lacks says.
func (a *App) tellLacks(ctx context.Context, c *control.Client, o *upOptions) error {
	lacks, err := a.lacks(ctx, c, o)
	for _, text := range lacks {
		fmt.Fprintln(a.Err, text)
	}
	return err
}

// lacks says what of this `up` the running fleet does not do, and how to get it.
func (a *App) lacks(ctx context.Context, c *control.Client, o *upOptions) ([]string, error) {
	var lacks []string
	if o.watch && !c.Info().Watch {
		again := "msctl up --watch"
		if o.detach {
			again += " -d"
		}
		lacks = append(lacks, "--watch is not on there: `msctl down` and then `"+again+"` turns it on")
	}
	left, err := a.leftOut(ctx, c, o)
	if left != "" {
		lacks = append(lacks, left)
	}
	return lacks, err
}

// leftOut says which services of this `up` the running fleet leaves out, for it was started with a profile
// or with names. It is "" where none is.
func (a *App) leftOut(ctx context.Context, c *control.Client, o *upOptions) (string, error) {
	if len(o.services) > 0 {
		return "", nil // they are started
	}
	st, err := a.load(o.profile)
	if err != nil {
		return "", err
	}
	snap, err := c.Snapshot(ctx)
	if err != nil {
		return "", err
	}
	var runs, left []string
	for _, u := range snap.Units {
		if talks(u) && !slices.Contains(runs, u.Service) {
			runs = append(runs, u.Service)
		}
	}
	for _, s := range st.Services {
		if !slices.Contains(runs, s.Name) {
			left = append(left, s.Name)
		}
	}
	if len(left) == 0 {
		return "", nil
	}
	return fmt.Sprintf("it runs %s, without %s: `msctl start %s` adds what is missing", list(runs), list(left), strings.Join(left, " ")), nil
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
