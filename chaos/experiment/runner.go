package experiment

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"msctl.dev/msctl/internal/state"
)

// Runner runs experiments on a site.
type Runner struct {
	Site
	Tell func(Event) // each line of the story as it happens; nil: nobody listens. It is called by one at a time
}

// Times of a run.
const (
	renewEvery  = time.Second
	rollbackFor = 15 * time.Second // for one inverse
	sampleEvery = 250 * time.Millisecond
	pollEvery   = 150 * time.Millisecond // of a probe that must come to hold
)

// errLimit is why a run ends that takes too long.
var errLimit = errors.New("the limit is over")

// errDone ends what accompanies workload and faults when they are over.
var errDone = errors.New("workload and faults are over")

// run is one run of one experiment.
type run struct {
	*world
	e    *Experiment
	tell func(Event)

	mu      sync.Mutex // guards what follows
	j       *Journal
	verdict Verdict // "" as long as nothing is wrong
	reason  string
	cancel  context.CancelCauseFunc
	undos   []*undo
}

// undo is the inverse of a step, done once.
type undo struct {
	step *Step
	once sync.Once
	do   func(context.Context) error
	paid func() // nobody else has to do it
	err  error
	ending
}

// Run makes the experiment and returns what it showed. What it did is undone when it returns, whatever happened:
// where ctx ended, a probe panicked, or what it was made on went away (H1, H8).
func (r Runner) Run(ctx context.Context, e *Experiment) *Journal {
	w := newWorld(r.Site, e.Seed)
	defer w.client.CloseIdleConnections()
	x := &run{world: w, e: e, tell: r.Tell, j: newJournal(e, w)}
	x.say("begin", false, "%s", e.Title)
	whole, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	x.cancel = cancel
	limited, stop := context.WithTimeoutCause(whole, e.limit(), errLimit)
	defer stop()
	kept := x.keepLease(context.WithoutCancel(ctx))
	x.guarded(func() { x.act(limited) })
	if limited.Err() != nil && errors.Is(context.Cause(limited), errLimit) {
		x.end(Broken, "the limit of %v is over", e.limit())
	}
	if ctx.Err() != nil {
		x.end(Interrupted, "%v", context.Cause(ctx))
	}
	if x.e.Early && x.state() == "" && ctx.Err() == nil {
		x.guarded(func() { x.after(ctx) })
	}
	x.guarded(func() { x.rollback(context.WithoutCancel(ctx)) })
	kept()
	if !x.e.Early && x.state() != Unsteady && ctx.Err() == nil {
		x.guarded(func() { x.after(ctx) })
	}
	x.conclude(ctx)
	return x.j
}

// state is how the run ends as far as that is known.
func (x *run) state() Verdict {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.verdict
}

// guarded turns a panic into an end.
func (x *run) guarded(do func()) {
	defer func() {
		if v := recover(); v != nil {
			x.end(Broken, "panic: %v", v)
			x.say("panic", true, "%v\n%s", v, debug.Stack())
		}
	}()
	do()
}

// end notes how the run ends, the first time that it is called, and ends workload and faults.
func (x *run) end(v Verdict, format string, args ...any) {
	x.mu.Lock()
	first := x.verdict == "" || x.verdict == Deviated && v != Deviated
	if first {
		x.verdict, x.reason = v, fmt.Sprintf(format, args...)
	}
	x.mu.Unlock()
	if first && v != Deviated {
		x.say("end", true, "%s: "+format, append([]any{v}, args...)...)
	}
	x.cancel(nil)
}

// say adds a line to the story.
func (x *run) say(sort string, fails bool, format string, args ...any) {
	x.mu.Lock()
	defer x.mu.Unlock()
	e := Event{At: time.Since(x.j.Start), Sort: sort, Text: fmt.Sprintf(format, args...), Fails: fails}
	x.j.Told = append(x.j.Told, e)
	if x.tell != nil {
		x.tell(e)
	}
}

