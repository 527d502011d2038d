package fleet

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/driver/drivertest"
	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/state"
)

// told returns the texts of all events about a unit's phase so far.
func told(t *testing.T, f *Fleet, name string) []string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var texts []string
	last := f.Snapshot().Seq
	for e := range f.Follow(ctx, 0) {
		if e.Kind == state.KindPhase && e.Unit != nil && e.Unit.Name == name {
			texts = append(texts, e.Text)
		}
		if e.Seq >= last {
			break
		}
	}
	return texts
}

// TestStoppedIsToldOnce takes a fleet down: each unit is stopped and then dismissed, which is one end.
func TestStoppedIsToldOnce(t *testing.T) {
	fake := &drivertest.Fake{Behave: after(10 * time.Millisecond)}
	o := options(t, stackOf(t.TempDir(), "web:"), fake)
	synctest.Test(t, func(t *testing.T) {
		r := run(t, o, fake)
		time.Sleep(time.Second)
		r.end(nil)
		n := 0
		for _, text := range told(t, r.Fleet, "web") {
			if text == "web stopped" {
				n++
			}
		}
		if n != 1 {
			t.Errorf("told %d times: %q", n, told(t, r.Fleet, "web"))
		}
	})
}

// TestSlowStartHasAReason shows what a unit lacks that is long on its way.
func TestSlowStartHasAReason(t *testing.T) {
	story(t, []string{"web:"}, func(driver.Unit, int) drivertest.Behaviour {
		return drivertest.Behaviour{Readiness: 5 * time.Second}
	}, func(t *testing.T, r *rig) {
		time.Sleep(900 * time.Millisecond)
		if u := r.get("web"); u.Phase != state.Starting || u.Reason != "" {
			t.Errorf("at first: %s %q", u.Phase, u.Reason)
		}
		time.Sleep(time.Second)
		if u := r.get("web"); u.Phase != state.Starting || u.Reason != "not yet" {
			t.Errorf("after 2 s: %s %q", u.Phase, u.Reason)
		}
		time.Sleep(4 * time.Second)
		if u := r.get("web"); u.Phase != state.Ready || u.Reason != "" {
			t.Errorf("in the end: %s %q", u.Phase, u.Reason)
		}
		if texts := told(t, r.Fleet, "web"); !slices.Contains(texts, "web is not ready yet: not yet") {
			t.Errorf("told %q", texts)
		}
	})
}

// TestStartAddsWhatWasLeftOut starts a service that the fleet's profile does not have.
func TestStartAddsWhatWasLeftOut(t *testing.T) {
	fake := &drivertest.Fake{Behave: after(10 * time.Millisecond)}
	st := stackOf(t.TempDir(), "users:", "gateway: users", "broker:", "push: broker")
	st.Profiles = []stack.Profile{{Name: "minimal", Services: []string{"gateway"}}}
	o := options(t, st, fake)
	o.Profile, o.Load = "minimal", func() (*stack.Stack, error) { return st, nil }
	synctest.Test(t, func(t *testing.T) {
		r := run(t, o, fake)
		time.Sleep(time.Second)
		if got, want := r.phases(), "users ready, gateway ready"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		for _, change := range []func(context.Context) error{
			func(ctx context.Context) error { return r.Start(ctx, []string{"push"}) },
			r.Reload,
		} {
			if err := change(t.Context()); err != nil {
				t.Error(err)
			}
			if got, want := r.phases(), "users ready, gateway ready, broker ready, push ready"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
		if err := r.Start(t.Context(), []string{"nobody"}); err == nil {
			t.Error("an unknown name is started")
		}
		r.end(nil)
	})
}
