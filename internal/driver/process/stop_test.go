package process

import (
	"cmp"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/keeper"
)

// TestStop is A4, A5, A6 and A8: each of the hostile ones ends within its grace and half a second.
func TestStop(t *testing.T) {
	cases := []struct {
		mode   string
		killed bool
	}{
		{"silent", false}, {"fork", false}, {"setsid", false}, {"chatty", false}, {"sigpipe", false},
		{"ignore", true}, {"leader", true}, {"escape", true}, {"crowd", true},
	}
	for _, c := range cases {
		t.Run(c.mode, func(t *testing.T) {
			r := newRig(t)
			u := r.unit("a", c.mode, "5")
			u.Grace = 400 * time.Millisecond
			l := r.run(u)
			l.up()
			r.prints(u, "ready")
			begun := time.Now()
			l.stop(nil)
			e := l.wait()
			d := time.Since(begun)
			r.none()
			if l.err != nil || !e.Asked {
				t.Errorf("exit %+v, %v", e, l.err)
			}
			if killed := len(l.killed) > 0; killed != c.killed {
				t.Errorf("killed %v, want %v", killed, c.killed)
			}
			if c.killed && d < u.Grace {
				t.Errorf("killed after %v, before the grace was over", d)
			}
			t.Logf("%s: over the grace by %v, exit %+v", cmp.Or(map[string]string{"ignore": "A4", "leader": "A5", "escape": "A6"}[c.mode], "A3"), d-u.Grace, e)
		})
	}
}

// TestLeftBehind is A7 and A10: what a leader leaves when it ends by itself is gone before Run returns,
// soon, in every one of many cycles; a child that holds the output open delays nothing.
func TestLeftBehind(t *testing.T) {
	for _, mode := range []string{"holds", "crash"} {
		t.Run(mode, func(t *testing.T) {
			r := newRig(t)
			u := r.unit("a", mode)
			var most time.Duration
			for range 12 {
				l := r.run(u)
				l.up()
				e := l.wait()
				if e.Code != 3 || e.Asked || l.err != nil {
					t.Fatalf("exit %+v, %v", e, l.err)
				}
				if left := r.survivors(); len(left) > 0 {
					t.Fatalf("left behind: %+v", left)
				}
				most = max(most, time.Since(e.At))
			}
			t.Logf("A7, A10: at most %v from the leader's exit to the end of all", most)
			if most > 20*time.Second {
				t.Error("too long")
			}
		})
	}
}

// TestCycles is A16: after many lives nothing is left, on disk or in this process.
func TestCycles(t *testing.T) {
	r := newRig(t)
	u := r.unit("a", "silent")
	cycle := func(n int) {
		for range n {
			l := r.run(u)
			l.up()
			l.stop(nil)
			l.wait()
		}
	}
	cycle(2)
	before := openFiles(t)
	cycle(20)
	if after := openFiles(t); after > before {
		t.Errorf("open files: %d before, %d after 20 cycles", before, after)
	}
	if n, err := r.Sweep(t.Context(), false); n != 0 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
	left, _ := os.ReadDir(r.RunDir)
	if len(left) > 0 {
		t.Errorf("left in the run folder: %v", left)
	}
	r.none()
}

func openFiles(t *testing.T) int {
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no list of open files on this system")
	}
	return len(names)
}

// TestHung is A4 for a keeper that does not answer: stopped, it is killed in the end and its tree swept.
func TestHung(t *testing.T) {
	r := newRig(t)
	u := r.unit("a", "silent")
	l := r.run(u)
	l.up()
	rec, err := keeper.ReadRecord(keeper.RecordPath(r.RunDir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	rec.Keeper.Send(unix.SIGSTOP)
	l.stop(driver.ErrKill)
	if l.wait(); l.err != nil {
		t.Error(l.err)
	}
	r.none()
}
