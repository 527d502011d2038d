package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/state"
)

// operation is a command that changes units of the running fleet.
type operation struct {
	verb, doing, done string
	first             string // what it does while nothing of it is to be seen yet
	others            bool   // it changes more than the units that are named
	do                func(c *control.Client, ctx context.Context, names []string) error
}

// operationCommand fills cmd, so that start, stop and restart look alike.
func (a *App) operationCommand(cmd *cobra.Command, op operation) *cobra.Command {
	cmd.ValidArgsFunction = a.completeNames
	cmd.Args = args(cobra.MinimumNArgs(1))
	timeout := cmd.Flags().Duration("timeout", 0, "give up after this `DURATION` (0: never)")
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		names := once(words)
		return a.withUnits(cmd.Context(), names, func(ctx context.Context, c *control.Client, snap state.Snapshot) error {
			what := op.verb + " " + list(names)
			w := waitFor{doing: op.doing + " " + list(names), first: op.first, timeout: *timeout, after: snap.Seq, notices: names}
			if !op.others {
				w.of = names
			}
			err := a.during(ctx, c, w, func(ctx context.Context) error {
				return op.do(c, ctx, names)
			})
			if ctx.Err() != nil || exitCode(err) == exitTimeout {
				a.goesOn(ctx, c, w)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
			fmt.Fprintf(a.Err, "%s %s\n", op.done, list(names))
			return nil
		})
	}
	return cmd
}

// goesOn says whether what was asked of the fleet goes on, when the command ends before it is done.
func (a *App) goesOn(ctx context.Context, c *control.Client, w waitFor) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), control.Answer)
	defer cancel()
	snap, err := c.Snapshot(ctx)
	if err != nil {
		return // it has gone itself
	}
	if now := busy(pick(snap.Units, w.of)); now != "" {
		fmt.Fprintf(a.Err, "%s goes on without this command%s\n", w.doing, now)
		return
	}
	fmt.Fprintf(a.Err, "%s does not go on: `msctl ps` shows what is\n", w.doing)
}

// once leaves repeated names away.
func once(names []string) []string {
	var out []string
	for _, n := range names {
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

func list(names []string) string {
	if len(names) == 0 {
		return "everything"
	}
	return strings.Join(names, ", ")
}

// withUnits is withClient for a command about services or units, which must be of the fleet or the stack.
func (a *App) withUnits(ctx context.Context, names []string, do func(context.Context, *control.Client, state.Snapshot) error) error {
	return a.withClient(ctx, func(ctx context.Context, c *control.Client) error {
		snap, err := c.Snapshot(ctx)
		if err != nil {
			return err
		}
		if err := checkNames(names, append(unitNames(snap), a.serviceNames()...)); err != nil {
			return err
		}
		return do(ctx, c, snap)
	})
}

// withClient runs do with a connection to the running fleet.
func (a *App) withClient(ctx context.Context, do func(context.Context, *control.Client) error) error {
	p, err := a.place()
	if err != nil {
		return err
	}
	c, err := a.connectOrCalm(ctx, p)
	if err != nil {
		return err
	}
	defer c.Close()
	return do(ctx, c)
}

// waitFor is what a command waits for, and how long at most; 0 is for ever.
type waitFor struct {
	doing, first string
	of           []string // units whose progress is told; none is all
	notices      []string // units of which is told afterwards what the user should read
	after        uint64   // the last event before
	timeout      time.Duration
}

// during runs do within the timeout, and says what it waits for when it takes longer than a second.
func (a *App) during(ctx context.Context, c *control.Client, w waitFor, do func(context.Context) error) error {
	ctx, cancel := deadline(ctx, w.timeout)
	defer cancel()
	following, end := context.WithCancel(ctx)
	h := &overheard{of: w.notices, more: make(chan struct{}, 1)}
	var wg sync.WaitGroup
	wg.Go(func() { h.follow(following, c, w.after) })
	stop := a.progress(ctx, w.doing, func(ctx context.Context) string {
		snap, _ := c.Snapshot(ctx)
		return cmp.Or(busy(pick(snap.Units, w.of)), h.building(), w.first)
	})
	err := do(ctx)
	if err == nil {
		h.await(ctx, c)
	}
	stop()
	end()
	wg.Wait()
	for _, text := range h.notices {
		fmt.Fprintln(a.Err, clean(text))
	}
	return err
}

// deadline is a context that ends after timeout with an error that says so; 0 is never.
func deadline(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, timeout, &codedError{
		err: fmt.Errorf("not done within %v", timeout), code: exitTimeout,
	})
}
