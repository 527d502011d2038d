package cli

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"msctl.dev/msctl/internal/output"
	"msctl.dev/msctl/internal/state"
)

// foreground shows a fleet on this terminal: its way up, the banner, then its output and its troubles.
type foreground struct {
	app    *App
	place  place
	opts   *upOptions
	source source
	mask   func([]byte) []byte // hides secrets in what units print
	keys   string
	begun  time.Time

	once  sync.Once
	liner *liner
	view  *logView
	shown map[string]bool // units that are followed
}

// run shows the fleet until live ends, and then what it printed up to then. The error says that nobody
// can see it any more, or that it did not come up.
func (v *foreground) run(live context.Context) error {
	v.prepare()
	snap, err := v.ascend(live)
	switch {
	case errors.Is(err, errGone), live.Err() != nil:
		return nil
	case err != nil:
		return err
	}
	if v.opts.json {
		return v.events(live, snap)
	}
	if !snap.Stopping {
		banner(v.liner.screen, snap, time.Since(v.begun), v.keys)
	}
	return v.output(live, snap)
}

func (v *foreground) prepare() {
	v.once.Do(func() { v.liner = &liner{screen: v.app.screenOf(v.app.Err)} })
}

// ascend shows the way up, within the time that was given.
func (v *foreground) ascend(live context.Context) (state.Snapshot, error) {
	ctx, cancel := deadline(live, v.opts.timeout)
	defer cancel()
	w := &ascent{app: v.app, liner: v.liner, json: v.opts.json, patient: v.opts.wait, names: v.opts.services, begun: v.begun}
	snap, err := w.watch(ctx, v.source)
	if err != nil && ctx.Err() != nil && live.Err() == nil {
		err = notInTime(ctx, snap)
	}
	return snap, err
}

// notInTime names what did not come up.
func notInTime(ctx context.Context, snap state.Snapshot) error {
	w := &waiting{goal: goals["ready"], last: snap}
	return &codedError{fmt.Errorf("bring %s up: %w: %s", snap.Stack, context.Cause(ctx), w.state()), exitTimeout, ""}
}

// output prints what the units print, from the start of this run on.
func (v *foreground) output(live context.Context, snap state.Snapshot) error {
	out := v.app.screenOf(v.app.Out)
	var names []string
	for _, u := range snap.Units {
		if talks(u) {
			names = append(names, u.Name)
		}
	}
	v.view = newLogView(v.liner.to(v.app.Out), v.place.logs(), &format{colour: out.colour, tidy: out.terminal, names: names, mask: v.mask})
	v.shown = map[string]bool{}
	watching, stop := context.WithCancelCause(live)
	defer stop(nil)
	for _, u := range snap.Units {
		v.follow(watching, u)
	}
	printed := make(chan error, 1)
	go func() {
		err := v.view.print()
		if err != nil {
			stop(err)
		}
		printed <- err
	}()
	v.events(watching, snap)
	stop(nil) // the fleet may have ended on its own: what it printed is still read to the end
	v.view.end()
	return <-printed
}

// follow adds a unit's output to what is printed, once.
func (v *foreground) follow(live context.Context, u state.Unit) {
	if !talks(u) || v.shown[u.Name] {
		return
	}
	v.shown[u.Name] = true
	v.view.add(context.WithoutCancel(live), live, u.Name, output.Query{Since: v.begun})
}

// talks reports a unit whose output belongs on the screen; servers have `msctl logs`.
func talks(u state.Unit) bool { return u.Sort == state.Service || u.Sort == state.Job }

// events prints what people should read, and follows units that come later, until ctx ends.
func (v *foreground) events(ctx context.Context, snap state.Snapshot) error {
	w := &ascent{app: v.app, liner: v.liner, json: v.opts.json}
	v.source.Follow(ctx, snap.Seq, func(ev state.Event) error {
		if ev.Unit != nil && v.view != nil {
			v.follow(ctx, *ev.Unit)
		}
		w.event(ev)
		return nil
	})
	return nil
}

// stopping says that the end has begun and how to hurry it.
func (v *foreground) stopping() {
	v.prepare()
	v.liner.line("stopping; Ctrl-C again kills at once")
}
