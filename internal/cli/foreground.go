package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"msctl.dev/msctl/internal/output"
	"msctl.dev/msctl/internal/state"
)

// foreground shows a fleet on this terminal: its output from the start, the banner once it is up, then
// its output and its troubles.
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
	watching, stop := context.WithCancelCause(live)
	defer stop(nil)
	printed := v.output(watching, stop)
	err := v.watch(watching)
	stop(nil) // the fleet may have ended on its own: what it printed is still read to the end
	v.view.end()
	return errors.Join(err, <-printed)
}

// watch shows the way up, the banner, and what happens from then on.
func (v *foreground) watch(live context.Context) error {
	snap, err := v.ascend(live)
	switch {
	case errors.Is(err, errGone), live.Err() != nil:
		return nil
	case err != nil:
		return err
	}
	if !v.opts.json && !snap.Stopping {
		var b strings.Builder
		s := v.liner.screen
		s.Writer = &b
		banner(s, snap, time.Since(v.begun), v.keys)
		v.liner.line(strings.TrimSuffix(b.String(), "\n"))
	}
	v.events(live, snap)
	return nil
}

func (v *foreground) prepare() {
	v.once.Do(func() { v.liner = &liner{screen: v.app.screenOf(v.app.Err)} })
}

// ascend shows the way up, within the time that was given.
func (v *foreground) ascend(live context.Context) (state.Snapshot, error) {
	ctx, cancel := deadline(live, v.opts.timeout)
	defer cancel()
	w := v.ascent()
	w.patient, w.names, w.begun = v.opts.wait, v.opts.services, v.begun
	snap, err := w.watch(ctx, v.source)
	if err != nil && ctx.Err() != nil && live.Err() == nil {
		err = notInTime(ctx, snap)
	}
	return snap, err
}

// ascent is what tells the events.
func (v *foreground) ascent() *ascent {
	w := &ascent{app: v.app, liner: v.liner, out: v.out(), json: v.opts.json}
	if v.view != nil {
		w.printed = func(unit string) bool { return v.shown[unit] }
		w.heard = func(ctx context.Context, u state.Unit) { v.follow(ctx, u) }
	}
	return w
}

// notInTime names what did not come up.
func notInTime(ctx context.Context, snap state.Snapshot) error {
	w := &waiting{goal: goals["ready"], last: snap}
	return &codedError{fmt.Errorf("bring %s up: %w: %s", snap.Stack, context.Cause(ctx), w.state()), exitTimeout, ""}
}

// out is where the answer goes, without mixing with the status.
func (v *foreground) out() io.Writer { return v.liner.to(v.app.Out) }

// output begins to print what units print, from the start of this run on. The channel gets the printer's
// error once all is printed; it stops the rest when nobody reads any more.
func (v *foreground) output(live context.Context, stop context.CancelCauseFunc) <-chan error {
	snap, _ := v.source.Snapshot(live)
	out := v.app.screenOf(v.app.Out)
	var names []string
	for _, u := range snap.Units {
		if talks(u) {
			names = append(names, u.Name)
		}
	}
	v.view = newLogView(v.out(), v.place.logs(), &format{colour: out.colour, tidy: out.terminal, json: v.opts.json, names: names, mask: v.mask})
	v.shown = map[string]bool{}
	for _, u := range snap.Units {
		v.follow(live, u)
	}
	printed := make(chan error, 1)
	go func() {
		err := v.view.print()
		if err != nil {
			stop(err)
		}
		printed <- err
	}()
	return printed
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
func (v *foreground) events(ctx context.Context, snap state.Snapshot) {
	w := v.ascent()
	v.source.Follow(ctx, snap.Seq, func(ev state.Event) error {
		w.event(ctx, ev)
		return nil
	})
}

// stopping says that the end has begun and how to hurry it.
func (v *foreground) stopping() {
	v.prepare()
	v.liner.line("stopping; Ctrl-C again kills at once")
}
