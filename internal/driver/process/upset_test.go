package process

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/keeper"
)

// shell is a unit that runs a script.
func (r *rig) shell(name, script string) driver.Unit {
	u := r.unit(name)
	u.Argv = []string{"/bin/sh", "-c", script}
	return u
}

// ready runs a script until it says that it is ready.
func (r *rig) ready(name, script string) *life {
	r.tb.Helper()
	u := r.shell(name, script)
	l := r.run(u)
	l.up()
	r.prints(u, "ready")
	return l
}

// eachBound makes a test on the unit a, which uses as much CPU as it gets, with each way in which that is bounded.
func eachBound(t *testing.T, test func(t *testing.T, r *rig)) {
	for name, groupless := range map[string]bool{"group": false, "stopped": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.groupless = groupless
			r.ready("a", "echo ready; while :; do :; done")
			test(t, r)
		})
	}
}

// upset upsets a unit and returns what undoes it.
func (r *rig) upset(name string, u driver.Upset) (inverse []byte) {
	r.tb.Helper()
	if err := r.Upset(context.Background(), name, u, func(b []byte) error { inverse = b; return nil }); err != nil {
		r.tb.Fatal(err)
	}
	return inverse
}

// states are those of the processes of a unit, its keeper apart: "T" is stopped.
func (r *rig) states(name string) string {
	r.tb.Helper()
	rec, err := keeper.ReadRecord(keeper.RecordPath(r.RunDir, name))
	if err != nil {
		r.tb.Fatal(err)
	}
	out := ""
	for _, p := range below(rec.Keeper) {
		out += stateOf(p.PID)
	}
	return out
}

func stateOf(pid int) string {
	b, err := os.ReadFile("/proc/" + itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return rest[:1]
}

// becomes waits for the states of a unit.
func (r *rig) becomes(name string, right func(states string) bool) {
	r.tb.Helper()
	last := ""
	for deadline := time.Now().Add(mustCome); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if last = r.states(name); right(last) {
			return
		}
	}
	r.tb.Fatalf("the processes of %s are %q", name, last)
}

func stopped(states string) bool { return states != "" && strings.Trim(states, "T") == "" }
func going(states string) bool   { return states != "" && !strings.Contains(states, "T") }
func itoa(n int) string          { b, _ := json.Marshal(n); return string(b) }

// TestPause is H9: a whole tree is stopped, and continued by another process that knows the inverse alone.
func TestPause(t *testing.T) {
	r := newRig(t)
	r.ready("a", "sleep 1000 & sleep 1000 & echo ready; wait")
	r.run(r.shell("b", "exec sleep 1000")).up()
	inv := r.upset("a", driver.Upset{Pause: true})
	r.becomes("a", func(states string) bool { return states == "TTT" }) // a signal takes a moment on a busy machine
	r.becomes("b", going)
	other := &Driver{RunDir: r.RunDir, Stack: r.Stack}
	for range 2 {
		if err := other.Calm(t.Context(), inv); err != nil {
			t.Fatal(err)
		}
		r.becomes("a", going)
	}
}

// TestPausedWhileRationed shows that the end of a bound on CPU does not continue what a pause wants stopped,
// and that the end of the pause does.
func TestPausedWhileRationed(t *testing.T) {
	eachBound(t, func(t *testing.T, r *rig) {
		cpu := r.upset("a", driver.Upset{CPU: 0.01})
		if r.groupless {
			r.becomes("a", stopped)
		}
		pause := r.upset("a", driver.Upset{Pause: true})
		r.becomes("a", stopped)
		r.cease(func(string, string) bool { return true })
		if got := r.states("a"); !stopped(got) {
			t.Errorf("its rationing has ended, and it is %q, want T", got)
		}
		if err := r.Calm(t.Context(), cpu); err != nil {
			t.Fatal(err)
		}
		if got := r.states("a"); !stopped(got) {
			t.Errorf("its bound is lifted, and it is %q, want T", got)
		}
		if err := r.Calm(t.Context(), pause); err != nil {
			t.Fatal(err)
		}
		r.becomes("a", going)
	})
}

// TestPausedUnitIsStopped shows that a stop reaches what is paused, politely.
func TestPausedUnitIsStopped(t *testing.T) {
	for name, upset := range map[string]driver.Upset{"pause": {Pause: true}, "cpu": {CPU: 0.01}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.groupless = true
			l := r.ready("a", "trap 'exit 7' TERM; echo ready; while :; do :; done")
			r.upset("a", upset)
			r.becomes("a", stopped)
			l.stop(nil)
			if e := l.wait(); !e.Asked || e.Code != 7 {
				t.Errorf("it ended with %+v, want its own exit 7", e)
			}
			r.none()
		})
	}
}

