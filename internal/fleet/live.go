package fleet

import (
	"context"
	"fmt"
	"sync"
	"time"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/state"
)

var zeroTime time.Time

// outcome is how one run ended.
type outcome struct {
	exit  driver.Exit
	err   error         // it was never started, or was lost
	final bool          // trying again would change nothing
	was   bool          // it was ready once
	ready time.Duration // how long it was ready at the end
	next  time.Time     // of the next try; zero: there is none
}

// live keeps the unit running until ctx ends or there is no sense in another try.
func (u *unit) live(ctx context.Context, o order) {
	failures, was := 0, false
	for {
		st := u.plan()
		out := u.once(ctx, st, o, failures, was && st.Sort == state.Service)
		was = was || out.was
		if ctx.Err() != nil {
			return
		}
		if out.ready >= healthy {
			failures = 0
		}
		failures++
		wait, again := u.judge(st, out, failures)
		if !again || !sleep(ctx, wait) {
			return
		}
		o.fresh = false
		u.update(state.KindRestart, u.name+" is started again", func(s *state.Unit) bool {
			s.Restarts++
			s.NextTry = zeroTime
			return true
		})
	}
}

// once makes, starts and watches one run, to its end. What was up before waits for nobody: its needs
// may be down for long, and it is written to live with that.
func (u *unit) once(ctx context.Context, st *Step, o order, failures int, before bool) outcome {
	u.begin(u.lastSeq())
	if err := u.make(ctx, st, o.fresh); err != nil {
		return outcome{err: err, final: true}
	}
	if !before && !u.awaitNeeds(ctx) {
		return outcome{}
	}
	if st.Sort == state.Resource {
		return u.provide(ctx, st)
	}
	if st.server != nil {
		u.phase(state.Starting, "", u.name+" starting")
		if err := st.server.Setup(ctx, st.place); err != nil {
			return outcome{err: err, final: true}
		}
	}
	return u.watchRun(ctx, st, failures)
}

// happening is what a run tells its owner.
type happening struct {
	started  *driver.Started
	stopping bool
	killed   int
	notice   string
	probe    *verdict
	ended    *outcome
}

// watchRun runs the unit's driver and follows what happens until all of it has ended.
func (u *unit) watchRun(ctx context.Context, st *Step, failures int) outcome {
	happened := make(chan happening)
	probing, stopProbing := context.WithCancel(ctx)
	defer stopProbing()
	var helpers sync.WaitGroup
	defer helpers.Wait()

	du := u.f.resolve(st)
	du.Restarts = u.restarts()
	running, end := context.WithCancelCause(context.WithoutCancel(ctx))
	helpers.Go(func() { u.endQuietly(ctx, running, end) })
	helpers.Go(func() {
		exit, err := u.f.driver(st).Run(running, du, u.hooks(happened))
		happened <- happening{ended: &outcome{exit: exit, err: err}}
	})
	var ready readiness
	for h := range happened {
		switch {
		case h.ended != nil:
			stopProbing()
			end(nil)
			u.f.drain(&helpers, happened)
			u.f.mesh.set(u.name, isDown)
			h.ended.was, h.ended.ready = ready.was, ready.last()
			return *h.ended
		case h.started != nil:
			u.started(st, *h.started)
			helpers.Go(func() { u.f.upsets.started(probing, u) })
			helpers.Go(func() { u.probe(probing, st, *h.started, happened) })
		case h.probe != nil && probing.Err() == nil:
			ready.take(*h.probe)
			u.answered(st, *h.probe, ready.was)
		case h.stopping:
			stopProbing()
			u.door.set(func(g *gate) { g.ready = false })
			u.f.mesh.set(u.name, isDown)
			u.phase(state.Stopping, "", u.name+" stopping")
		case h.killed > 0:
			u.update(state.KindNotice, u.killedText(h.killed), func(*state.Unit) bool { return true })
		case h.notice != "":
			u.update(state.KindNotice, u.name+": "+h.notice, func(*state.Unit) bool { return true })
		}
	}
	return outcome{}
}

// killedText says why what was left of the unit was killed: somebody hurried, or its grace was over.
func (u *unit) killedText(left int) string {
	if !closed(u.f.hurry) {
		return fmt.Sprintf("%s did not end within its grace: %d killed", u.name, left)
	}
	if left == 1 {
		return u.name + " killed at once: 1 process"
	}
	return fmt.Sprintf("%s killed at once: %d processes", u.name, left)
}

// readiness is what the probe of one run has said so far.
type readiness struct {
	was   bool
	since time.Time // zero while not ready
}

func (r *readiness) take(v verdict) {
	switch {
	case v.err != nil:
		r.since = time.Time{}
	case r.since.IsZero():
		r.was, r.since = true, time.Now()
	}
}

// last returns how long it has been ready now, or 0.
func (r *readiness) last() time.Duration {
	if r.since.IsZero() {
		return 0
	}
	return time.Since(r.since)
}

