package drivertest

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"msctl.dev/msctl/internal/driver"
)

// TestFakeTime shows that the fake lives on synctest's clock: exit by itself, grace and hurry, to the
// nanosecond.
func TestFakeTime(t *testing.T) {
	cases := []struct {
		name  string
		do    Behaviour
		stop  time.Duration // after that long it is asked to stop
		hurry time.Duration
		want  time.Duration
		exit  driver.Exit
	}{
		{"exits by itself", Behaviour{After: 3 * time.Second, Exit: driver.Exit{Code: 2}}, time.Hour, 0, 3 * time.Second, driver.Exit{Code: 2}},
		{"stops politely", Behaviour{StopTakes: time.Second}, time.Minute, 0, 61 * time.Second, driver.Exit{Asked: true}},
		{"ignores the signal", Behaviour{Stubborn: true}, time.Minute, 0, 65 * time.Second, driver.Exit{Signal: "KILL", Asked: true}},
		{"is hurried", Behaviour{Stubborn: true}, time.Minute, 62 * time.Second, 62 * time.Second, driver.Exit{Signal: "KILL", Asked: true}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &Fake{Behave: func(driver.Unit, int) Behaviour { return c.do }}
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				defer time.AfterFunc(c.stop, stop).Stop()
				var h driver.Hooks
				if c.hurry > 0 {
					hurry := make(chan struct{})
					h.Hurry = hurry
					time.AfterFunc(c.hurry, func() { close(hurry) })
				}
				start := time.Now()
				e, err := f.Run(ctx, driver.Unit{Name: "a", Grace: 5 * time.Second}, h)
				if err != nil {
					t.Fatal(err)
				}
				if got := time.Since(start); got != c.want {
					t.Errorf("ended after %v, want %v", got, c.want)
				}
				if e.At = (time.Time{}); e != c.exit {
					t.Errorf("exit %+v, want %+v", e, c.exit)
				}
			})
		})
	}
}

// TestFakeDetach is A3 for the fake: detached, the run goes on and the next Run adopts it.
func TestFakeDetach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &Fake{}
		ctx, cancel := context.WithCancelCause(t.Context())
		started := driver.Hooks{Started: func(driver.Started) { cancel(driver.ErrDetach) }}
		if _, err := f.Run(ctx, driver.Unit{Name: "a", Restarts: 4}, started); err != driver.ErrDetach {
			t.Fatalf("got %v, want detach", err)
		}
		ctx, cancel = context.WithCancelCause(t.Context())
		var s driver.Started
		f.Run(ctx, driver.Unit{Name: "a"}, driver.Hooks{Started: func(st driver.Started) { s = st; cancel(nil) }})
		if !s.Adopted || s.Restarts != 4 {
			t.Errorf("got %+v, want adopted with 4 restarts", s)
		}
		want := []string{"start a", "detach a", "adopt a", "stop a", "end a"}
		if got := f.Log(); !slices.Equal(got, want) {
			t.Errorf("log %q, want %q", got, want)
		}
	})
}