// keepLease renews the lease of the run's faults until the returned function is called.
func (x *run) keepLease(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(renewEvery)
		defer tick.Stop()
		for missed := 0; ; {
			call, done := context.WithTimeout(ctx, 2*renewEvery)
			err := x.Fleet.KeepLease(call, x.lease())
			done()
			if missed++; err == nil || ctx.Err() != nil {
				missed = 0
			}
			if missed > 2 {
				x.end(Broken, "renew the lease of the faults: %v", err)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return func() { cancel(); wg.Wait() }
}

// act does everything up to the end of workload and faults.
func (x *run) act(ctx context.Context) {
	for i := range x.e.Setup {
		if !x.step(ctx, &x.e.Setup[i], "setup") {
			return
		}
	}
	if !x.before(ctx) {
		return
	}
	if err := x.begin(ctx); err != nil {
		x.end(Broken, "%v", err)
		return
	}
	x.j.Begun = x.begun
	x.disturb(ctx)
}

// step does one step, and reports whether it was done.
func (x *run) step(ctx context.Context, s *Step, phase string) bool {
	if ctx.Err() != nil {
		return false
	}
	at := time.Now()
	paid, err := x.owe(ctx, s.Act)
	var inverse func(context.Context) error
	if err == nil {
		inverse, err = s.Act.do(ctx, x.world)
	}
	if inverse != nil {
		x.mu.Lock()
		x.undos = append(x.undos, &undo{step: s, do: inverse, paid: paid})
		x.mu.Unlock()
	} else {
		paid()
	}
	if ctx.Err() != nil {
		return false
	}
	x.activity(&x.j.Run, Named{Type: "action", Name: s.Name}, at, err, nil, nil)
	if err != nil {
		x.end(Broken, "%s: %v", s.Name, err)
		return false
	}
	x.say(phase, false, "%s", s.Name)
	return true
}

// activity notes something as Chaos Toolkit does.
func (x *run) activity(into *[]Activity, what Named, at time.Time, err error, output any, met *bool) {
	a := Activity{Activity: what, Status: "succeeded", Start: at, End: time.Now(), Output: output, Met: met}
	a.Duration = a.End.Sub(at).Seconds()
	if err != nil {
		a.Status, a.Error = "failed", err.Error()
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	*into = append(*into, a)
}

// disturb gives the fleet its workload and its faults, looks at it meanwhile, and returns when both are over.
func (x *run) disturb(ctx context.Context) {
	watch, unwatch := context.WithCancelCause(ctx)
	var watchers, workers sync.WaitGroup
	goes := func(wg *sync.WaitGroup, do func()) { wg.Go(func() { x.guarded(do) }) }
	goes(&watchers, func() { x.sample(watch) })
	x.openLoads()
	for i := range x.e.During {
		goes(&watchers, func() { x.watch(watch, "during", &x.e.During[i]) })
	}
	for i := range x.e.Abort {
		goes(&watchers, func() { x.watch(watch, "abort", &x.e.Abort[i]) })
	}
	for i := range x.e.Workload {
		goes(&workers, func() { x.work(ctx, &x.e.Workload[i]) })
	}
	goes(&workers, func() { x.method(ctx) })
	for i := range x.e.Faults {
		goes(&workers, func() { x.fault(ctx, &x.e.Faults[i]) })
	}
	workers.Wait()
	unwatch(errDone)
	watchers.Wait()
	for _, l := range x.e.Workload {
		x.j.Loads = append(x.j.Loads, x.loads[l.Name].sum())
	}
}

func (x *run) openLoads() {
	x.world.mu.Lock()
	defer x.world.mu.Unlock()
	for _, l := range x.e.Workload {
		x.loads[l.Name] = newTally(l.Name)
	}
}

// work gives the fleet one workload.
func (x *run) work(ctx context.Context, l *Load) {
	t := x.loads[l.Name]
	x.say("workload", false, "%s begins", l.Name)
	if err := l.do(ctx, x.world, t); err != nil {
		x.end(Broken, "workload %s: %v", l.Name, err)
		return
	}
	if sum := t.sum(); ctx.Err() == nil {
		x.say("workload", false, "%s is over: %d done, %s well, p95 %s%s", l.Name, sum.Done, share(sum.OK, sum.Done), sum.P95.Round(time.Millisecond), sum.mostly())
	}
}

// fault does one step at its time, and its inverse at its end. Where ctx ends first the rollback does it.
func (x *run) fault(ctx context.Context, s *Step) {
	if !pause(ctx, s.At-time.Since(x.begun)) {
		return
	}
	from := time.Since(x.begun)
	ok := x.step(ctx, s, s.Kind)
	x.acts(s, from)
	if ok && s.For > 0 && pause(ctx, s.For) {
		x.undo(context.WithoutCancel(ctx), s)
	}
}

// on returns the edges that a step's faults act on.
func (x *run) on(s *Step) (names []string) {
	f, ok := s.Act.(*faults)
	if !ok {
		return nil
	}
	for _, one := range f.list {
		for _, e := range x.base {
			if one.OnEdge() && one.On(e.From, e.To, e.Listen) {
				names = append(names, state.EdgeTitle(e.Name()))
			}
		}
	}
	return unique(names)
}

// undo does the inverse of a step.
func (x *run) undo(ctx context.Context, s *Step) {
	x.mu.Lock()
	all := slices.Clone(x.undos)
	x.mu.Unlock()
	for _, u := range all {
		if u.step == s {
			x.inverse(ctx, u, byTime)
		}
	}
}

// inverse undoes one step, once.
func (x *run) inverse(ctx context.Context, u *undo, by string) {
	u.once.Do(func() {
		ctx, cancel := context.WithTimeout(ctx, rollbackFor)
		defer cancel()
		at := time.Now()
		x.count(ctx)
		u.err = u.do(ctx)
		x.activity(&x.j.Rollbacks, Named{Type: "action", Name: "undo " + u.step.Name}, at, u.err, nil, nil)
		if lost := (gone{}); errors.As(u.err, &lost) {
			u.err = nil // nothing is left to undo
			u.ending = ending{time.Now(), "somebody else, or the end of its lease"}
			x.end(Broken, "%s: %v", u.step.Name, lost)
			return
		}
		if u.err != nil {
			x.say("rollback", true, "undo %s: %v", u.step.Name, u.err)
			return
		}
		u.paid()
		if u.ending = x.lifted(u.step); u.by != "" {
			x.say("rollback", false, "%s: it was lifted by %s", u.step.Name, u.by)
			return
		}
		u.ending = ending{time.Now(), by}
		x.say("rollback", false, "undone: %s", u.step.Name)
	})
}

// count notes on how many connections and requests the faults of the run have acted.
func (x *run) count(ctx context.Context) {
	all, err := x.Fleet.Faults(ctx)
	if err != nil {
		return // the removal says what is wrong
	}
	x.counted(all)
}

// counted notes how often those of some faults have acted that are of the run.
func (w *world) counted(all []state.Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range all {
		if f.Lease == w.lease() {
			w.acted[f.ID] = max(w.acted[f.ID], f.Acted)
		}
	}
}

// rollback undoes what is not undone yet, last first, does the rollback steps, and sees to it that no fault is left.
func (x *run) rollback(ctx context.Context) {
	x.mu.Lock()
	undos := x.undos
	x.mu.Unlock()
	var failed error
	for i := len(undos) - 1; i >= 0; i-- {
		x.guarded(func() { x.inverse(ctx, undos[i], byRollback) })
		if undos[i].err != nil && failed == nil {
			failed = fmt.Errorf("undo %s: %w", undos[i].step.Name, undos[i].err)
		}
	}
	for i := range x.e.Rollback {
		if err := x.rollbackStep(ctx, &x.e.Rollback[i]); err != nil && failed == nil {
			failed = err
		}
	}
	if err := x.swept(ctx); err != nil && failed == nil {
		failed = err
	}
	if failed != nil {
		x.mu.Lock()
		x.verdict, x.reason = Stuck, failed.Error()
		x.mu.Unlock()
	}
}

func (x *run) rollbackStep(ctx context.Context, s *Step) error {
	ctx, cancel := context.WithTimeout(ctx, rollbackFor)
	defer cancel()
	at := time.Now()
	_, err := s.Act.do(ctx, x.world)
	x.activity(&x.j.Rollbacks, Named{Type: "action", Name: s.Name}, at, err, nil, nil)
	if err != nil {
		x.say("rollback", true, "%s: %v", s.Name, err)
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	x.say("rollback", false, "%s", s.Name)
	return nil
}

// swept removes faults of the run that are still there: one whose answer was lost has no inverse.
func (x *run) swept(ctx context.Context) error {
	if len(x.e.Faulted()) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, rollbackFor)
	defer cancel()
	for range 3 {
		all, err := x.Fleet.Faults(ctx)
		if err != nil {
			return fmt.Errorf("look for faults that are left: %w", err)
		}
		var left []string
		for _, f := range all {
			if f.Lease == x.lease() {
				left = append(left, f.ID)
			}
		}
		if len(left) == 0 {
			return nil
		}
		if _, err := x.Fleet.RemoveFaults(ctx, left); err != nil {
			return fmt.Errorf("lift faults that are left: %w", err)
		}
	}
	return errors.New("faults are left that cannot be lifted")
}

func unique(names []string) (out []string) {
	seen := map[string]bool{}
	for _, n := range names {
		if !seen[n] {
			out = append(out, n)
		}
		seen[n] = true
	}
	return out
}
