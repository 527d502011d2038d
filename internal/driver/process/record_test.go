package process

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/keeper"
	"msctl.dev/msctl/internal/output"
)

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
