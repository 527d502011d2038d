package process

import (
	"os"
	"strings"
	"testing"

	"msctl.dev/msctl/internal/keeper"
	"msctl.dev/msctl/internal/output"
)

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
