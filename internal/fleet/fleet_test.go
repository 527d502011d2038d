package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/driver/drivertest"
	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/state"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stackOf makes a stack of services from lines such as "orders: users payments", each with what it comes
// after. Edit changes them.
func stackOf(dir string, lines ...string) *stack.Stack {
	st := &stack.Stack{Name: "shop", Dir: dir}
	for _, line := range lines {
		name, after, _ := strings.Cut(line, ":")
		st.Services = append(st.Services, &stack.Service{
			Name: name, Dir: dir, Language: stack.Command, Command: []string{"true"}, After: strings.Fields(after), Replicas: 1,
		})
	}
	return st
}

// fakeProbe asks the fake driver instead of the network.
type fakeProbe struct {
	fake *drivertest.Fake
	name string
}

func (p fakeProbe) try(context.Context) error {
	if p.fake.Ready(p.name) {
		return nil
	}
	return errors.New("not yet")
}

func (p fakeProbe) pause(ctx context.Context, d time.Duration) bool { return sleep(ctx, d) }
func (p fakeProbe) close()                                          {}

// rig is a fleet on a fake driver.
type rig struct {
	*Fleet
	t    testing.TB
	fake *drivertest.Fake
	stop context.CancelCauseFunc
	done chan struct{}
	err  error
	seen uint64 // number of the last event that until looked at
}

// options returns what a fleet on a fake driver is made with.
func options(t testing.TB, st *stack.Stack, fake *drivertest.Fake) Options {
	return Options{
		Stack: st, StateDir: t.TempDir(), CacheDir: t.TempDir(), PortsDir: t.TempDir(), ID: "test", Process: fake,
		probe: func(st *Step) prober { return fakeProbe{fake, st.Name} },
	}
}

// run starts a fleet and ends it, at the latest, with the test.
func run(t testing.TB, o Options, fake *drivertest.Fake) *rig {
	t.Helper()
	f, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancelCause(context.Background())
	r := &rig{Fleet: f, t: t, fake: fake, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = f.Run(ctx)
	}()
	return r
}

// end stops the fleet and waits for it.
func (r *rig) end(cause error) {
	r.t.Helper()
	r.stop(cause)
	<-r.done
	if r.err != nil {
		r.t.Errorf("run: %v", r.err)
	}
}

func (r *rig) get(name string) state.Unit {
	r.t.Helper()
	u, ok := r.Snapshot().Unit(name)
	if !ok {
		r.t.Fatalf("no unit %q", name)
	}
	return u
}

// phases returns "name phase" of every unit.
func (r *rig) phases() string {
	var all []string
	for _, u := range r.Snapshot().Units {
		all = append(all, u.Name+" "+string(u.Phase))
	}
	return strings.Join(all, ", ")
}

// story runs fn in a bubble of synctest's time.
func story(t *testing.T, lines []string, behave func(driver.Unit, int) drivertest.Behaviour, fn func(*testing.T, *rig)) {
	t.Helper()
	storyOf(t, stackOf(t.TempDir(), lines...), behave, fn)
}

func storyOf(t *testing.T, st *stack.Stack, behave func(driver.Unit, int) drivertest.Behaviour, fn func(*testing.T, *rig)) {
	t.Helper()
	fake := &drivertest.Fake{Behave: behave}
	o := options(t, st, fake)
	synctest.Test(t, func(t *testing.T) {
		r := run(t, o, fake)
		fn(t, r)
		r.end(nil)
		if left := fake.Running(); len(left) > 0 {
			t.Errorf("left running: %v", left)
		}
	})
}

// after makes every unit ready so long after its start.
func after(d time.Duration) func(driver.Unit, int) drivertest.Behaviour {
	return func(driver.Unit, int) drivertest.Behaviour { return drivertest.Behaviour{Readiness: d, StopTakes: d} }
}

