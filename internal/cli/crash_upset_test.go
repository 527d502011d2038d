package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// upsetPoints are where a supervisor can die while it pauses a unit and lets it go on.
var upsetPoints = []string{"upset-temp", "upset-written", "upset-begun", "upset-done", "upset-calmed", "upset-forgotten"}

// upset has a supervisor die at a point of a pause, or of its end, and checks that the next command undoes
// what is left of it (H9).
func (r *crashRig) upset(point string) {
	if out, err := r.run("MSCTL_FAIL="+point+":1", "up", "-d"); err != nil {
		r.t.Fatalf("up: %v\n%s", err, out)
	}
	_, _ = r.run("", "chaos", "add", "a", "pause") // one of the two dies on the way
	_, _ = r.run("", "chaos", "clear")
	if out, err := r.run("", "chaos", "list"); err == nil {
		r.t.Errorf("the supervisor is there after %s: %s", point, out)
	}
	if out, err := r.run("", "chaos", "heal"); err != nil {
		r.t.Errorf("heal: %v\n%s", err, out)
	}
	if n := r.paused(); n != 0 {
		r.t.Errorf("%d processes are paused", n)
	}
	if left, _ := os.ReadDir(filepath.Join(r.dir, ".msctl", "upsets")); len(left) != 0 {
		r.t.Errorf("files are left: %v", left)
	}
	if out, err := r.run("", "up", "-d"); err != nil {
		r.t.Errorf("up after the crash: %v\n%s", err, out)
	}
	if n, ok := r.runs(2); !ok {
		r.t.Errorf("%d services run, want 2", n)
	}
	if out, err := r.run("", "down"); err != nil {
		r.t.Errorf("down after the crash: %v\n%s", err, out)
	}
}

// paused counts what of the stack is stopped, by its mark.
func (r *crashRig) paused() int {
	n := 0
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range all {
		b, _ := os.ReadFile(file)
		stat, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "stat"))
		if strings.Contains(string(b), r.mark) && strings.Contains(string(stat), ") T ") {
			n++
		}
	}
	return n
}

// crashUpsets sweeps the points with a build that can be made to die.
func crashUpsets(t *testing.T, bin string) {
	for _, point := range upsetPoints {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			newCrashRig(t, bin).upset(point)
		})
	}
}
