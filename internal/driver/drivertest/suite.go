package drivertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/output"
)

// Act is what a unit of the suite does. Every one that runs on prints "ready" first, to stdout, when it
// is set up to do the rest.
type Act string

// The acts.
const (
	Idle   Act = "idle"   // exits 0 at the polite signal
	Ignore Act = "ignore" // ignores the polite signal
	Exit   Act = "exit"   // prints "bye" and exits with the code in arg
	Die    Act = "die"    // ends itself by signal KILL
	Lines  Act = "lines"  // prints "line 1" to "line N", N in arg, and exits 0
	Env    Act = "env"    // prints the variable named by arg as Go's %q writes it, then "ready", then is idle
	Absent Act = "absent" // cannot be started: no such program or image
)

// Suite is one driver as the suite needs it.
type Suite struct {
	New   func(t *testing.T) driver.Driver                               // of a stack of its own; cleans up after the test
	Again func(t *testing.T, d driver.Driver) driver.Driver              // as the next supervisor of the same stack makes it; nil: d
	Unit  func(t *testing.T, name string, a Act, arg string) driver.Unit // with a LogDir
	Lacks map[string]string                                              // tests that it cannot pass, with the reason
	Wait  time.Duration                                                  // for what must come; 0 means 30 s
}

// Run holds a driver to what [driver.Driver] promises, and the optional powers that it has to theirs.
func Run(t *testing.T, s Suite) {
	if s.Wait == 0 {
		s.Wait = 30 * time.Second
	}
	for _, c := range []struct {
		name string
		test func(*bench)
	}{
		{"stop", stops}, {"exit", exits}, {"die", dies}, {"grace", grace}, {"hurry", hurry}, {"kill", kills},
		{"cancelled before", cancelledBefore}, {"detach", detaches}, {"replace", replaces}, {"absent", absent},
		{"output", prints}, {"output over runs", printsOn}, {"env", environment}, {"many", many},
		{"sample", samples}, {"sweep", sweeps},
	} {
		t.Run(c.name, func(t *testing.T) {
			if why, ok := s.Lacks[c.name]; ok {
				t.Skip(why)
			}
			c.test(&bench{T: t, s: s, d: s.New(t)})
		})
	}
}

// bench is one test of the suite.
type bench struct {
	*testing.T
	s Suite
	d driver.Driver
}

// life is a Run under way.
type life struct {
	b       *bench
	stop    context.CancelCauseFunc
	hurry   chan struct{}
	started chan driver.Started
	mu      sync.Mutex
	calls   []string // of hooks
	done    chan struct{}
	exit    driver.Exit
	err     error
}

func (b *bench) unit(name string, a Act, arg string) driver.Unit {
	b.Helper()
	return b.s.Unit(b.T, name, a, arg)
}

func (b *bench) run(d driver.Driver, u driver.Unit) *life {
	ctx, cancel := context.WithCancelCause(context.Background())
	l := &life{b: b, stop: cancel, hurry: make(chan struct{}), started: make(chan driver.Started, 9), done: make(chan struct{})}
	call := func(s string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.calls = append(l.calls, s)
	}
	go func() {
		defer close(l.done)
		l.exit, l.err = d.Run(ctx, u, driver.Hooks{
			Started:  func(s driver.Started) { call("started"); l.started <- s },
			Stopping: func() { call("stopping") },
			Killed:   func(n int) { call("killed") },
			Hurry:    l.hurry,
		})
	}()
	b.Cleanup(func() { cancel(driver.ErrKill); <-l.done })
	return l
}

// up runs u and waits until it has started and printed "ready".
func (b *bench) up(u driver.Unit) (*life, driver.Started) {
	b.Helper()
	l := b.run(b.d, u)
	s := l.start()
	b.printed(u, "ready")
	return l, s
}

// again is the driver of the next supervisor.
func (b *bench) again() driver.Driver {
	if b.s.Again == nil {
		return b.d
	}
	return b.s.Again(b.T, b.d)
}

func (l *life) start() driver.Started {
	l.b.Helper()
	select {
	case s := <-l.started:
		return s
	case <-l.done:
		l.b.Fatalf("ended before it started: %+v, %v", l.exit, l.err)
	case <-time.After(l.b.s.Wait):
		l.b.Fatal("did not start")
	}
	return driver.Started{}
}

// end waits for the end and checks the exit, its time apart.
func (l *life) end(want driver.Exit) {
	l.b.Helper()
	select {
	case <-l.done:
	case <-time.After(l.b.s.Wait):
		l.b.Fatal("did not end")
	}
	got := l.exit
	if l.err != nil {
		l.b.Fatalf("ended with the error %v", l.err)
	}
	if got.At.IsZero() {
		l.b.Error("the exit has no time")
	}
	if got.At = (time.Time{}); got != want {
		l.b.Errorf("exit %+v, want %+v", got, want)
	}
}

func (l *life) called(want ...string) {
	l.b.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if fmt.Sprint(l.calls) != fmt.Sprint(want) {
		l.b.Errorf("hooks called: %v, want %v", l.calls, want)
	}
}

var errFound = errors.New("found")

// printed waits until u has printed that line, and returns all lines up to it.
func (b *bench) printed(u driver.Unit, text string) (lines []string) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), b.s.Wait)
	defer cancel()
	err := output.Follow(ctx, u.LogDir, output.Query{}, func(batch []output.Line) error {
		for _, l := range batch {
			if l.Stream == output.Note {
				continue
			}
			if lines = append(lines, string(l.Text)); lines[len(lines)-1] == text || strings.HasPrefix(lines[len(lines)-1], text+" ") {
				return errFound
			}
		}
		return nil
	})
	if err != errFound {
		b.Fatalf("%s did not print %q but %d other lines: %v", u.Name, text, len(lines), err)
	}
	return lines
}

// beginsWith checks that the log of u, from that line on, begins with that text.
func (b *bench) beginsWith(u driver.Unit, seq uint64, want string) {
	b.Helper()
	var first string
	err := output.Read(b.Context(), u.LogDir, output.Query{FromSeq: seq}, func(l output.Line) error {
		if l.Stream == output.Note {
			return nil
		}
		first = string(l.Text)
		return errFound
	})
	if !errors.Is(err, errFound) || !strings.HasPrefix(first, want) {
		b.Errorf("from line %d on the log begins with %q, want %q (%v)", seq, first, want, err)
	}
}
