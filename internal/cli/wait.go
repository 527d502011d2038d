package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/state"
)

func newWait(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "wait [SERVICE…]",
		Short: "Wait until services are ready, done or stopped",
		Long: "wait returns once all named services (all of the stack without a name) are in the wanted state, at\n" +
			"once with an error when one failed for good, and with code 124 when the time is over. A stack that\n" +
			"is not up yet is waited for, so a script may say `msctl up & msctl wait`. --json prints how they are then,\n" +
			"as `msctl ps --json` does.",
		Example:           "  msctl wait gateway email\n  msctl wait seed --for done --timeout 2m\n  msctl wait --for stopped",
		ValidArgsFunction: a.completeNames,
	}
	want := cmd.Flags().String("for", "ready", "`STATE` to wait for: ready, done or stopped")
	asJSON := jsonFlag(cmd)
	timeout := cmd.Flags().Duration("timeout", time.Minute, "give up after this `DURATION`")
	cmd.RegisterFlagCompletionFunc("for", cobra.FixedCompletions([]string{"ready", "done", "stopped"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		goal, known := goals[*want]
		if !known {
			return usage("ready, done or stopped", "read --for: unknown state %q", *want)
		}
		p, err := a.place()
		if err != nil {
			return err
		}
		w := &waiting{app: a, place: p, names: names, goal: goal}
		ctx, cancel := context.WithTimeoutCause(cmd.Context(), *timeout, errOver)
		defer cancel()
		err = w.run(ctx)
		if *asJSON {
			for _, u := range pick(w.last.Units, names) {
				if err := writeJSON(a.Out, "unit", u); err != nil {
					return err
				}
			}
		}
		if errors.Is(err, errOver) {
			return &codedError{fmt.Errorf("wait for %s to be %s: not within %v: %s", list(names), *want, *timeout, w.state()), exitTimeout, ""}
		}
		return err
	}
	return cmd
}

// errOver is the end of the time that was given.
var errOver = errors.New("the time is over")

// goal says of a unit whether it is there, or can never come there.
type goal struct {
	reached func(state.Unit) bool
	never   func(state.Unit) bool
	absent  bool // a fleet that does not run is there
}

var goals = map[string]goal{
	"ready":   {reached: isUp, never: isLost},
	"done":    {reached: func(u state.Unit) bool { return u.Phase == state.Done || u.Phase == state.Skipped }, never: isLost},
	"stopped": {reached: isEnded, never: func(state.Unit) bool { return false }, absent: true},
}

func isUp(u state.Unit) bool {
	return u.Phase == state.Ready || u.Phase == state.Done || u.Phase == state.Skipped
}

func isLost(u state.Unit) bool { return u.Phase == state.Failed }

func isEnded(u state.Unit) bool {
	switch u.Phase {
	case state.Stopped, state.Done, state.Failed, state.Skipped:
		return true
	}
	return false
}

// waiting is one wait under way.
type waiting struct {
	app   *App
	place place
	names []string
	goal  goal
	last  state.Snapshot
}

// run waits for the fleet, then for its units.
func (w *waiting) run(ctx context.Context) error {
	stop := w.app.progress(ctx, "waiting for "+list(w.names), func(context.Context) string { return "" })
	defer stop()
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		c, err := control.Dial(ctx, w.place.socket())
		if err == nil {
			err = w.follow(ctx, c)
			c.Close()
		}
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !errors.Is(err, control.ErrNotRunning):
			return err
		case w.goal.absent:
			return nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// errThere ends the following of events.
var errThere = errors.New("there")

// follow looks at every state of the fleet until the goal is reached.
func (w *waiting) follow(ctx context.Context, c *control.Client) error {
	snap, err := c.Snapshot(ctx)
	if err != nil {
		return err
	}
	if err := checkNames(w.names, unitNames(snap)); err != nil {
		return err
	}
	now := state.NewFold(snap)
	w.last = now.Now()
	err = w.look()
	if err == nil {
		err = c.Follow(ctx, snap.Seq, func(ev state.Event) error {
			now.Apply(ev)
			w.last = now.Now()
			return w.look()
		})
	}
	if errors.Is(err, errThere) {
		return nil
	}
	if err == nil {
		return control.ErrNotRunning // it went down while we looked
	}
	return err
}

// look returns errThere once every unit is there.
func (w *waiting) look() error {
	units := pick(w.last.Units, w.names)
	there := 0
	for _, u := range units {
		if w.goal.never(u) {
			return failed("`msctl logs "+u.Name+"` shows more", "%s failed: %s", u.Name, tail(u))
		}
		if w.goal.reached(u) {
			there++
		}
	}
	if there == len(units) {
		return errThere
	}
	return nil
}

// state names what is not there yet.
func (w *waiting) state() string {
	var words []string
	for _, u := range pick(w.last.Units, w.names) {
		if !w.goal.reached(u) {
			word := u.Name + " is " + string(u.Phase)
			if r := why(u, time.Now()); r != "" {
				word += " (" + r + ")"
			}
			words = append(words, word)
		}
	}
	if len(words) == 0 {
		return "the stack is not up"
	}
	return strings.Join(words, ", ")
}

// tail is the reason of a failed unit with its last lines of output.
func tail(u state.Unit) string {
	return strings.Join(append([]string{u.Reason}, u.LastLines...), "\n")
}
