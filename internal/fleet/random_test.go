package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/driver/drivertest"
	"msctl.dev/msctl/internal/stack"
)

// names of the services of a random fleet; each may come after those before it.
var randomNames = []string{"a", "b", "c", "d", "e"}

// TestRandom is F7 and A12: after any sequence of commands, crashes and edits, in every state of every
// unit, the fleet settles, nothing runs twice, what was asked to stop is down, and the end leaves nothing.
func TestRandom(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		m := newMachine(t, rt, dir)
		synctest.Test(t, func(*testing.T) { m.play() })
		if m.failure != "" {
			rt.Fatalf("%s\nafter:\n%s", m.failure, strings.Join(m.log, "\n"))
		}
	})
}

// machine plays one random story. What happens is drawn before, since time stands still for rapid.
type machine struct {
	o       Options
	fake    *drivertest.Fake
	steps   []step
	log     []string
	failure string
	stack   *stack.Stack // what Load returns
}

type step struct {
	text string
	wait time.Duration // before it
	do   func(*machine, *Fleet, context.Context, *sync.WaitGroup)
}

func newMachine(t *testing.T, rt *rapid.T, dir string) *machine {
	m := &machine{fake: &drivertest.Fake{Behave: randomBehaviour(rt)}}
	m.stack = randomStack(rt, dir, "first")
	m.o = options(t, m.stack, m.fake)
	m.o.Load = func() (*stack.Stack, error) { return m.stack, nil }
	for i := range rapid.IntRange(1, 12).Draw(rt, "steps") {
		m.steps = append(m.steps, randomStep(rt, dir, i))
	}
	return m
}

func randomStack(rt *rapid.T, dir, label string) *stack.Stack {
	var lines []string
	for i, name := range randomNames {
		if i > 0 && rapid.IntRange(0, 4).Draw(rt, label+" leaves out "+name) == 0 {
			continue
		}
		var after []string
		for _, other := range lines {
			o, _, _ := strings.Cut(other, ":")
			if rapid.Bool().Draw(rt, label+" "+name+" after "+o) {
				after = append(after, o)
			}
		}
		lines = append(lines, name+": "+strings.Join(after, " "))
	}
	st := stackOf(dir, lines...)
	for _, s := range st.Services {
		s.Command = []string{rapid.SampledFrom([]string{"one", "two"}).Draw(rt, label+" "+s.Name+" runs")}
		s.Stop.Grace = time.Second
	}
	return st
}

// randomBehaviour draws what the first runs of each service do; later ones are well.
func randomBehaviour(rt *rapid.T) func(driver.Unit, int) drivertest.Behaviour {
	drawn := map[string]drivertest.Behaviour{}
	for _, name := range randomNames {
		for n := 1; n <= 3; n++ {
			b := drivertest.Behaviour{Readiness: time.Duration(rapid.IntRange(0, 300).Draw(rt, "ready")) * time.Millisecond}
			switch rapid.IntRange(0, 5).Draw(rt, "behaviour") {
			case 0:
				b.After, b.Exit = time.Duration(rapid.IntRange(1, 900).Draw(rt, "after"))*time.Millisecond, driver.Exit{Code: 1}
			case 1:
				b.Stubborn = true
			case 2:
				b.StopTakes = time.Duration(rapid.IntRange(1, 1500).Draw(rt, "takes")) * time.Millisecond
			case 3:
				b.Fail = fmt.Errorf("no such program")
			}
			drawn[fmt.Sprint(name, n)] = b
		}
	}
	return func(u driver.Unit, run int) drivertest.Behaviour { return drawn[fmt.Sprint(u.Name, run)] }
}