// TestCalmTouchesNobodyElse shows that a process that has the pid of a paused one by now stays as it is.
func TestCalmTouchesNobodyElse(t *testing.T) {
	r := newRig(t)
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	cmd.Process.Signal(syscall.SIGSTOP)
	for stateOf(cmd.Process.Pid) != "T" {
		time.Sleep(time.Millisecond)
	}
	self, err := keeper.Self(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	self.Start-- // of one that had the pid of this process, whose child that is, before
	text, _ := json.Marshal(inverse{Unit: "a", Keeper: self, Leader: self, Upset: driver.Upset{Pause: true}})
	if err := r.Calm(t.Context(), text); err != nil {
		t.Fatal(err)
	}
	if got := stateOf(cmd.Process.Pid); got != "T" {
		t.Errorf("the foreign process is %q, want T", got)
	}
}

// TestPausedOrphansGoOn shows that a tree whose keeper was killed is found by its marker.
func TestPausedOrphansGoOn(t *testing.T) {
	r := newRig(t)
	u := r.shell("a", "echo ready; exec sleep 1000")
	l := r.run(u)
	pid := l.up().PID
	r.prints(u, "ready")
	leader, err := keeper.Self(pid)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(inverse{Unit: "a", Keeper: keeper.Identity{PID: 1, Boot: leader.Boot}, Leader: leader, Upset: driver.Upset{Pause: true}})
	leader.Send(syscall.SIGSTOP)
	r.becomes("a", stopped)
	if err := r.Calm(t.Context(), text); err != nil {
		t.Fatal(err)
	}
	r.becomes("a", going)
}

// TestKill shows that a killed unit is no stopped one: who keeps it starts it again.
func TestKill(t *testing.T) {
	r := newRig(t)
	l := r.ready("a", "sleep 1000 & echo ready; wait")
	if inv := r.upset("a", driver.Upset{Signal: "KILL"}); inv != nil {
		t.Errorf("a kill has an inverse: %s", inv)
	}
	if e := l.wait(); e.Asked || e.Signal != "KILL" {
		t.Errorf("it ended with %+v, want KILL, not asked", e)
	}
	r.none()
	if err := r.Upset(t.Context(), "a", driver.Upset{Pause: true}, nil); !errors.Is(err, driver.ErrNotRunning) {
		t.Errorf("upset of what has ended: %v", err)
	}
}

// TestCPU shows that a tree that would use a whole core gets much less, by a control group where this user
// may make one and else by being stopped now and then, and that it goes on.
func TestCPU(t *testing.T) {
	eachBound(t, func(t *testing.T, r *rig) {
		rec, err := keeper.ReadRecord(keeper.RecordPath(r.RunDir, "a"))
		if err != nil {
			t.Fatal(err)
		}
		inv := r.upset("a", driver.Upset{CPU: 0.1})
		if bounded := strings.Contains(string(inv), "Bound"); r.groupless == bounded {
			t.Skipf("no control groups for this user: %s", inv)
		}
		before, begun := consumed(rec.Keeper), time.Now()
		for consumed(rec.Keeper)-before < 100*time.Millisecond { // a second, or more where others work too
			if time.Since(begun) > mustCome {
				t.Fatal("it does not go on")
			}
			time.Sleep(5 * time.Millisecond)
		}
		if took := time.Since(begun); took < 400*time.Millisecond {
			t.Errorf("100ms of CPU took %v at a tenth of a core", took)
		}
		if err := r.Calm(t.Context(), inv); err != nil {
			t.Fatal(err)
		}
		r.becomes("a", going)
	})
}

// TestMemory shows that a tree above its limit is killed.
func TestMemory(t *testing.T) {
	r := newRig(t)
	u := r.shell("a", "echo ready; exec tail /dev/zero")
	u.Memory = 1 << 30 // the machine's memory is not for a test
	l := r.run(u)
	l.up()
	r.upset("a", driver.Upset{Memory: 64 << 20})
	if e := l.wait(); e.Asked || e.Signal != "KILL" {
		t.Errorf("it ended with %+v, want KILL", e)
	}
	r.cease(func(string, string) bool { return true })
}

// TestNothingUnwritten is H9: what cannot be written down is not done.
func TestNothingUnwritten(t *testing.T) {
	r := newRig(t)
	r.ready("a", "echo ready; exec sleep 1000")
	full := errors.New("disk is full")
	for _, upset := range []driver.Upset{{Pause: true}, {CPU: 0.1}, {Memory: 1}} {
		if err := r.Upset(t.Context(), "a", upset, func([]byte) error { return full }); !errors.Is(err, full) {
			t.Errorf("%v: %v, want %v", upset, err, full)
		}
	}
	if err := r.Upset(t.Context(), "a", driver.Upset{Disconnect: true}, nil); !errors.Is(err, driver.ErrCannot) {
		t.Errorf("disconnect: %v, want %v", err, driver.ErrCannot)
	}
	r.becomes("a", going)
}