// drain takes what helpers still say until they have all returned.
func (f *Fleet) drain(helpers *sync.WaitGroup, happened chan happening) {
	done := make(chan struct{})
	go func() { helpers.Wait(); close(done) }()
	for {
		select {
		case <-happened:
		case <-done:
			return
		}
	}
}

// hooks pass what the driver tells to the owner, who always listens until the run has ended.
func (u *unit) hooks(happened chan<- happening) driver.Hooks {
	return driver.Hooks{
		Started:  func(s driver.Started) { happened <- happening{started: &s} },
		Stopping: func() { happened <- happening{stopping: true} },
		Killed:   func(left int) { happened <- happening{killed: left} },
		Notice:   func(text string) { happened <- happening{notice: text} },
		Hurry:    u.f.hurry,
	}
}

func (u *unit) restarts() int {
	s, _ := u.f.store.Unit(u.name)
	return s.Restarts
}

// started shows that the unit runs.
func (u *unit) started(st *Step, s driver.Started) {
	text := fmt.Sprintf("%s started", u.name)
	if s.Adopted {
		text = fmt.Sprintf("%s was running and is taken over", u.name)
	}
	u.begin(s.After)
	u.update(state.KindPhase, text, func(n *state.Unit) bool {
		settle(n, state.Starting, "")
		n.PID, n.Container, n.Started = s.PID, s.Container, s.At
		n.Restarts = max(n.Restarts, s.Restarts)
		n.LastLines = nil
		return true
	})
	u.f.mesh.set(u.name, isUp)
	u.door.set(func(g *gate) { g.run++; g.broken = "" })
	u.f.log.Info("unit started", "unit", u.name, "pid", s.PID, "adopted", s.Adopted)
}

// judge decides what follows a run that ended by itself: the time until the next try, or that there is none.
func (u *unit) judge(st *Step, out outcome, failures int) (time.Duration, bool) {
	why := cause(out)
	switch {
	case st.Sort == state.Job && out.err == nil && out.exit.OK():
		u.ended(out, state.Done, "", u.name+" done")
		u.door.set(func(g *gate) { g.ready, g.broken = true, "" })
		return 0, false
	case (out.was || u.f.mute(st)) && out.err == nil && out.exit.OK() && st.Restart.Policy != "always":
		u.ended(out, state.Stopped, why, u.name+" "+why)
		u.door.set(func(g *gate) { g.ready, g.broken = false, why })
		return 0, false
	case out.final, !again(st), spent(st.Restart, failures):
		u.fail(out, why)
		return 0, false
	}
	return u.retry(st, out, why, failures), true
}

// again reports whether the restart policy allows another run.
func again(st *Step) bool {
	if st.Sort == state.Job {
		return st.Restart.Limit > 0
	}
	return st.Restart.Policy != "never"
}

func spent(r stack.Restart, failures int) bool { return r.Limit > 0 && failures > r.Limit }

// fail shows a failure that stays, until someone changes something.
func (u *unit) fail(out outcome, why string) {
	u.ended(out, state.Failed, why, u.name+" failed: "+why)
	u.door.set(func(g *gate) { g.ready, g.broken = false, why })
	u.f.log.Error("unit failed", "unit", u.name, "err", why)
}

// retry shows when the next try is, and returns how long that is from now. The first exit of a unit that
// was ready is an accident; what ends before it was ready, or once more, is in a loop.
func (u *unit) retry(st *Step, out outcome, why string, failures int) time.Duration {
	wait := delay(st.Restart, failures)
	phase, broken := state.Looping, why
	if failures == 1 && out.was {
		phase, broken = state.Pending, ""
	}
	text := fmt.Sprintf("%s %s, next try in %s", u.name, why, wait.Round(100*time.Millisecond))
	out.next = time.Now().Add(wait)
	u.ended(out, phase, why, text)
	u.door.set(func(g *gate) { g.ready, g.broken = false, broken })
	u.f.log.Warn("unit ended", "unit", u.name, "err", why, "attempt", failures, "after", wait)
	return wait
}

// ended shows how a run ended, with its last words.
func (u *unit) ended(out outcome, p state.Phase, why, text string) {
	var lines []string
	if p == state.Failed || p == state.Looping {
		lines = u.lastLines(out)
	}
	u.update(state.KindPhase, text, func(s *state.Unit) bool {
		settle(s, p, why)
		s.LastLines, s.NextTry = lines, out.next
		if out.err == nil {
			s.Exit = &state.Exit{Code: out.exit.Code, Signal: out.exit.Signal, OOM: out.exit.OOM, At: out.exit.At}
		}
		return true
	})
}

// cause says in words how a run ended.
func cause(out outcome) string {
	switch e := out.exit; {
	case out.err != nil:
		return out.err.Error()
	case e.OOM:
		return "ran out of its memory limit"
	case e.Signal != "":
		return "was ended by signal " + e.Signal
	default:
		return fmt.Sprintf("exited with %d", e.Code)
	}
}
