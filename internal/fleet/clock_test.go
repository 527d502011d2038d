package fleet

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/driver/drivertest"
	"msctl.dev/msctl/internal/state"
)

// skewed is a driver whose word of when something was is off, as after a jump of the wall clock.
type skewed struct {
	*drivertest.Fake
	by time.Duration
}

func (d skewed) Run(ctx context.Context, u driver.Unit, h driver.Hooks) (driver.Exit, error) {
	started := h.Started
	h.Started = func(s driver.Started) {
		s.At = s.At.Add(d.by)
		started(s)
	}
	exit, err := d.Fake.Run(ctx, u, h)
	exit.At = exit.At.Add(d.by)
	return exit, err
}

// TestClockJumps is B10: the delays between tries, the minute of health that forgets failures and the probes
// go by the time that passes, whatever the wall clock says.
func TestClockJumps(t *testing.T) {
	for name, by := range map[string]time.Duration{"an hour back": -time.Hour, "a day ahead": 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			fake := &drivertest.Fake{Behave: crashesOftenThenLate}
			o := options(t, stackOf(t.TempDir(), "a:", "b:"), fake)
			o.Process = skewed{fake, by}
			synctest.Test(t, func(t *testing.T) {
				r := run(t, o, fake)
				events := r.Follow(t.Context(), 0)
				for i, want := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 500 * time.Millisecond} {
					if wait := nextWait(t, events); wait < want*8/10 || wait > want*12/10 {
						t.Errorf("after crash %d it waits %v, want %v ±20 %%", i+1, wait, want)
					}
				}
				if b := r.get("b"); b.Phase != state.Ready || fake.Starts("b") != 1 {
					t.Errorf("b is %s after %d starts, want it ready all the time", b.Phase, fake.Starts("b"))
				}
				r.end(nil)
			})
		})
	}
}

// crashesOftenThenLate makes a crash at once four times, and then after two minutes of health.
func crashesOftenThenLate(u driver.Unit, run int) drivertest.Behaviour {
	switch {
	case u.Name != "a" || run > 5:
		return drivertest.Behaviour{}
	case run == 5:
		return drivertest.Behaviour{After: 2 * time.Minute, Exit: driver.Exit{Code: 1}}
	}
	return drivertest.Behaviour{After: 10 * time.Millisecond, Exit: driver.Exit{Code: 1}}
}

// nextWait returns how long passes between the next crash of a and its next start.
func nextWait(t *testing.T, events <-chan state.Event) time.Duration {
	var crashed time.Time
	for e := range events {
		switch {
		case e.Unit == nil:
		case e.Unit.Name == "b" && (e.Unit.Phase == state.Unready || e.Unit.Restarts > 0):
			t.Errorf("b is disturbed: %s", e.Text)
		case e.Unit.Name == "a" && !e.Unit.NextTry.IsZero():
			crashed = time.Now()
		case e.Unit.Name == "a" && e.Kind == state.KindRestart:
			return time.Since(crashed)
		}
	}
	return 0
}

// TestHealthIsMonotonic is B10: the time since which a unit is ready is one that the wall clock does not
// move. A bubble of synctest has no such clock, so the other test cannot see it.
func TestHealthIsMonotonic(t *testing.T) {
	var r readiness
	r.take(verdict{})
	if !strings.Contains(r.since.String(), " m=") {
		t.Errorf("ready since %s, by the wall clock", r.since)
	}
}
