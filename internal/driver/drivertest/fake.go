// Package drivertest holds what tests of drivers share: a Fake that behaves like one, and Run, the one
// conformance suite that the fake and the real drivers pass.
package drivertest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"msctl.dev/msctl/internal/driver"
)

// Behaviour is what one run of a fake unit does. The zero value runs until it is stopped and then exits 0.
type Behaviour struct {
	Fail      error         // it cannot be started
	After     time.Duration // it exits by itself after that long, with Exit; 0 is never
	Exit      driver.Exit   // how it exits by itself, or when it is stopped politely
	Readiness time.Duration // how long after its start [Fake.Ready] says true; negative is never
	StopTakes time.Duration // between the polite signal and its exit
	Stubborn  bool          // ignores the polite signal
	Output    []string      // lines printed at the start, to stdout
}

// Fake runs units that are only values. Its zero value is ready, it works under testing/synctest, and one
// Fake may outlive several supervisors: a run that was detached goes on and is adopted by the next Run of
// an equal unit. It is safe for concurrent use.
type Fake struct {
	// Behave says what the nth run (from 1) of u does; nil gives every run the zero Behaviour.
	Behave func(u driver.Unit, run int) Behaviour

	mu   sync.Mutex
	runs map[string]*fakeRun // what runs now
	n    map[string]int      // starts so far
	log  []string
}

// fakeRun is one life of a unit. Its goroutine-free life is driven by timers and the channels below.
type fakeRun struct {
	unit    driver.Unit
	do      Behaviour
	at      time.Time
	after   uint64        // the last line in its log that is not of this run
	stop    chan struct{} // closed at the polite signal
	kill    chan struct{}
	gone    chan struct{} // closed when exit is set
	exit    driver.Exit
	stopped sync.Once
	killed  sync.Once
	ended   sync.Once
}

// Run implements [driver.Driver].
func (f *Fake) Run(ctx context.Context, u driver.Unit, h driver.Hooks) (driver.Exit, error) {
	r, adopted, err := f.start(u)
	if err != nil {
		return driver.Exit{}, err
	}
	if h.Started != nil {
		h.Started(driver.Started{PID: 1, At: r.at, Adopted: adopted, Restarts: r.unit.Restarts, After: r.after})
	}
	select {
	case <-r.gone:
		return r.exit, nil
	case <-ctx.Done():
	}
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, driver.ErrDetach):
		f.note("detach %s", u.Name)
		return driver.Exit{}, cause
	case errors.Is(cause, driver.ErrKill):
		f.end(r, driver.Exit{Signal: "KILL", Asked: true})
	default:
		f.halt(r, h)
	}
	<-r.gone
	return r.exit, nil
}

// start makes a new run of u, or finds the equal one that was detached. A different one is ended first.
func (f *Fake) start(u driver.Unit) (*fakeRun, bool, error) {
	f.mu.Lock()
	old := f.runs[u.Name]
	f.mu.Unlock()
	if old != nil {
		if equal(old.unit, u) {
			f.note("adopt %s", u.Name)
			return old, true, nil
		}
		f.end(old, driver.Exit{Signal: "KILL", Asked: true})
	}
	f.mu.Lock()
	if f.n == nil {
		f.n, f.runs = map[string]int{}, map[string]*fakeRun{}
	}
	f.n[u.Name]++
	n := f.n[u.Name]
	f.mu.Unlock()
	var do Behaviour
	if f.Behave != nil {
		do = f.Behave(u, n)
	}
	if do.Fail != nil {
		f.note("fail %s", u.Name)
		return nil, false, fmt.Errorf("start %s: %w", u.Name, do.Fail)
	}
	after, err := last(u)
	if err != nil {
		return nil, false, err
	}
	r := &fakeRun{unit: u, do: do, at: time.Now(), after: after, stop: make(chan struct{}), kill: make(chan struct{}), gone: make(chan struct{})}
	if err := print(u, do.Output); err != nil {
		return nil, false, err
	}
	f.mu.Lock()
	f.runs[u.Name] = r
	f.log = append(f.log, "start "+u.Name)
	f.mu.Unlock()
	go f.live(r)
	return r, false, nil
}