func randomStep(rt *rapid.T, dir string, i int) step {
	label := fmt.Sprint("step ", i)
	name := rapid.SampledFrom(randomNames).Draw(rt, label+" of")
	s := step{wait: time.Duration(rapid.SampledFrom([]int{0, 0, 1, 50, 400, 3000}).Draw(rt, label+" waits")) * time.Millisecond}
	// a command that waits for what does not come is given up by its caller
	command := func(what string, run func(*Fleet, context.Context, []string) error) {
		s.text = what + " " + name
		s.do = func(m *machine, f *Fleet, ctx context.Context, running *sync.WaitGroup) {
			running.Go(func() {
				ctx, cancel := context.WithTimeout(ctx, time.Minute)
				defer cancel()
				_ = run(f, ctx, []string{name}) // a service that is not there, or does not come up
			})
		}
	}
	switch rapid.IntRange(0, 5).Draw(rt, label+" does") {
	case 0:
		command("start", (*Fleet).Start)
	case 1:
		command("stop", (*Fleet).Stop)
	case 2:
		command("restart", (*Fleet).Restart)
	case 3:
		n := rapid.IntRange(1, 3).Draw(rt, label+" to")
		command(fmt.Sprint("scale to ", n), func(f *Fleet, ctx context.Context, names []string) error {
			return f.Scale(ctx, names[0], n)
		})
	case 4:
		s.text = "crash " + name
		s.do = func(m *machine, _ *Fleet, _ context.Context, _ *sync.WaitGroup) {
			m.fake.End(name, driver.Exit{Signal: "KILL"})
		}
	case 5:
		next := randomStack(rt, dir, label)
		s.text = "reload"
		s.do = func(m *machine, f *Fleet, ctx context.Context, _ *sync.WaitGroup) {
			m.stack = next
			if err := f.Reload(ctx); err != nil {
				m.failure = fmt.Sprintf("reload: %v", err)
			}
		}
	}
	return s
}

func (m *machine) play() {
	f, err := New(m.o)
	if err != nil {
		m.failure = err.Error()
		return
	}
	ctx, stop := context.WithCancelCause(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	var running sync.WaitGroup
	for _, s := range m.steps {
		time.Sleep(s.wait)
		m.log = append(m.log, fmt.Sprintf("%v %s", s.wait, s.text))
		s.do(m, f, context.Background(), &running)
	}
	watchdog := time.AfterFunc(time.Hour, func() { // of the bubble's time
		panic(fmt.Sprintf("it hangs: %+v\nafter:\n%s", f.Snapshot(), strings.Join(m.log, "\n")))
	})
	defer watchdog.Stop()
	running.Wait() // every wait ends
	time.Sleep(2 * time.Minute)
	synctest.Wait()
	m.settled(f)
	stop(nil)
	if err := <-ended; err != nil {
		m.failure = fmt.Sprintf("run: %v", err)
	}
	m.doubles()
	if left := m.fake.Running(); len(left) > 0 {
		m.failure = fmt.Sprintf("left running: %v", left)
	}
}

// settled checks that all that the stack has is ready, but for what was stopped and what needs that, and
// that nothing else runs.
func (m *machine) settled(f *Fleet) {
	var want []string
	for _, u := range f.Snapshot().Units {
		switch u.Phase {
		case "ready":
			want = append(want, u.Name)
		case "stopped":
		case "pending":
			if len(u.WaitsFor) == 0 {
				m.failure = u.Name + " is pending and waits for nothing"
			}
		default:
			m.failure = fmt.Sprintf("%s is %s (%s) two minutes later", u.Name, u.Phase, u.Reason)
		}
	}
	slices.Sort(want)
	if got := m.fake.Running(); !slices.Equal(got, want) {
		m.failure = fmt.Sprintf("running %v, ready %v", got, want)
	}
}

// doubles checks in the driver's log that no unit was started while it ran.
func (m *machine) doubles() {
	alive := map[string]bool{}
	for _, line := range m.fake.Log() {
		what, name, _ := strings.Cut(line, " ")
		switch what {
		case "start":
			if alive[name] {
				m.failure = name + " was started twice"
			}
			alive[name] = true
		case "adopt":
			m.failure = name + " was adopted in a fleet that never let go"
		case "end":
			alive[name] = false
		}
	}
}
