package process

import (
	"fmt"
	"path/filepath"
	"testing"

	"msctl.dev/msctl/internal/driver"
)

// TestCrashPoints is B6 and promise 4: a keeper that is killed at any of its writes leaves nothing that
// the next run or sweep does not find, and the unit can be started again.
func TestCrashPoints(t *testing.T) {
	points := []struct{ point, mode string }{
		{"before-start:1", "setsid"}, {"after-start:1", "setsid"},
		{"record-temp:1", "setsid"}, {"record-rename:1", "setsid"}, {"record-done:1", "setsid"},
		{"before-exit:1", "crash"}, {"record-temp:2", "crash"}, {"record-rename:2", "crash"},
		{"record-done:2", "crash"}, {"after-exit:1", "crash"},
	}
	for _, c := range points {
		for _, next := range []string{"run", "sweep"} {
			t.Run(fmt.Sprintf("%s %s", c.point, next), func(t *testing.T) {
				r := newRig(t)
				good := r.Keeper
				r.Keeper = []string{"/usr/bin/env", "MSCTL_FAIL=" + c.point, filepath.Join(bin, "msctl-keeper-failing")}
				l := r.run(r.unit("a", c.mode))
				e := l.wait()
				t.Logf("the first run: %+v, %v", e, l.err)
				r.Driver = &Driver{RunDir: r.RunDir, Stack: r.Stack, Keeper: good}
				if next == "sweep" {
					if _, err := r.Sweep(t.Context(), false); err != nil {
						t.Error(err)
					}
					r.none()
					return
				}
				u := r.unit("a", "silent")
				u.LogDir += "-next"
				l = r.run(u)
				if s := l.up(); s.Adopted {
					t.Error("adopted a dead one")
				}
				r.prints(u, "ready")
				if n := len(r.survivors()); n != 2 {
					t.Errorf("%d processes, want the keeper and the service", n)
				}
				l.stop(nil)
				if e := l.wait(); e != (driver.Exit{Asked: true, At: e.At}) {
					t.Errorf("exit %+v", e)
				}
				r.none()
			})
		}
	}
}
