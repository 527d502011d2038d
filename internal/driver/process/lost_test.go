package process

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/keeper"
)

// TestKeeperKilled is B8: kill -9 of a keeper is found out, what it kept is ended, and it says so.
func TestKeeperKilled(t *testing.T) {
	for _, mode := range []string{"silent", "leader", "setsid"} {
		r := newRig(t)
		u := r.unit("a", mode)
		l := r.run(u)
		l.up()
		r.prints(u, "ready")
		rec, err := keeper.ReadRecord(keeper.RecordPath(r.RunDir, "a"))
		if err != nil {
			t.Fatal(err)
		}
		rec.Keeper.Send(unix.SIGKILL)
		e := l.wait()
		if e.Signal != "KILL" || e.Asked || l.err != nil {
			t.Errorf("exit %+v, %v", e, l.err)
		}
		if len(l.notices) != 1 {
			t.Errorf("%d notices", len(l.notices))
		}
		r.none()
	}
}

// TestAllKilled is B8: kill -9 of all keepers and of the supervisor; the next run of each unit sweeps
// first, and a sweep finds what is left of the others.
func TestAllKilled(t *testing.T) {
	r := newRig(t)
	units := []driver.Unit{r.unit("a", "leader"), r.unit("b", "setsid"), r.unit("c", "silent")}
	units[0].Grace = 100 * time.Millisecond
	s := r.supervisor(false, units...)
	first := s.ups(3)
	r.settled(units)
	for _, u := range units {
		if rec, err := keeper.ReadRecord(keeper.RecordPath(r.RunDir, u.Name)); err == nil {
			s.cmd.Process.Signal(unix.SIGSTOP) // so that it cannot clean up
			rec.Keeper.Send(unix.SIGKILL)
			within(t, "end of the keeper", func() (int, bool) { return 0, !rec.Keeper.Alive() })
		}
	}
	s.kill()
	os.RemoveAll(r.RunDir) // without any state
	l := r.run(units[0])
	if got := l.up(); got.Adopted || got.PID == first["a"].pid {
		t.Errorf("started %+v, first %+v", got, first["a"])
	}
	for _, p := range r.survivors() {
		if p.PID == first["a"].pid {
			t.Error("the old one is still there")
		}
	}
	l.stop(nil)
	l.wait()
	if n, err := r.Sweep(t.Context(), false); n < 3 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
	r.none()
}

// TestPrune ends what an earlier supervisor left of units that the stack no longer has, and nothing else.
func TestPrune(t *testing.T) {
	r := newRig(t)
	var first driver.Started
	for _, name := range []string{"kept", "removed", "renamed"} {
		l := r.run(r.unit(name, "setsid"))
		if s := l.up(); name == "kept" {
			first = s
		}
		r.prints(r.unit(name), "ready")
		l.stop(driver.ErrDetach)
		<-l.done
	}
	if n, err := r.Prune(t.Context(), []string{"kept", "new"}); n != 4 || err != nil {
		t.Errorf("pruned %d, %v", n, err)
	}
	u := r.unit("kept", "setsid")
	u.Dir = ""
	if p, err := keeper.Inspect(first.PID); err != nil || p.Zombie {
		t.Errorf("what was to be kept is gone: %v", err)
	}
}
