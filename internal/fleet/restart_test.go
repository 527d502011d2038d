package fleet

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/driver/drivertest"
	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/state"
)

// TestRestartBuildsFirst checks that a restart whose build breaks leaves the old run alone and says why, and
// that the next one that builds is a new run.
func TestRestartBuildsFirst(t *testing.T) {
	dir := t.TempDir()
	st := stackOf(dir, "a:", "b:")
	st.Services[0].Build = &stack.Build{Command: []string{"sh", "-c", "test ! -e broken || { echo main.go:3:1: typo; exit 1; }"}}
	fake := &drivertest.Fake{}
	r := run(t, options(t, st, fake), fake)
	defer func() { r.end(nil) }()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := r.Start(ctx, nil); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(dir, "broken")
	if err := os.WriteFile(broken, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := r.Restart(ctx, nil)
	if err == nil || !strings.Contains(err.Error(), "restart a, the old one runs on: build a: main.go:3:1: typo") {
		t.Errorf("got %v, want the error of the build", err)
	}
	if a, b := fake.Starts("a"), fake.Starts("b"); a != 1 || b != 1 {
		t.Errorf("started %d and %d times, want once each", a, b)
	}
	if u := r.get("a"); u.Phase != state.Ready || u.Reason != "build a: main.go:3:1: typo" {
		t.Errorf("a is %s (%s), want it ready with the reason that it is an old one", u.Phase, u.Reason)
	}
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	if err := r.Restart(ctx, []string{"a"}); err != nil {
		t.Fatal(err)
	}
	if u := r.get("a"); fake.Starts("a") != 2 || u.Phase != state.Ready || u.Reason != "" {
		t.Errorf("a is %s (%s) after %d starts, want ready after 2", u.Phase, u.Reason, fake.Starts("a"))
	}
}

// TestCrashIsToldOnce checks that each crash is one event, with the time of the next try in it.
func TestCrashIsToldOnce(t *testing.T) {
	crash := func(driver.Unit, int) drivertest.Behaviour {
		return drivertest.Behaviour{Readiness: -1, After: time.Millisecond, Exit: driver.Exit{Code: 3}}
	}
	story(t, []string{"a:"}, crash, func(t *testing.T, r *rig) {
		events := r.Follow(t.Context(), 0)
		for told, restarts := 0, 0; restarts < 3; {
			switch e := <-events; {
			case e.Unit == nil:
			case e.Kind == state.KindRestart:
				if told != 1 {
					t.Errorf("the crash before restart %d was told %d times", restarts+1, told)
				}
				told, restarts = 0, restarts+1
			case strings.Contains(e.Text, "exited with 3"):
				told++
				if e.Unit.NextTry.IsZero() {
					t.Errorf("%q does not carry when", e.Text)
				}
			}
		}
	})
}

// TestCrashDoesNotWait crashes a service while what it needs is stopped: it is started again at once. Order
// is for the first start; what runs lives with neighbours that come and go.
func TestCrashDoesNotWait(t *testing.T) {
	once := func(u driver.Unit, run int) drivertest.Behaviour {
		if u.Name == "b" && run == 1 {
			return drivertest.Behaviour{After: 10 * time.Second, Exit: driver.Exit{Code: 3}}
		}
		return drivertest.Behaviour{}
	}
	story(t, []string{"a:", "b: a"}, once, func(t *testing.T, r *rig) {
		if err := r.Start(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if err := r.Stop(t.Context(), []string{"a"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if b := r.get("b"); b.Phase != state.Ready || b.Restarts != 1 {
			t.Errorf("b is %s after %d restarts, waits for %v; want ready after one", b.Phase, b.Restarts, b.WaitsFor)
		}
	})
}
