package process

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/keeper"
	"msctl.dev/msctl/internal/output"
)

const mustCome = 30 * time.Second // of a test for what must come; generous, the machine may be busy

var bin string // folder of the programs built by TestMain

func TestMain(m *testing.M) {
	if spec := os.Getenv("MSCTL_TEST_SUPERVISOR"); spec != "" {
		os.Exit(supervise(spec))
	}
	dir, err := os.MkdirTemp("", "msctl-process-")
	if err != nil {
		panic(err)
	}
	bin = dir
	build := func(name string, args ...string) {
		args = append([]string{"build", "-o", filepath.Join(dir, name)}, args...)
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			panic(fmt.Sprintf("build %s: %v\n%s", name, err, out))
		}
	}
	build("msctl-keeper", "msctl.dev/msctl/cmd/msctl-keeper")
	build("msctl-keeper-failing", "-tags", "failpoint", "msctl.dev/msctl/cmd/msctl-keeper")
	build("hostile", "msctl.dev/msctl/internal/keeper/testdata/hostile")
	code := m.Run()
	os.RemoveAll(dir)
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// rig is one stack of a test.
type rig struct {
	*Driver
	tb   testing.TB
	logs string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	dir := t.TempDir()
	r := &rig{tb: t, logs: filepath.Join(dir, "logs")}
	r.Driver = &Driver{
		RunDir: filepath.Join(dir, "run"), Stack: fmt.Sprintf("test-%d-%s", os.Getpid(), filepath.Base(dir)+t.Name()),
		Keeper: []string{filepath.Join(bin, "msctl-keeper")},
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), mustCome)
		defer cancel()
		for _, m := range r.survivors() {
			m.Identity().Send(9)
		}
		if _, err := r.Sweep(ctx, false); err != nil {
			t.Error(err)
		}
	})
	return r
}

// unit is a hostile service.
func (r *rig) unit(name string, args ...string) driver.Unit {
	return driver.Unit{
		Name: name, Argv: append([]string{filepath.Join(bin, "hostile")}, args...), Dir: r.tb.TempDir(),
		Env: []string{"PATH=/usr/bin:/bin"}, Grace: 5 * time.Second, LogDir: filepath.Join(r.logs, name),
	}
}

// life is a Run under way.
type life struct {
	t       testing.TB
	stop    context.CancelCauseFunc
	started chan driver.Started
	hurry   chan struct{}
	killed  chan int
	notices chan string
	done    chan struct{}
	exit    driver.Exit
	err     error
}

func (r *rig) run(u driver.Unit) *life {
	ctx, cancel := context.WithCancelCause(context.Background())
	l := &life{t: r.tb, stop: cancel, started: make(chan driver.Started, 1), hurry: make(chan struct{}),
		killed: make(chan int, 1), notices: make(chan string, 9), done: make(chan struct{})}
	go func() {
		defer close(l.done)
		l.exit, l.err = r.Driver.Run(ctx, u, driver.Hooks{
			Started: func(s driver.Started) { l.started <- s },
			Killed:  func(n int) { l.killed <- n },
			Notice:  func(s string) { l.notices <- s },
			Hurry:   l.hurry,
		})
	}()
	r.tb.Cleanup(func() { cancel(driver.ErrKill); l.wait() })
	return l
}

// up waits until it has started.
func (l *life) up() driver.Started {
	l.t.Helper()
	return within(l.t, "start", func() (driver.Started, bool) {
		select {
		case s := <-l.started:
			return s, true
		case <-l.done:
			l.t.Fatalf("ended before it started: %+v, %v", l.exit, l.err)
		case <-time.After(mustCome):
		}
		return driver.Started{}, false
	})
}

// wait waits for the end.
func (l *life) wait() driver.Exit {
	l.t.Helper()
	select {
	case <-l.done:
	case <-time.After(mustCome):
		l.t.Fatal("did not end")
	}
	return l.exit
}

// within polls for something that must come.
func within[T any](t testing.TB, what string, try func() (T, bool)) T {
	t.Helper()
	end := time.Now().Add(mustCome)
	for {
		if v, ok := try(); ok {
			return v
		}
		if time.Now().After(end) {
			t.Fatalf("no %s after %v", what, mustCome)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// prints waits until the unit has printed a line with that text.
func (r *rig) prints(u driver.Unit, text string) output.Line {
	r.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), mustCome)
	defer cancel()
	var found output.Line
	err := output.Follow(ctx, u.LogDir, output.Query{}, func(lines []output.Line) error {
		for _, l := range lines {
			if strings.Contains(string(l.Text), text) {
				found = l
				return errFound
			}
		}
		return nil
	})
	if err != errFound {
		r.tb.Fatalf("%s did not print %q: %v", u.Name, text, err)
	}
	return found
}

var errFound = fmt.Errorf("found")

// survivors counts by marker and by program, never by what the driver believes.
func (r *rig) survivors() (out []keeper.Process) {
	r.tb.Helper()
	all, err := keeper.Processes()
	if err != nil {
		r.tb.Fatal(err)
	}
	for _, p := range all {
		exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", p.PID))
		stack, _ := p.Environ().Lookup(keeper.EnvStack)
		mine := stack == r.Stack
		if stack == "" && exe == filepath.Join(bin, "hostile") {
			mine = true // dropped its environment; tests of this package run one at a time
		}
		if mine && !p.Zombie {
			out = append(out, p)
		}
	}
	return out
}

func (r *rig) none() {
	r.tb.Helper()
	if left := r.survivors(); len(left) > 0 {
		r.tb.Errorf("%d processes are left: %+v", len(left), left)
	}
}
