package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"msctl.dev/msctl/internal/mishap"
	"msctl.dev/msctl/internal/output"
	"msctl.dev/msctl/internal/state"
)

// mishapRig runs the msctl that users get, of which single calls to the system fail.
type mishapRig struct {
	*crashRig
	watch mishap.Watch

	mu     sync.Mutex // guards the rest
	decide func(mishap.Call) unix.Errno
	calls  map[string]mishap.Call // on what msctl keeps
}

// newMishapRig makes a rig with a stack of its own, in which each service is as the text says.
func newMishapRig(t *testing.T, bin string, services ...string) *mishapRig {
	dir, err := os.MkdirTemp("", "b5") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	r := &mishapRig{calls: map[string]mishap.Call{}, crashRig: &crashRig{t: t, bin: bin, dir: dir, mark: strconv.Itoa(1e9 + time.Now().Nanosecond())}}
	stack := "version: 1\nname: full\ntelemetry: off\nservices:\n"
	for i, s := range services {
		stack += fmt.Sprintf("  %c:\n    listen: {http: auto}\n    command: ", 'a'+i) + strings.ReplaceAll(s, "MARK", r.mark) + "\n"
	}
	if err := os.WriteFile(filepath.Join(dir, "stack.yaml"), []byte(stack), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := takeDownAtLast(dir, dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.run("", "down", "--force") }) // only a failed test leaves something up
	r.watch = mishap.Watch{Folder: dir, Helper: "mishap", Decide: r.judge,
		Rewrite: func(path string) string { return numbers.ReplaceAllString(path, "*") }}
	return r
}

// numbers are what makes the names of one file differ from run to run.
var numbers = regexp.MustCompile(`\d{6,}|[0-9a-f]{16}`)

// judge lets pass what others do, and what does not concern the folders that msctl keeps.
func (r *mishapRig) judge(c mishap.Call) unix.Errno {
	top, _, _ := strings.Cut(c.Path, "/")
	if !strings.HasPrefix(c.Program, "msctl") || !slices.Contains([]string{"", ".msctl", "msctl"}, top) {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls[c.String()] = c
	if r.decide == nil {
		return 0
	}
	return r.decide(c)
}

// let makes decide say what is to become of calls from now on; nil lets them pass.
func (r *mishapRig) let(decide func(mishap.Call) unix.Errno) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.decide = decide
}

// watched runs a command of msctl whose calls may fail.
func (r *mishapRig) watched(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(r.bin, "msctl"), args...)
	var out strings.Builder
	cmd.Dir, cmd.Stdout, cmd.Stderr = r.dir, &out, &out
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+r.dir)
	if err := r.watch.Start(cmd); err != nil {
		r.t.Fatal(err)
	}
	err := cmd.Wait()
	return out.String(), err
}

// must runs a command of msctl of which nothing fails.
func (r *mishapRig) must(args ...string) {
	r.t.Helper()
	if out, err := r.run("", args...); err != nil {
		r.t.Errorf("msctl %v: %v\n%s", args, err, out)
	}
}

