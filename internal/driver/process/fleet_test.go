package process

import (
	"fmt"
	"os"
	"testing"
	"time"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/output"
)

// fleet is the hostile fleet: twelve services, half of them with bad manners.
func (r *rig) fleet() (units []driver.Unit) {
	modes := []string{"silent", "silent", "silent", "silent", "silent", "silent",
		"chatty", "ignore", "leader", "fork", "setsid", "sigpipe"}
	for i, mode := range modes {
		u := r.unit(fmt.Sprintf("%s-%d", mode, i), mode)
		u.Grace = time.Second
		u.Restarts = i
		units = append(units, u)
	}
	return units
}

// settled waits until every unit has printed "ready": its whole tree is there.
func (r *rig) settled(units []driver.Unit) {
	r.tb.Helper()
	for _, u := range units {
		r.prints(u, "ready")
	}
}

// TestSweepAfterKill is A1: kill -9 of the supervisor, then a sweep by one who has no state at all.
func TestSweepAfterKill(t *testing.T) {
	r := newRig(t)
	units := r.fleet()
	s := r.supervisor(false, units...)
	s.ups(len(units))
	r.settled(units)
	s.kill()
	if err := os.RemoveAll(r.RunDir); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	n, err := r.Sweep(t.Context(), false)
	t.Logf("A1: %d processes ended in %v, survivors %d", n, time.Since(begun), len(r.survivors()))
	if err != nil || n < 15 {
		t.Errorf("swept %d, %v", n, err)
	}
	r.none()
}

// TestEphemeral is A2: kill -9 of the supervisor and no second command.
func TestEphemeral(t *testing.T) {
	r := newRig(t)
	units := r.fleet()
	for i := range units {
		units[i].Ephemeral = true
	}
	s := r.supervisor(false, units...)
	s.ups(len(units))
	r.settled(units)
	s.kill()
	begun := time.Now()
	within(t, "end of all", func() (int, bool) { return 0, len(r.survivors()) == 0 })
	t.Logf("A2: empty after %v with a grace of 1s", time.Since(begun))
}

// TestAdopt is A3, D5 and B7: kill -9 of the supervisor again and again; the next one adopts all with
// the same pids and counts, and the log of the chatty one has no gap.
func TestAdopt(t *testing.T) {
	r := newRig(t)
	units := r.fleet()
	s := r.supervisor(false, units...)
	first := s.ups(len(units))
	r.settled(units)
	for range 5 {
		s.kill()
		s = r.supervisor(false, units...)
		for name, u := range s.ups(len(units)) {
			if !u.adopted || u.pid != first[name].pid || u.restarts != first[name].restarts {
				t.Errorf("%s: first %+v, then %+v", name, first[name], u)
			}
		}
	}
	r.prints(units[6], "line 20")
	s.leave()
	r.none()
	next := uint64(1)
	output.Read(t.Context(), units[6].LogDir, output.Query{}, func(l output.Line) error {
		if l.Seq != next {
			t.Errorf("line %d follows %d", l.Seq, next-1)
		}
		if next = l.Seq + 1; l.Seq > 1 && l.Stream == output.Stdout && string(l.Text) != fmt.Sprintf("line %d", l.Seq-1) {
			t.Errorf("line %d is %q", l.Seq, l.Text)
		}
		return nil
	})
}

// TestTwenty is promise 2 for the driver: twenty supervisors at once, one instance.
func TestTwenty(t *testing.T) {
	r := newRig(t)
	u := r.unit("a", "silent")
	var lives []*life
	for range 20 {
		other := *r
		other.Driver = &Driver{RunDir: r.RunDir, Stack: r.Stack, Keeper: r.Keeper}
		lives = append(lives, other.run(u))
	}
	pids := map[int]int{}
	adopted := 0
	for _, l := range lives {
		s := l.up()
		pids[s.PID]++
		if s.Adopted {
			adopted++
		}
	}
	if len(pids) != 1 || adopted != 19 {
		t.Errorf("pids %v, %d adopted", pids, adopted)
	}
	lives[7].stop(nil)
	for _, l := range lives {
		if e := l.wait(); !e.OK() || l.err != nil {
			t.Errorf("exit %+v, %v", e, l.err)
		}
	}
	r.none()
}