// TestUp checks that a chain comes up in order, each the moment the one before is ready, and that what is
// independent does not wait.
func TestUp(t *testing.T) {
	story(t, []string{"a:", "b: a", "c: b", "free:"}, after(200*time.Millisecond), func(t *testing.T, r *rig) {
		begin := time.Now()
		if err := r.Start(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if got, most := time.Since(begin), 630*time.Millisecond; got < 600*time.Millisecond || got > most {
			t.Errorf("up after %v, want 600ms and at most 5%% more", got)
		}
		if got, want := r.phases(), "a ready, b ready, c ready, free ready"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if free, a := r.get("free").Started, r.get("a").Started; !free.Equal(a) {
			t.Errorf("free started %v after a", free.Sub(a))
		}
	})
}

// TestStopOrder checks A14: four layers go down in reverse order, each the moment its users are down, and
// the members of a layer at once.
func TestStopOrder(t *testing.T) {
	lines := []string{"a1:", "a2:", "a3:", "b1: a1 a2", "b2: a2 a3", "b3: a1", "c1: b1 b2", "c2: b2 b3", "c3: b3", "d1: c1 c2", "d2: c2 c3", "d3: c1"}
	fake := &drivertest.Fake{Behave: after(time.Second)}
	o := options(t, stackOf(t.TempDir(), lines...), fake)
	synctest.Test(t, func(t *testing.T) {
		r := run(t, o, fake)
		if err := r.Start(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		r.end(nil)
		if got, want := time.Since(begin), 4*time.Second; got != want {
			t.Errorf("down after %v, want %v: a second for each layer", got, want)
		}
		ended := map[string]int{}
		stopped := map[string]int{}
		for i, line := range fake.Log() {
			what, name, _ := strings.Cut(line, " ")
			switch what {
			case "end":
				ended[name] = i
			case "stop":
				stopped[name] = i
			}
		}
		for _, line := range lines {
			user, needs, _ := strings.Cut(line, ":")
			for _, need := range strings.Fields(needs) {
				if stopped[need] < ended[user] {
					t.Errorf("%s was stopped before %s had ended", need, user)
				}
			}
		}
	})
}

// TestCrashLoop is F1: a service that exits at once is tried again after 0.5, 1, 2 … 30 s, give or take a
// fifth, and says when.
func TestCrashLoop(t *testing.T) {
	broken := func(driver.Unit, int) drivertest.Behaviour {
		return drivertest.Behaviour{Readiness: -1, After: time.Millisecond, Exit: driver.Exit{Code: 3}}
	}
	story(t, []string{"a:"}, broken, func(t *testing.T, r *rig) {
		begin := time.Now()
		events := r.Follow(t.Context(), 0)
		for want := 500 * time.Millisecond; time.Since(begin) < time.Hour; want = min(2*want, 30*time.Second) {
			u := nextLoop(events)
			wait := time.Until(u.NextTry)
			if wait < want*8/10 || wait > want*12/10 {
				t.Fatalf("next try in %v, want %v ±20 %%", wait, want)
			}
			if u.Reason != "exited with 3" || u.Exit == nil || u.Exit.Code != 3 {
				t.Fatalf("got reason %q, exit %+v", u.Reason, u.Exit)
			}
			time.Sleep(wait)
			synctest.Wait()
		}
		if got := r.fake.Starts("a"); got < 95 || got > 160 {
			t.Errorf("%d starts in an hour, want about 120", got)
		}
	})
}

// nextLoop returns the next state of a unit that waits for its next try.
func nextLoop(events <-chan state.Event) state.Unit {
	for e := range events {
		if e.Unit != nil && !e.Unit.NextTry.IsZero() && e.Unit.Phase == state.Looping {
			return *e.Unit
		}
	}
	return state.Unit{}
}

// TestHealthyResets is the other half of F1: a crash after a minute of health is the first again.
func TestHealthyResets(t *testing.T) {
	sick := func(_ driver.Unit, run int) drivertest.Behaviour {
		b := drivertest.Behaviour{After: 10 * time.Millisecond, Exit: driver.Exit{Code: 1}}
		if run == 5 {
			b.After = 2 * time.Minute
		}
		return b
	}
	story(t, []string{"a:"}, sick, func(t *testing.T, r *rig) {
		for r.fake.Starts("a") < 5 {
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(2*time.Minute + 20*time.Millisecond)
		synctest.Wait()
		u := r.get("a")
		if wait := time.Until(u.NextTry); wait <= 0 || wait > 600*time.Millisecond {
			t.Errorf("next try in %v after a healthy run, want the first delay", wait)
		}
		if u.Phase != state.Pending {
			t.Errorf("got %s, want pending: one accident is no loop", u.Phase)
		}
	})
}

// TestLimit checks that a limit of tries ends the loop, and that a start by hand begins anew.
func TestLimit(t *testing.T) {
	st := stackOf(t.TempDir(), "a:")
	st.Services[0].Restart.Limit = 2
	bad := func(_ driver.Unit, run int) drivertest.Behaviour {
		if run > 3 {
			return drivertest.Behaviour{}
		}
		return drivertest.Behaviour{Readiness: -1, After: time.Millisecond, Exit: driver.Exit{Signal: "SEGV"}}
	}
	storyOf(t, st, bad, func(t *testing.T, r *rig) {
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		u := r.get("a")
		if u.Phase != state.Failed || u.Reason != "was ended by signal SEGV" || r.fake.Starts("a") != 3 {
			t.Errorf("got %s (%s) after %d starts, want failed after 3", u.Phase, u.Reason, r.fake.Starts("a"))
		}
		if err := r.Start(t.Context(), []string{"a"}); err != nil {
			t.Errorf("start by hand: %v", err)
		}
	})
}

// TestBrokenNeed is F2: what needs a unit that broke before it was ready fails at once, with the cause, all
// the way up; and comes up when the cause is gone.
func TestBrokenNeed(t *testing.T) {
	var mu sync.Mutex
	well := false
	behave := func(u driver.Unit, _ int) drivertest.Behaviour {
		mu.Lock()
		defer mu.Unlock()
		if u.Name == "db" && !well {
			return drivertest.Behaviour{Readiness: -1, After: 100 * time.Millisecond, Exit: driver.Exit{Code: 1}}
		}
		return drivertest.Behaviour{}
	}
	story(t, []string{"db:", "api: db", "web: api"}, behave, func(t *testing.T, r *rig) {
		begin := time.Now()
		err := r.Start(t.Context(), []string{"web"})
		if got, want := fmt.Sprint(err), "start web: needs api: needs db: exited with 1"; !strings.Contains(want, got) && !strings.Contains(got, "exited with 1") {
			t.Errorf("got %q, want %q", got, want)
		}
		if d := time.Since(begin); d > 110*time.Millisecond {
			t.Errorf("the cause took %v", d)
		}
		synctest.Wait()
		if u := r.get("web"); u.Phase != state.Failed || u.Reason != "needs api: needs db: exited with 1" {
			t.Errorf("web is %s: %s", u.Phase, u.Reason)
		}
		mu.Lock()
		well = true
		mu.Unlock()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got, want := r.phases(), "db ready, api ready, web ready"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// flap is a probe that says no for a second, every other second.
type flap struct{ since time.Time }

func (p flap) try(context.Context) error {
	if time.Since(p.since)/time.Second%2 == 0 {
		return nil
	}
	return errors.New("down")
}
func (p flap) pause(ctx context.Context, d time.Duration) bool { return sleep(ctx, d) }
func (p flap) close()                                          {}

// TestFlapping is F4: a service that is up for a second and down for a second crosses no threshold, and
// nothing is restarted.
func TestFlapping(t *testing.T) {
	st := stackOf(t.TempDir(), "a:", "b: a")
	st.Services[0].Health = &stack.Probe{HTTP: "/", Interval: 700 * time.Millisecond}
	fake := &drivertest.Fake{}
	o := options(t, st, fake)
	o.probe = func(st *Step) prober {
		if st.Name == "a" {
			return flap{time.Now()}
		}
		return fakeProbe{fake, st.Name}
	}
	synctest.Test(t, func(t *testing.T) {
		r := run(t, o, fake)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if got, want := r.phases(), "a ready, b ready"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if a, b := fake.Starts("a"), fake.Starts("b"); a+b != 2 {
			t.Errorf("started %d and %d times, want once each", a, b)
		}
		r.end(nil)
	})
}

// TestJob checks that what comes after a job waits for its good end, and fails with a bad one.
func TestJob(t *testing.T) {
	for _, code := range []int{0, 4} {
		t.Run(fmt.Sprint("exit ", code), func(t *testing.T) {
			st := stackOf(t.TempDir(), "seed:", "api: seed")
			st.Services[0].Job = true
			seed := func(u driver.Unit, _ int) drivertest.Behaviour {
				if u.Name == "seed" {
					return drivertest.Behaviour{After: time.Second, Exit: driver.Exit{Code: code}}
				}
				return drivertest.Behaviour{}
			}
			storyOf(t, st, seed, func(t *testing.T, r *rig) {
				time.Sleep(time.Minute)
				synctest.Wait()
				want := "seed done, api ready"
				if code != 0 {
					want = "seed failed, api failed"
				}
				if got := r.phases(); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
				if got := r.fake.Starts("seed"); got != 1 {
					t.Errorf("the job ran %d times", got)
				}
			})
		})
	}
}

// TestDetach checks that a fleet that lets go leaves all running, and that the next one takes it over (A3).
func TestDetach(t *testing.T) {
	fake := &drivertest.Fake{}
	o := options(t, stackOf(t.TempDir(), "a:", "b: a"), fake)
	synctest.Test(t, func(t *testing.T) {
		r := run(t, o, fake)
		time.Sleep(time.Minute)
		r.end(driver.ErrDetach)
		if got, want := fake.Running(), []string{"a", "b"}; !slices.Equal(got, want) {
			t.Fatalf("got %v running, want %v", got, want)
		}
		again := run(t, o, fake)
		if err := again.Start(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if a, b := fake.Starts("a"), fake.Starts("b"); a+b != 2 {
			t.Errorf("started %d and %d times, want once each", a, b)
		}
		again.end(nil)
	})
}

// TestHurry checks that a second word kills what takes its time.
func TestHurry(t *testing.T) {
	fake := &drivertest.Fake{Behave: func(driver.Unit, int) drivertest.Behaviour { return drivertest.Behaviour{Stubborn: true} }}
	o := options(t, stackOf(t.TempDir(), "a:", "b: a"), fake)
	synctest.Test(t, func(t *testing.T) {
		r := run(t, o, fake)
		time.Sleep(time.Minute)
		begin := time.Now()
		r.stop(nil)
		time.Sleep(time.Second)
		r.Kill()
		<-r.done
		if got := time.Since(begin); got != time.Second {
			t.Errorf("down after %v, want a second", got)
		}
		if got, want := notices(t, r.Fleet), []string{"b killed at once: 1 process", "a killed at once: 1 process"}; !slices.Equal(got, want) {
			t.Errorf("got notices %q, want %q", got, want)
		}
	})
}

// TestGraceOver checks that what is killed because its time is over is said to be.
func TestGraceOver(t *testing.T) {
	fake := &drivertest.Fake{Behave: func(driver.Unit, int) drivertest.Behaviour { return drivertest.Behaviour{Stubborn: true} }}
	o := options(t, stackOf(t.TempDir(), "a:"), fake)
	synctest.Test(t, func(t *testing.T) {
		r := run(t, o, fake)
		time.Sleep(time.Minute)
		r.end(nil)
		if got, want := notices(t, r.Fleet), []string{"a did not end within its grace: 1 killed"}; !slices.Equal(got, want) {
			t.Errorf("got notices %q, want %q", got, want)
		}
	})
}

// notices returns the texts of all notices so far.
func notices(t *testing.T, f *Fleet) []string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var texts []string
	last := f.Snapshot().Seq
	for e := range f.Follow(ctx, 0) {
		if e.Kind == state.KindNotice {
			texts = append(texts, e.Text)
		}
		if e.Seq >= last {
			break
		}
	}
	return texts
}

// TestOptional checks that an optional service that breaks holds up nobody, and that one that is skipped is
// left out.
func TestOptional(t *testing.T) {
	st := stackOf(t.TempDir(), "bff:", "push:", "gateway: bff push")
	st.Services[0].Optional, st.Services[1].Optional = true, true
	st.Services[1].Requires = []stack.Requirement{{Tool: "no-such-tool"}}
	broken := func(u driver.Unit, _ int) drivertest.Behaviour {
		if u.Name == "bff" {
			return drivertest.Behaviour{Readiness: -1, After: time.Second, Exit: driver.Exit{Code: 1}}
		}
		return drivertest.Behaviour{}
	}
	storyOf(t, st, broken, func(t *testing.T, r *rig) {
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		if got, want := r.phases(), "bff crash-looping, push skipped, gateway ready"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}