// TestFullState is B5 and D4 for a disk that is full for longer: what runs goes on, what cannot be started now
// is started when there is room, the operator is told once of each, and `down` needs no room.
func TestFullState(t *testing.T) {
	bin := t.TempDir()
	buildMsctl(t, bin, "-tags=")
	ticking := "echo up; while sleep 0.02; do echo tick; echo >>ticks; done # MARK\n    health: {log: up}"
	r := newMishapRig(t, bin, ticking, steady)
	if err := os.WriteFile(filepath.Join(r.dir, "ticks"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := r.watched("up", "-d"); err != nil {
		t.Fatalf("up: %v\n%s", err, out)
	}
	before := r.kept("ports.json")
	r.let(noRoom)
	ticks := func() int { return strings.Count(r.kept("../ticks"), "\n") }
	for until := ticks() + 20; ticks() < until; {
		time.Sleep(10 * time.Millisecond)
	}
	if out, err := r.watched("restart", "b"); err == nil || !strings.Contains(out, "no space left") {
		t.Errorf("restart on a full disk: %v\n%s", err, out)
	}
	if told := r.notices("no space left", "a"); told != 1 {
		t.Errorf("told %d times that output is lost", told)
	}
	r.let(nil)
	r.must("wait", "a", "b", "--for", "ready", "--timeout", "30s")
	r.let(noRoom)
	if out, err := r.watched("down"); err != nil {
		t.Errorf("down on a full disk: %v\n%s", err, out)
	}
	if after := r.kept("ports.json"); after != before {
		t.Errorf("ports were %s, and are %s", before, after)
	}
	r.watch.Wait()
	r.nothingLeft()
}

// noRoom fails what a full disk fails.
func noRoom(c mishap.Call) unix.Errno {
	if c.Creates || slices.Contains([]string{"write", "pwrite64", "mkdirat", "linkat", "bind"}, c.Name) {
		return unix.ENOSPC
	}
	return 0
}

// notices counts what the operator was told with that text, of that unit.
func (r *mishapRig) notices(text, unit string) (n int) {
	p := place{dir: r.dir, getenv: func(name string) string { return map[string]string{"XDG_RUNTIME_DIR": r.dir}[name] }}
	c, err := p.connect(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	snap, err := c.Snapshot(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	seen := errors.New("all is seen")
	err = c.Follow(r.t.Context(), 0, func(ev state.Event) error {
		if ev.Kind == state.KindNotice && strings.HasPrefix(ev.Text, unit+": ") && strings.Contains(ev.Text, text) {
			n++
		}
		if ev.Seq >= snap.Seq {
			return seen
		}
		return nil
	})
	if !errors.Is(err, seen) {
		r.t.Error(err)
	}
	return n
}

// TestFailAtEveryCall is B5: each call of msctl and its keepers on what they keep, one after the other, fails
// once in an `up` and a `down`, for want of room, descriptors or memory or with an error of the disk. Either
// nobody notices, since it is tried again, or the operator is told once; what was kept is as it was, and
// nothing is left behind. MSCTL_SWEEP=all sweeps every repetition of every call with every error.
func TestFailAtEveryCall(t *testing.T) {
	bin := t.TempDir()
	buildMsctl(t, bin, "-tags=")
	calls := newMishapRig(t, bin, steady).list()
	all := os.Getenv("MSCTL_SWEEP") == "all"
	swept := 0
	for i, name := range slices.Sorted(maps.Keys(calls)) {
		c, errnos := calls[name], mishapsOf(calls[name])
		if !all {
			errnos = errnos[i%len(errnos):][:1]
		}
		for _, errno := range errnos {
			if all || c.N == 1 || c.Program == "msctl-keeper" {
				swept++
				t.Run(name+" "+unix.ErrnoName(errno), func(t *testing.T) {
					t.Parallel()
					newMishapRig(t, bin, steady).sweep(name, errno)
				})
			}
		}
	}
	t.Logf("B5: %d of %d calls swept", swept, len(calls))
	if swept < 40 {
		t.Error("that is not all: is the kernel asked?")
	}
}

// steady is a service that counts its starts outside of what msctl keeps.
const steady = "echo >>starts; echo up; exec sleep MARK\n    health: {log: up}"

// list returns the calls of an `up` and a `down` that follow others.
func (r *mishapRig) list() map[string]mishap.Call {
	r.must("up", "-d")
	r.must("down")
	for _, command := range [][]string{{"up", "-d"}, {"down"}} {
		if out, err := r.watched(command...); err != nil {
			r.t.Fatalf("msctl %v: %v\n%s", command, err, out)
		}
	}
	r.watch.Wait()
	return r.calls
}

// mishapsOf is what such a call may come to.
func mishapsOf(c mishap.Call) []unix.Errno {
	switch {
	case c.Path == "":
		return []unix.Errno{unix.EMFILE, unix.ENOMEM}
	case c.Name == "openat" && c.Creates:
		return []unix.Errno{unix.ENOSPC, unix.EMFILE, unix.EIO, unix.ENOMEM}
	case c.Name == "openat":
		return []unix.Errno{unix.EMFILE, unix.EIO, unix.ENOMEM}
	case slices.Contains([]string{"read", "pread64", "getdents64", "unlinkat", "fchmodat", "flock"}, c.Name):
		return []unix.Errno{unix.EIO, unix.ENOMEM}
	}
	return []unix.Errno{unix.ENOSPC, unix.EIO}
}

// sweep lets one call fail and holds msctl to its promises.
func (r *mishapRig) sweep(name string, errno unix.Errno) {
	r.must("up", "-d")
	r.must("down")
	before := r.kept("ports.json")
	r.let(func(c mishap.Call) unix.Errno {
		if c.String() == name {
			return errno
		}
		return 0
	})
	up, failed := r.watched("up", "-d")
	if failed != nil {
		r.toldOnce(up, errno)
	} else if n, ok := r.runs(1); !ok {
		r.t.Errorf("%d services run, want 1", n)
	}
	down, failed2 := r.watched("down")
	if failed2 != nil {
		r.toldOnce(down, errno)
		r.must("down")
	}
	if n := strings.Count(up+down, errno.Error()); n > 1 {
		r.t.Errorf("told %d times:\n%s%s", n, up, down)
	}
	r.watch.Wait()
	if after := r.kept("ports.json"); after != before {
		r.t.Errorf("ports were %s, and are %s", before, after)
	}
	r.must("up", "-d")
	if after := r.kept("ports.json"); after != before {
		r.t.Errorf("ports were %s, and are %s", before, after)
	}
	if n, ok := r.runs(1); !ok {
		r.t.Errorf("%d services run, want 1", n)
	}
	r.must("down")
	r.nothingLeft()
	if lines, starts := r.lines("a"), strings.Count(r.kept("../starts"), "\n"); lines != starts || failed == nil && starts != 3 {
		r.t.Errorf("%d lines of %d starts are in the log", lines, starts)
	}
}

// toldOnce checks that what a command printed names the cause, once and in plain words.
func (r *mishapRig) toldOnce(out string, errno unix.Errno) {
	r.t.Helper()
	engine := strings.Contains(out, "container engine") // it says itself why it cannot be reached
	if strings.Count("\n"+out, "\nmsctl: ") != 1 || strings.Count(out, errno.Error()) != 1 && !engine || strings.Contains(out, "goroutine ") {
		r.t.Errorf("want to be told once that %q:\n%s", errno.Error(), out)
	}
}

// kept returns what is in a file of the state folder.
func (r *mishapRig) kept(name string) string {
	b, err := os.ReadFile(filepath.Join(r.dir, ".msctl", name))
	if err != nil {
		r.t.Error(err)
	}
	return string(b)
}

// lines counts the lines of its own that a unit's log has.
func (r *mishapRig) lines(unit string) (n int) {
	err := output.Read(r.t.Context(), filepath.Join(r.dir, ".msctl", "logs", unit), output.Query{}, func(l output.Line) error {
		if l.Stream == output.Stdout {
			n++
		}
		return nil
	})
	if err != nil {
		r.t.Error(err)
	}
	return n
}

// nothingLeft checks that no process lives, and no file is there that is not meant to be kept.
func (r *mishapRig) nothingLeft() {
	if n := r.alive(); n != 0 {
		r.t.Errorf("%d processes survive", n)
	}
	stay := regexp.MustCompile(`^(stack\.yaml|starts|ticks|msctl/ports/ports|\.msctl/(ports\.json|msctl\.log|up\.lock|data/secret|logs/[a-z]/\d+\.seg))$`)
	err := filepath.WalkDir(r.dir, func(path string, e fs.DirEntry, err error) error {
		if rel, _ := filepath.Rel(r.dir, path); err == nil && !e.IsDir() && !stay.MatchString(rel) {
			r.t.Errorf("%s is left", rel)
		}
		return err
	})
	if err != nil {
		r.t.Error(err)
	}
}
