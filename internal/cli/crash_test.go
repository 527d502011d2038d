package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// crashRig runs a build of msctl that can be made to die at each of its own writes.
type crashRig struct {
	t    *testing.T
	bin  string // folder with msctl and its keeper
	dir  string // of the stack
	mark string // on the command line of all that the stack runs
}

func newCrashRig(t *testing.T, bin string) *crashRig {
	r := &crashRig{t: t, bin: bin, dir: t.TempDir(), mark: strconv.Itoa(1e9 + time.Now().Nanosecond())}
	unit := fmt.Sprintf("command: echo up; exec sleep %s\n    listen: {http: auto}\n    health: {log: up}\n", r.mark)
	stack := "version: 1\nname: crash\nservices:\n  a:\n    " + unit + "  b:\n    " + unit
	if err := os.WriteFile(filepath.Join(r.dir, "stack.yaml"), []byte(stack), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := takeDownAtLast(r.dir, r.dir); err != nil {
		t.Fatal(err)
	}
	return r
}

// run runs one command of msctl with more in its environment.
func (r *crashRig) run(env string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(r.bin, "msctl"), args...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+r.dir, env)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// alive counts what the stack runs, by its mark.
func (r *crashRig) alive() int {
	n := 0
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		r.t.Fatal(err)
	}
	for _, file := range all {
		if b, err := os.ReadFile(file); err == nil && strings.Contains(string(b), r.mark) {
			n++
		}
	}
	return n
}

// runs waits until n services run, and says how many do. While a process becomes another program it has no words
// to be known by.
func (r *crashRig) runs(n int) (int, bool) {
	got := r.alive()
	for deadline := time.Now().Add(10 * time.Second); got != n && time.Now().Before(deadline); got = r.alive() {
		time.Sleep(10 * time.Millisecond)
	}
	return got, got == n
}

// buildMsctl builds msctl with that flag, and the keeper of every user.
func buildMsctl(t *testing.T, bin, flag string) {
	for name, flag := range map[string]string{"msctl": flag, "msctl-keeper": "-tags="} {
		build := exec.Command("go", "build", flag, "-o", filepath.Join(bin, name), "msctl.dev/msctl/cmd/"+name)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, out)
		}
	}
}

// TestCrashAtEveryWrite is B6 for msctl's own files: killed at each step of lock, socket, ports and the
// start of a keeper, on the way up and down, the next `up` or `down` recovers.
func TestCrashAtEveryWrite(t *testing.T) {
	bin := t.TempDir()
	buildMsctl(t, bin, "-tags=failpoint")
	points := newCrashRig(t, bin).points()
	if len(points) < 10 {
		t.Errorf("only %d points: %v", len(points), points)
	}
	t.Logf("%d points: %v", len(points), points)
	for i, point := range points {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			newCrashRig(t, bin).crash(point, i%2 == 0)
		})
	}
	crashUpsets(t, bin)
}

// points lists the writes of one `up` and one `down`.
func (r *crashRig) points() []string {
	log := filepath.Join(r.dir, "points")
	for _, args := range [][]string{{"up", "-d"}, {"down"}} {
		if out, err := r.run("MSCTL_FAIL_LOG="+log, args...); err != nil {
			r.t.Fatalf("msctl %v: %v\n%s", args, err, out)
		}
	}
	b, err := os.ReadFile(log)
	if err != nil {
		r.t.Fatal(err)
	}
	points := strings.Fields(string(b))
	slices.Sort(points)
	return slices.Compact(points)
}

// crash has msctl die at a point of `up`, or of `down`, and checks that the next commands recover.
func (r *crashRig) crash(point string, again bool) {
	fail := "MSCTL_FAIL=" + point
	if _, err := r.run(fail, "up", "-d"); err == nil {
		_, _ = r.run(fail, "down") // one of the two processes dies in it
	}
	if again {
		if out, err := r.run("", "up", "-d"); err != nil {
			r.t.Errorf("up after the crash: %v\n%s", err, out)
		}
		if n, ok := r.runs(2); !ok {
			r.t.Errorf("%d services run, want 2", n)
		}
		b, err := os.ReadFile(filepath.Join(r.dir, ".msctl", "ports.json"))
		if ports := map[string]int{}; err != nil || json.Unmarshal(b, &ports) != nil || len(ports) < 2 {
			r.t.Errorf("ports are %q, %v", b, err)
		}
	}
	if out, err := r.run("", "down"); err != nil {
		r.t.Errorf("down after the crash: %v\n%s", err, out)
	}
	if n := r.alive(); n != 0 {
		r.t.Errorf("%d processes survive", n)
	}
}
