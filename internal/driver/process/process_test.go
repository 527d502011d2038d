package process

import (
	"strings"
	"testing"
)

// TestNoCommand refuses what cannot be run, in words.
func TestNoCommand(t *testing.T) {
	r := newRig(t)
	for name, argv := range map[string][]string{
		"no command": nil, "not in any folder of its PATH": {"no-such-program"}, "no such file": {"/no/such/program"},
		"not executable": {"/etc/passwd"},
	} {
		u := r.unit("a")
		u.Argv = argv
		l := r.run(u)
		if l.wait(); l.err == nil || !strings.Contains(l.err.Error(), name) {
			t.Errorf("%q: %v", argv, l.err)
		}
	}
	u := r.unit("a", "silent")
	u.Signal = "NOSUCH"
	l := r.run(u)
	if l.wait(); l.err == nil || !strings.Contains(l.err.Error(), `"NOSUCH"`) {
		t.Errorf("unknown signal: %v", l.err)
	}
	r.none()
}

// TestSignal sends the signal that the unit wants.
func TestSignal(t *testing.T) {
	r := newRig(t)
	u := r.unit("a", "signalled")
	u.Signal = "INT"
	l := r.run(u)
	l.up()
	r.prints(u, "ready")
	l.stop(nil)
	if e := l.wait(); !e.OK() {
		t.Errorf("exit %+v", e)
	}
	r.prints(u, "got interrupt")
}
