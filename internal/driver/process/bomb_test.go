package process

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"msctl.dev/msctl/internal/driver"
)

// TestForkBomb is A11: a bomb of 60 processes, in which each that dies is replaced by those that live, is
// ended by a stop, and by a sweep after its keeper was killed.
func TestForkBomb(t *testing.T) {
	ends := map[string]func(t *testing.T, r *rig, l *life){
		"stop": func(t *testing.T, _ *rig, l *life) {
			l.stop(nil)
			if e := l.wait(); l.err != nil || !e.Asked {
				t.Errorf("exit %+v, %v", e, l.err)
			}
		},
		"sweep": func(t *testing.T, r *rig, l *life) {
			l.stop(driver.ErrDetach)
			<-l.done
			all, err := r.everything()
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range all {
				if m.keeper {
					m.Identity().Send(unix.SIGKILL)
				}
			}
			if _, err := r.Sweep(t.Context(), false); err != nil {
				t.Error(err)
			}
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			slots := t.TempDir()
			u := r.unit("bomb", "bomb", slots)
			u.Grace = 100 * time.Millisecond
			l := r.run(u)
			l.up()
			within(t, "full house", func() (struct{}, bool) { return struct{}{}, held(t, slots) >= 50 })
			begun := time.Now()
			end(t, r, l)
			t.Logf("A11: ended after %v", time.Since(begun).Round(time.Millisecond))
			if n := held(t, slots); n > 0 {
				t.Errorf("%d of the bomb are left", n)
			}
			r.none()
		})
	}
}

// held counts the slots that a living process of the bomb holds.
func held(t *testing.T, dir string) int {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) != nil {
			n++
		}
		f.Close()
	}
	return n
}