// live ends when the run does, however that comes about.
func (f *Fake) live(r *fakeRun) {
	var after <-chan time.Time
	if r.do.After > 0 {
		after = time.After(r.do.After)
	}
	select {
	case <-r.gone:
	case <-r.kill:
		f.end(r, driver.Exit{Signal: "KILL", Asked: true})
	case <-after:
		f.end(r, r.do.Exit)
	case <-r.stop:
		f.leave(r)
	}
}

// leave plays the answer to the polite signal.
func (f *Fake) leave(r *fakeRun) {
	var takes <-chan time.Time // nil, for ever, when it is stubborn
	if !r.do.Stubborn {
		takes = time.After(r.do.StopTakes)
	}
	select {
	case <-r.gone:
	case <-r.kill:
		f.end(r, driver.Exit{Signal: "KILL", Asked: true})
	case <-takes:
		e := r.do.Exit
		e.Asked = true
		f.end(r, e)
	}
}

// halt gives r the polite signal, and kills it after its grace or when hurried.
func (f *Fake) halt(r *fakeRun, h driver.Hooks) {
	f.note("stop %s", r.unit.Name)
	r.stopped.Do(func() { close(r.stop) })
	if h.Stopping != nil {
		h.Stopping()
	}
	grace := time.NewTimer(cmp.Or(r.unit.Grace, 10*time.Second))
	defer grace.Stop()
	select {
	case <-r.gone:
		return
	case <-grace.C:
	case <-h.Hurry:
	}
	r.killed.Do(func() { close(r.kill) })
	if h.Killed != nil {
		h.Killed(1)
	}
}

// end makes r gone with e.
func (f *Fake) end(r *fakeRun, e driver.Exit) {
	r.ended.Do(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		e.At = time.Now()
		r.exit = e
		if f.runs[r.unit.Name] == r {
			delete(f.runs, r.unit.Name)
		}
		f.log = append(f.log, "end "+r.unit.Name)
		close(r.gone)
	})
}

func (f *Fake) note(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, fmt.Sprintf(format, args...))
}

// equal reports whether a running a may be adopted as b.
func equal(a, b driver.Unit) bool {
	a.Restarts, b.Restarts = 0, 0
	return reflect.DeepEqual(a, b)
}

// End makes the running unit of that name exit with e, as a crash or a kill from outside does. It reports
// whether it ran.
func (f *Fake) End(name string, e driver.Exit) bool {
	f.mu.Lock()
	r := f.runs[name]
	f.mu.Unlock()
	if r == nil {
		return false
	}
	f.end(r, e)
	return true
}

// Ready reports whether the unit runs and its Behaviour's Readiness is over: what a probe would find.
func (f *Fake) Ready(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.runs[name]
	return r != nil && r.do.Readiness >= 0 && time.Since(r.at) >= r.do.Readiness
}

// Running returns the names of what runs now, sorted.
func (f *Fake) Running() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	names := make([]string, 0, len(f.runs))
	for name := range f.runs {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Unit returns the running unit of that name as it was given to Run.
func (f *Fake) Unit(name string) (driver.Unit, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.runs[name]; r != nil {
		return r.unit, true
	}
	return driver.Unit{}, false
}

// Starts returns how many times the unit was started; an adoption is not a start.
func (f *Fake) Starts(name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n[name]
}

// Log returns what happened so far, in order: "start a", "adopt a", "fail a", "stop a", "detach a", "end a".
func (f *Fake) Log() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.log)
}

// Sample implements [driver.Sampler]: each running unit is one process that used a second and 1 MiB.
func (f *Fake) Sample(_ context.Context, units []string) (map[string]driver.Usage, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[string]driver.Usage{}
	for _, name := range units {
		if f.runs[name] != nil {
			out[name] = driver.Usage{CPU: time.Second, Memory: 1 << 20, Processes: 1}
		}
	}
	return out, nil
}

// Sweep implements [driver.Sweeper].
func (f *Fake) Sweep(context.Context, bool) (int, error) {
	names := f.Running()
	for _, name := range names {
		f.End(name, driver.Exit{Signal: "KILL", Asked: true})
	}
	return len(names), nil
}
