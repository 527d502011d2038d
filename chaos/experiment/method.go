package experiment

import (
	"context"
	"sync"
	"time"
)

// lifting undoes faults of the run before its end: those of one label, or all.
type lifting struct{ of, by string } // by is the name of the action

func (l *lifting) fields(*reader) []field { return nil }
func (l *lifting) needs() []need          { return nil }

func (l *lifting) String() string {
	if l.of == "" {
		return "lift all faults"
	}
	return "lift " + l.of
}

func (l *lifting) do(ctx context.Context, w *world) (func(context.Context) error, error) {
	all, err := w.Fleet.Faults(ctx)
	if err != nil {
		return nil, cannotf("%s: %w", l, err)
	}
	w.mu.Lock()
	ids := map[string]bool{}
	for label, list := range w.labels {
		for _, id := range list {
			ids[id] = l.of == "" || label == l.of
		}
	}
	w.mu.Unlock()
	var left []string
	for _, f := range all {
		if f.Lease == w.lease() && ids[f.ID] {
			left = append(left, f.ID)
		}
	}
	if len(left) == 0 {
		return nil, nil
	}
	w.counted(all)
	w.removes(left)
	if _, err := w.Fleet.RemoveFaults(ctx, left); err != nil {
		return nil, cannotf("%s: %w", l, err)
	}
	w.lifts(left, l.by)
	return nil, nil
}

// method does the items of Chaos Toolkit's method one after the other, those in the background beside the rest.
func (x *run) method(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for i := range x.e.Method {
		t := &x.e.Method[i]
		if t.background {
			wg.Go(func() { x.guarded(func() { x.turn(ctx, t) }) })
			continue
		}
		if !x.turn(ctx, t) {
			return
		}
	}
}

// turn does one item with its pauses, and reports whether the method goes on.
func (x *run) turn(ctx context.Context, t *turn) bool {
	if !pause(ctx, t.before) {
		return false
	}
	if t.step != nil {
		from := time.Since(x.begun)
		ok := x.step(ctx, t.step, "method")
		if ok || len(x.putBy(t.step)) > 0 {
			x.acts(t.step, from)
		}
		if !ok {
			return false
		}
	} else {
		seen := x.eventually(ctx, "during", t.probe, 0)
		if ctx.Err() != nil {
			return false
		}
		if seen.Error != "" {
			x.end(Broken, "%s: %s", seen.Name, seen.Error)
			return false
		}
	}
	return pause(ctx, t.after)
}
