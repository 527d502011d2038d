package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"msctl.dev/msctl/internal/state"
)

// ascent shows a fleet on its way up.
type ascent struct {
	app     *App
	liner   *liner
	out     io.Writer // of JSON
	json    bool
	patient bool     // a crash loop may still get well: wait on
	names   []string // only these count; empty is all
	begun   time.Time
	last    state.Snapshot
	printed func(unit string) bool                  // its output is on this screen already; nil: none is
	heard   func(ctx context.Context, u state.Unit) // is told of every unit that changed; nil: nobody
	traced  map[string]string                       // why each unit ended when its last lines were shown
}

// errSettled ends the following of events.
var errSettled = errors.New("settled")

// watch shows what happens until every unit is up or will not be, and returns that state.
func (w *ascent) watch(ctx context.Context, src source) (state.Snapshot, error) {
	snap, err := src.Snapshot(ctx)
	if err != nil {
		return snap, err
	}
	now := state.NewFold(snap)
	w.last = now.Now()
	stop := w.tick(ctx, src)
	defer stop()
	if w.settled() {
		return snap, nil
	}
	err = src.Follow(ctx, snap.Seq, func(ev state.Event) error {
		now.Apply(ev)
		w.last = now.Now()
		w.event(ctx, ev)
		if w.settled() {
			return errSettled
		}
		return nil
	})
	if errors.Is(err, errSettled) {
		err = nil
	} else if err == nil {
		err = errGone
	}
	return w.last, err
}

// errGone says that the supervisor ended while it was looked at.
var errGone = errors.New("the fleet went down")

// settled reports that nothing is on its way any more.
func (w *ascent) settled() bool {
	units := pick(w.last.Units, w.names)
	for _, u := range units {
		switch u.Phase {
		case state.Pending:
			if !doomed(w.last, u) {
				return false
			}
		case state.Building, state.Starting, state.Stopping, state.Unready:
			return false
		case state.Looping:
			if w.patient {
				return false
			}
		}
	}
	return len(units) > 0
}

// doomed reports a unit that waits for what loops, failed, or was stopped.
func doomed(snap state.Snapshot, u state.Unit) bool {
	for _, name := range u.WaitsFor {
		for _, n := range pick(snap.Units, []string{name}) {
			if n.Phase == state.Failed || n.Phase == state.Looping || n.Phase == state.Stopped || n.Phase == state.Pending && n.Name != u.Name && doomed(snap, n) {
				return true
			}
		}
	}
	return false
}

// event prints what a person should read of one event.
func (w *ascent) event(ctx context.Context, ev state.Event) {
	if ev.Unit != nil && w.heard != nil {
		w.heard(ctx, *ev.Unit)
	}
	if w.json {
		writeJSON(w.out, "event", ev)
		return
	}
	if text, told := tell(w.liner.screen, w.untraced(ev)); told {
		w.liner.line(text)
	}
}

// untimed reports a loop whose next try is not set yet: it is told once it is.
func untimed(ev state.Event) bool {
	return ev.Kind == state.KindPhase && ev.Unit.Phase == state.Looping && ev.Unit.NextTry.IsZero()
}

// untraced leaves the last lines of a unit away where they were seen: they are on this screen as its
// output, or were shown when it ended like this before.
func (w *ascent) untraced(ev state.Event) state.Event {
	u := ev.Unit
	if u == nil || len(u.LastLines) == 0 || untimed(ev) {
		return ev
	}
	built := strings.HasPrefix(u.Reason, "build ") // what a build prints is in no log
	if !built && w.printed != nil && w.printed(u.Name) || w.traced[u.Name] == u.Reason {
		bare := *u
		bare.LastLines, ev.Unit = nil, &bare
		return ev
	}
	if u.Phase == state.Failed || u.Phase == state.Looping {
		if w.traced == nil {
			w.traced = map[string]string{}
		}
		w.traced[u.Name] = u.Reason
	}
	return ev
}

// tell returns the lines to print for an event: trouble, notices, and on anything but a terminal also
// what became ready.
func tell(s screen, ev state.Event) (string, bool) {
	u := ev.Unit
	switch {
	case u == nil:
		return clean(ev.Text), ev.Kind == state.KindNotice || ev.Kind == state.KindGap && ev.Text != ""
	case u.Phase == state.Failed || u.Phase == state.Looping:
		if ev.Kind != state.KindPhase && ev.Kind != state.KindRestart || untimed(ev) {
			return "", false
		}
		return trouble(s, ev), true
	case ev.Kind == state.KindNotice, ev.Kind == state.KindBuild && u.Reason != "":
		return s.paint(yellow, clean(ev.Text)), true
	case ev.Kind != state.KindPhase:
		return "", false
	case u.Phase == state.Skipped:
		return s.paint(dim, clean(ev.Text)), true
	case !s.terminal && (running(u.Phase) || u.Phase == state.Building):
		return fmt.Sprintf("%s %s", u.Name, u.Phase), true
	}
	return "", false
}

// trouble is a failure with its reason and the unit's last lines.
func trouble(s screen, ev state.Event) string {
	var b strings.Builder
	b.WriteString(s.paint(red, clean(ev.Text)))
	for _, l := range ev.Unit.LastLines {
		b.WriteString("\n" + s.paint(dim, "  "+ev.Unit.Name+" │ ") + clean(l))
	}
	return b.String()
}

// tick keeps the status line alive, and says what takes long, until the returned function is called.
func (w *ascent) tick(ctx context.Context, src source) func() {
	if w.json {
		return func() {}
	}
	every := time.Second
	if w.liner.screen.terminal {
		every = 100 * time.Millisecond
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		t := time.NewTicker(every)
		defer t.Stop()
		for late := (slow{}); ; {
			select {
			case <-ctx.Done():
				w.liner.show("")
				return
			case now := <-t.C:
				if snap, err := src.Snapshot(ctx); err == nil {
					w.liner.show(ascentStatus(snap, now.Sub(w.begun)))
					for _, text := range late.look(snap, now) {
						w.liner.line(text)
					}
				}
			}
		}
	}()
	return func() { cancel(); <-done }
}

// ascentStatus is the status line: how many are ready, and what is waited for, longest first.
func ascentStatus(snap state.Snapshot, d time.Duration) string {
	ready := 0
	var words []string
	units := slices.Clone(snap.Units)
	slices.SortStableFunc(units, func(a, b state.Unit) int { return a.Started.Compare(b.Started) })
	for _, u := range units {
		switch u.Phase {
		case state.Ready, state.Done, state.Skipped:
			ready++
		case state.Starting, state.Building, state.Looping:
			if n := len(words); n > 0 && u.Phase == state.Building && strings.HasSuffix(words[n-1], because(" building", u)) {
				words[n-1] = u.Name + ", " + words[n-1] // one command builds them all
				continue
			}
			words = append(words, because(u.Name+" "+string(u.Phase), u))
		}
	}
	return fmt.Sprintf("%d of %d ready, %.1fs · %s", ready, len(units), d.Seconds(), strings.Join(words, ", "))
}
