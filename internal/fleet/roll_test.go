package fleet

import (
	"context"
	"strings"
	"testing"
	"time"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/driver/drivertest"
	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/state"
)

// replicated is a stack of one service in three replicas.
func replicated(t *testing.T) *stack.Stack {
	st := stackOf(t.TempDir(), "web:")
	st.Services[0].Replicas = 3
	return st
}

// ready counts the replicas that are.
func (r *rig) ready() (n int) {
	for _, u := range r.Snapshot().Units {
		if u.Phase == state.Ready {
			n++
		}
	}
	return n
}

// TestEditRolls checks that an edited service is renewed one replica after another, and that a further edit
// takes the place of what is under way.
func TestEditRolls(t *testing.T) {
	storyOf(t, replicated(t), after(time.Second), func(t *testing.T, r *rig) {
		if err := r.Start(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		edited := r.Stack().Services[0]
		r.renew(t.Context(), edited, "web built in 0.1s")
		least := 3
		for range 25 {
			time.Sleep(100 * time.Millisecond) // a replica takes 2 s
			least = min(least, r.ready())
		}
		r.renew(t.Context(), edited, "web built in 0.1s") // while the second one is on its way
		for range 100 {
			time.Sleep(100 * time.Millisecond)
			least = min(least, r.ready())
		}
		r.rolling.endAll()
		if least != 1 && least != 2 {
			t.Errorf("at least %d replicas were ready, want all but those that were on their way", least)
		}
		for name, want := range map[string]int{"web": 3, "web-2": 3, "web-3": 2} {
			if got := r.fake.Starts(name); got != want || r.get(name).Phase != state.Ready {
				t.Errorf("%s is %s after %d starts, want ready after %d", name, r.get(name).Phase, got, want)
			}
		}
	})
}

// TestBadEditStopsAtOne checks that of an edit that does not come up only one replica is lost.
func TestBadEditStopsAtOne(t *testing.T) {
	behave := func(u driver.Unit, run int) drivertest.Behaviour {
		if run > 1 {
			return drivertest.Behaviour{Readiness: -1, After: time.Second, Exit: driver.Exit{Code: 1}}
		}
		return drivertest.Behaviour{}
	}
	storyOf(t, replicated(t), behave, func(t *testing.T, r *rig) {
		if err := r.Start(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		r.renew(t.Context(), r.Stack().Services[0], "web built in 0.1s")
		time.Sleep(10 * time.Second)
		r.rolling.endAll()
		if n := r.ready(); n != 2 {
			t.Errorf("%d replicas are ready, want the two of before: %s", n, r.phases())
		}
		told := false
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for e := range r.Follow(ctx, 0) {
			told = told || e.Kind == state.KindNotice && strings.Contains(e.Text, "web not wholly renewed: start web: exited with 1; the 2 replicas after it were left as they are")
			if e.Seq >= r.Snapshot().Seq {
				break
			}
		}
		if !told {
			t.Error("nobody was told")
		}
	})
}

// TestScaleKeepsTheFirst checks which scaling of a service that nobody calls leaves the replica that runs alone: every
// one where msctl stands in front already, else all but the first.
func TestScaleKeepsTheFirst(t *testing.T) {
	for _, tt := range []struct {
		inside int
		starts []int // of the first replica, after each scaling
	}{{stack.AutoPort, []int{1, 1, 1}}, {0, []int{2, 2, 2}}} {
		fake := &drivertest.Fake{}
		st := stackOf(t.TempDir(), "web:")
		st.Services[0].Listen = []stack.Listen{{Name: "http", Inside: tt.inside}}
		r := run(t, options(t, st, fake), fake)
		if err := r.Start(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		for i, n := range []int{2, 1, 3} {
			if err := r.Scale(t.Context(), "web", n); err != nil {
				t.Fatal(err)
			}
			if got := fake.Starts("web"); got != tt.starts[i] || r.ready() != n {
				t.Errorf("inside %d: scaled to %d, the first replica was started %d times and %d are ready, want %d times", tt.inside, n, got, r.ready(), tt.starts[i])
			}
		}
		r.end(nil)
	}
}
