package container

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/need"
	"msctl.dev/msctl/internal/output"
)

// base is an image with a shell that the machines which run these tests have.
const base = "base:12"

// TestMain lets the test binary be the programs that tests start.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "reap-containers":
			os.Exit(ReapMain(os.Args[2:]))
		case "supervise":
			os.Exit(supervise(os.Args[2:]))
		case "getenv":
			fmt.Println(os.Getenv(os.Args[2]))
			os.Exit(0)
		case "ping":
			fmt.Println(Ping(context.Background()))
			os.Exit(0)
		}
	}
	code := m.Run()
	if err := leaks(); err != nil && code == 0 {
		fmt.Println(err)
		code = 1
	}
	os.Exit(code)
}

// leaks finds goroutines that outlive all tests, idle connections apart.
func leaks() error {
	return goleak.Find(goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

// newDriver returns a driver for a stack of its own, swept at the end of the test.
func newDriver(t *testing.T) *Driver {
	t.Helper()
	need.Docker(t)
	prefix := os.Getenv("MSCTL_IMAGE_PREFIX")
	if prefix == "" {
		prefix = "local/"
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	d := &Driver{Stack: "test" + strings.ToLower(rand.Text()), ImagePrefix: prefix, Reaper: []string{exe, "reap-containers"}}
	t.Cleanup(func() {
		own := &Driver{Stack: d.Stack} // the test may have given d another way to the engine
		if _, err := own.Sweep(context.Background(), true); err != nil {
			t.Error(err)
		}
	})
	return d
}

// shell is a unit that runs a script.
func shell(t *testing.T, name, script string) driver.Unit {
	return driver.Unit{Name: name, Image: base, Argv: []string{"sh", "-c", script}, Grace: 5 * time.Second,
		LogDir: filepath.Join(t.TempDir(), name)}
}

// running is a Run under way.
type running struct {
	started chan driver.Started
	killed  chan int
	done    chan struct{}
	exit    driver.Exit
	err     error
	cancel  context.CancelCauseFunc
	hurry   chan struct{}
}

func start(t *testing.T, d *Driver, u driver.Unit) *running {
	t.Helper()
	ctx, cancel := context.WithCancelCause(context.Background())
	r := &running{started: make(chan driver.Started, 1), killed: make(chan int, 1), done: make(chan struct{}), cancel: cancel, hurry: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.exit, r.err = d.Run(ctx, u, driver.Hooks{
			Started: func(s driver.Started) { r.started <- s },
			Killed:  func(n int) { r.killed <- n },
			Hurry:   r.hurry,
		})
	}()
	t.Cleanup(func() { cancel(driver.ErrKill); <-r.done })
	return r
}

// up waits until the run has started.
func (r *running) up(t *testing.T) driver.Started {
	t.Helper()
	select {
	case s := <-r.started:
		return s
	case <-r.done:
		t.Fatalf("ended before it started: %+v, %v", r.exit, r.err)
	case <-time.After(time.Minute):
		t.Fatal("not started within a minute")
	}
	panic("unreachable")
}

// end waits until the run has ended.
func (r *running) end(t *testing.T) driver.Exit {
	t.Helper()
	select {
	case <-r.done:
	case <-time.After(time.Minute):
		t.Fatal("not ended within a minute")
	}
	if r.err != nil && !errors.Is(r.err, driver.ErrDetach) {
		t.Fatal(r.err)
	}
	return r.exit
}

// lines returns what is stored of stdout and stderr.
func lines(t *testing.T, u driver.Unit) []string {
	t.Helper()
	var out []string
	err := output.Read(context.Background(), u.LogDir, output.Query{}, func(l output.Line) error {
		if l.Stream != output.Note {
			out = append(out, string(l.Text))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// eventually polls a condition until it holds.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
