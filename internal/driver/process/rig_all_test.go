package process

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/keeper"
	"msctl.dev/msctl/internal/output"
)

// fleet is the hostile fleet: twelve services, half of them with bad manners.
func (r *rig) fleet() (units []driver.Unit) {
	modes := []string{"silent", "silent", "silent", "silent", "silent", "silent",
		"chatty", "ignore", "leader", "fork", "setsid", "sigpipe"}
	for i, mode := range modes {
		u := r.unit(fmt.Sprintf("%s-%d", mode, i), mode)
		u.Grace = 2 * time.Second
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
	t.Logf("A2: empty after %v with a grace of 2s", time.Since(begun))
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
			for range 25 {
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

// TestRecordDamaged is B3: whatever stands in the record, nothing is acted upon that a keeper did not
// write; the running unit is adopted through its keeper.
func TestRecordDamaged(t *testing.T) {
	r := newRig(t)
	u := r.unit("a", "silent")
	l := r.run(u)
	first := l.up()
	l.stop(driver.ErrDetach)
	<-l.done
	path := keeper.RecordPath(r.RunDir, "a")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damages := map[string]func() error{
		"removed": func() error { return os.Remove(path) },
		"empty":   func() error { return os.WriteFile(path, nil, 0o600) },
		"cut":     func() error { return os.WriteFile(path, good[:len(good)/2], 0o600) },
		"flipped": func() error { return os.WriteFile(path, []byte(strings.Replace(string(good), "1", "2", 1)), 0o600) },
		"huge":    func() error { return os.Truncate(path, 1<<30) },
		"temp":    func() error { return os.WriteFile(path+".tmp", []byte("half"), 0o600) },
	}
	for name, damage := range damages {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		l := r.run(u)
		if s := l.up(); !s.Adopted || s.PID != first.PID {
			t.Errorf("%s: first %+v, then %+v", name, first, s)
		}
		l.stop(driver.ErrDetach)
		<-l.done
	}
	aside, _ := filepath.Glob(path + ".corrupt-*")
	if len(aside) == 0 {
		t.Error("no corrupt record was set aside")
	}
}

// TestRecycled is A15: a record whose pids belong to others now is neither signalled nor adopted.
func TestRecycled(t *testing.T) {
	r := newRig(t)
	bystander := r.run(r.unit("bystander", "signalled"))
	s := bystander.up()
	r.prints(r.unit("bystander"), "ready")
	self, _ := keeper.Self(os.Getpid())
	other, _ := keeper.Self(s.PID)
	u := r.unit("a", "silent")
	spec, err := r.spec(u)
	if err != nil {
		t.Fatal(err)
	}
	wrong := func(id keeper.Identity, how string) keeper.Identity {
		switch how {
		case "start":
			id.Start--
		case "boot":
			id.Boot = "another"
		}
		return id
	}
	for _, how := range []string{"start", "boot"} {
		rec := keeper.Record{Protocol: keeper.Protocol, Unit: "a", Hash: spec.Hash, Keeper: wrong(self, how), Leader: wrong(other, how)}
		if err := keeper.WriteRecord(keeper.RecordPath(r.RunDir, "a"), rec); err != nil {
			t.Fatal(err)
		}
		l := r.run(u)
		if got := l.up(); got.Adopted {
			t.Errorf("%s: adopted a stranger", how)
		}
		l.stop(nil)
		l.wait()
	}
	select {
	case <-bystander.done:
		t.Error("a bystander was ended")
	default:
	}
	lines, _ := output.Tail(filepath.Join(r.logs, "bystander"), 9)
	if len(lines) != 1 {
		t.Errorf("a bystander was signalled: %d lines", len(lines))
	}
}

// TestProtocol is B9: a keeper of another version is refused in plain words, and swept all the same.
func TestProtocol(t *testing.T) {
	r := newRig(t)
	u := r.unit("a", "silent")
	l := r.run(u)
	l.up()
	l.stop(driver.ErrDetach)
	<-l.done
	path := keeper.RecordPath(r.RunDir, "a")
	rec, err := keeper.ReadRecord(path)
	if err != nil {
		t.Fatal(err)
	}
	rec.Protocol++
	keeper.WriteRecord(path, rec)
	l = r.run(u)
	<-l.done
	if l.err == nil || !strings.Contains(l.err.Error(), "protocol") {
		t.Errorf("got %v", l.err)
	}
	if n, err := r.Sweep(t.Context(), false); n != 1 || err != nil {
		t.Errorf("swept %d, %v", n, err)
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
	cycle(40)
	if after := openFiles(t); after > before {
		t.Errorf("open files: %d before, %d after 40 cycles", before, after)
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

// TestUser runs a service as another user when msctl is root, with that user's groups.
func TestUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may become another user")
	}
	r := newRig(t)
	u := r.unit("a")
	u.Argv, u.Dir, u.User = []string{"sh", "-c", "id -un; exit 4"}, "/", "nobody"
	if e := r.run(u).wait(); e.Code != 4 {
		t.Errorf("exit %+v", e)
	}
	r.prints(u, "nobody")
	u.User = "nobody-of-that-name"
	l := r.run(u)
	if l.wait(); l.err == nil {
		t.Error("ran as nobody knows whom")
	}
}

// TestInherited hands nothing of msctl to a service but the three standard files.
func TestInherited(t *testing.T) {
	r := newRig(t)
	u := r.unit("a", "nofile")
	l := r.run(u)
	l.up()
	if line := r.prints(u, ""); !strings.HasPrefix(string(line.Text), "ready") {
		t.Errorf("the service says %q", line.Text)
	}
}

// TestEndlessLine is D1: a line without end is cut, and costs the keeper no memory.
func TestEndlessLine(t *testing.T) {
	r := newRig(t)
	u := r.unit("a", "endless", "300")
	l := r.run(u)
	l.up()
	r.prints(u, "ready")
	lines, _ := output.Tail(u.LogDir, 2)
	if len(lines) != 2 || len(lines[0].Text) != output.MaxLine || lines[0].Cut != 300<<20-output.MaxLine {
		t.Errorf("%d lines, the first has %d bytes and %d cut", len(lines), len(lines[0].Text), lines[0].Cut)
	}
	rec, err := keeper.ReadRecord(keeper.RecordPath(r.RunDir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	if private, _ := keeper.Memory(rec.Keeper.PID); private > 30<<20 {
		t.Errorf("the keeper has %d bytes", private)
	}
}
