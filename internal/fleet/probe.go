package fleet

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/state"
)

// prober tries once whether a unit is ready. It ends with its context.
type prober interface {
	try(ctx context.Context) error
	// pause waits before the next try of a unit that is not ready yet: at most for d, less when there is
	// a sign that it might be. It reports false when ctx ended.
	pause(ctx context.Context, d time.Duration) bool
	close()
}

// verdict is what a unit's owner hears of its probe: only changes.
type verdict struct {
	err   error // nil: ready
	early bool  // the unit still has time: err is why it is not ready yet
}

// The pace of a probe until the first success: a fiftieth of the time since the start, so that the answer
// is late by 2 % at most, between these bounds.
const (
	fastest = 2 * time.Millisecond
	slowest = 250 * time.Millisecond
)

// pace returns the pause before the next try of something that is not ready yet.
func pace(since time.Duration) time.Duration { return min(max(since/50, fastest), slowest) }

// steady is how long a unit that cannot be asked must have run to count as ready: a program that is not
// there, or that does not like its settings, has ended by then.
const steady = 200 * time.Millisecond

// mute reports a step that cannot be asked whether it is ready: it has neither a listener nor a probe.
func (f *Fleet) mute(st *Step) bool {
	return f.o.probe == nil && st.server == nil && st.Probe == nil && len(st.Unit.Ports) == 0
}

// probe watches one run until ctx ends, one try at a time, and tells its owner when the answer changes.
func (u *unit) probe(ctx context.Context, st *Step, s driver.Started, out chan<- happening) {
	if st.Sort == state.Job {
		return
	}
	tell := func(v verdict) {
		select {
		case out <- happening{probe: &v}:
		case <-ctx.Done():
		}
	}
	p := u.f.prober(u, st, s)
	if p == nil { // nothing to ask: that it stays must do
		if s.Adopted || sleep(ctx, steady) {
			tell(verdict{})
		}
		return
	}
	defer p.close()
	rules := st.probeRules()
	if untilReady(ctx, p, rules, tell) {
		whileReady(ctx, p, rules, tell)
	}
}

// longStart is how long a unit may be on its way before it is said what it lacks, and how often that is
// said anew.
const longStart = time.Second

// untilReady tries fast until the first success. It tells the last answer where that takes long, and past
// the deadline it says so once and goes on.
func untilReady(ctx context.Context, p prober, rules stack.Probe, tell func(verdict)) bool {
	begin, late := time.Now(), false
	said, next := "", longStart
	for {
		err := try(ctx, p, rules.Timeout)
		if ctx.Err() != nil {
			return false
		}
		if err == nil {
			tell(verdict{})
			return true
		}
		since := time.Since(begin)
		switch {
		case !late && since >= rules.Deadline:
			late = true
			tell(verdict{err: fmt.Errorf("not ready %s after its start: %w", rules.Deadline, err)})
		case !late && since >= next && err.Error() != said:
			said, next = err.Error(), since+longStart
			tell(verdict{err: err, early: true})
		}
		if !p.pause(ctx, pace(since)) {
			return false
		}
	}
}

// whileReady tries now and then, and tells when so many tries in a row fail, and when one succeeds again.
func whileReady(ctx context.Context, p prober, rules stack.Probe, tell func(verdict)) {
	failures := 0
	for rules.Interval > 0 && sleep(ctx, rules.Interval) {
		err := try(ctx, p, rules.Timeout)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil && failures >= rules.Failures:
			failures = 0
			tell(verdict{})
		case err == nil:
			failures = 0
		default:
			if failures++; failures == rules.Failures {
				tell(verdict{err: fmt.Errorf("%d probes in a row: %w", failures, err)})
			}
		}
	}
}

// try asks once, for so long at most.
func try(ctx context.Context, p prober, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return p.try(ctx)
}

// answered shows a changed answer of the probe. A unit that was never ready in its time counts as failed,
// and is left running to be looked at: a late answer still makes it ready.
func (u *unit) answered(st *Step, v verdict, was bool) {
	if v.err == nil {
		u.phaseReady(st)
		u.f.log.Info("unit ready", "unit", u.name)
		return
	}
	why := v.err.Error()
	if v.early {
		u.phase(state.Starting, why, u.name+" is not ready yet: "+why)
		return
	}
	if was {
		u.phase(state.Unready, why, u.name+" is not ready: "+why)
	} else {
		lines := u.lastLines(outcome{})
		u.update(state.KindPhase, u.name+" failed: "+why, func(s *state.Unit) bool {
			s.Phase, s.Reason, s.LastLines = state.Failed, why, lines
			return true
		})
	}
	u.door.set(func(g *gate) { g.ready, g.broken = false, why })
	u.f.mesh.set(u.name, isUp)
	u.f.log.Warn("unit unready", "unit", u.name, "err", why)
}

// probeRules returns the step's probe with its defaults filled in.
func (st *Step) probeRules() stack.Probe {
	var p stack.Probe
	if st.Probe != nil {
		p = *st.Probe
	}
	p.Timeout = cmp.Or(p.Timeout, time.Second)
	p.Deadline = cmp.Or(p.Deadline, time.Minute)
	p.Interval = cmp.Or(p.Interval, 5*time.Second)
	p.Failures = cmp.Or(p.Failures, 3)
	return p
}
