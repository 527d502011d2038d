package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/state"
)

// operation is a command that changes units of the running fleet.
type operation struct {
	verb, doing, done string
	do                func(c *control.Client, ctx context.Context, names []string) error
}

// operationCommand fills cmd, so that start, stop and restart look alike.
func (a *App) operationCommand(cmd *cobra.Command, op operation) *cobra.Command {
	cmd.ValidArgsFunction = a.completeNames
	cmd.Args = args(cobra.MinimumNArgs(1))
	timeout := cmd.Flags().Duration("timeout", 0, "give up after this `DURATION` (0: never)")
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		names := once(words)
		return a.withClient(cmd.Context(), func(ctx context.Context, c *control.Client) error {
			snap, err := c.Snapshot(ctx)
			if err != nil {
				return err
			}
			if err := checkNames(names, append(unitNames(snap), a.serviceNames()...)); err != nil {
				return err
			}
			what := op.verb + " " + list(names)
			err = a.during(ctx, c, op.doing+" "+list(names), *timeout, func(ctx context.Context) error {
				return op.do(c, ctx, names)
			})
			if err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
			fmt.Fprintf(a.Err, "%s %s\n", op.done, list(names))
			return nil
		})
	}
	return cmd
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

// withClient runs do with a connection to the running fleet.
func (a *App) withClient(ctx context.Context, do func(context.Context, *control.Client) error) error {
	p, err := a.place()
	if err != nil {
		return err
	}
	c, err := p.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return do(ctx, c)
}

// during runs do within the timeout, and says what it waits for when it takes longer than a second.
func (a *App) during(ctx context.Context, c *control.Client, doing string, timeout time.Duration, do func(context.Context) error) error {
	ctx, cancel := deadline(ctx, timeout)
	defer cancel()
	stop := a.progress(ctx, doing, func(ctx context.Context) (state.Snapshot, error) { return c.Snapshot(ctx) })
	defer stop()
	return do(ctx)
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
