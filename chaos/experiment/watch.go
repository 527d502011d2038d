package experiment

import (
	"context"
	"slices"
	"sync"
	"time"

	"msctl.dev/msctl/internal/state"
	"msctl.dev/msctl/internal/telemetry"
)

// sight looks once, and does not wait for ever.
func (x *run) sight(ctx context.Context, p *Probe) Sight {
	if !slices.Contains([]string{"cmd", "run", "pact"}, p.Kind) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeoutLook)
		defer cancel()
	}
	return p.Look.look(ctx, x.world)
}

func (p *Probe) seen(phase string) Seen {
	return Seen{Phase: phase, Name: p.Name, Kind: p.Kind, Place: p.Pos.String()}
}

// note adds a look to what a probe has seen.
func (s *Seen) note(at time.Duration, got Sight) {
	s.Looks++
	switch {
	case got.Err != nil:
		s.Error, s.At = got.Err.Error(), at
	case got.Why != "":
		if s.Failed++; s.Failed == 1 {
			s.Value, s.Why, s.At, s.Traces = got.Value, got.Why, at, got.Traces
		}
	case s.Failed == 0:
		s.Value, s.At = got.Value, at
	}
}

// before looks whether the fleet is steady, and reports whether it is.
func (x *run) before(ctx context.Context) bool {
	at := &State{Met: true, Probes: []Activity{}}
	x.j.Steady.Before = at
	for i := range x.e.Before {
		p := &x.e.Before[i]
		seen := x.eventually(ctx, "before", p, p.Within)
		if ctx.Err() != nil {
			return false
		}
		x.steady(at, seen)
		if seen.Error != "" {
			x.end(Broken, "%s: %s", p.Name, seen.Error)
			return false
		}
		if !seen.Held {
			x.end(Unsteady, "%s: %s", p.Name, seen.Why)
			return false
		}
	}
	return true
}

// after looks whether the fleet comes back to what must hold.
func (x *run) after(ctx context.Context) {
	at := &State{Met: true, Probes: []Activity{}}
	all := make([]Seen, len(x.e.After))
	var wg sync.WaitGroup
	for i := range x.e.After {
		wg.Go(func() {
			x.guarded(func() {
				within := x.e.After[i].Within
				if within == 0 && x.e.After[i].Kind != "workload" { // which is over
					within = withinUsual
				}
				all[i] = x.eventually(ctx, "after", &x.e.After[i], within)
			})
		})
	}
	wg.Wait()
	x.j.Steady.After = at
	if ctx.Err() != nil {
		x.end(Interrupted, "%v", context.Cause(ctx))
		return
	}
	for _, seen := range all {
		x.steady(at, seen)
		if seen.Error != "" {
			x.end(Broken, "%s: %s", seen.Name, seen.Error)
		} else if !seen.Held {
			x.end(Deviated, "%s: %s", seen.Name, seen.Why)
		}
	}
}

// eventually looks until the probe holds and keeps holding for as long as it is to stay, or the time is over.
func (x *run) eventually(ctx context.Context, phase string, p *Probe, within time.Duration) Seen {
	begun, since := time.Now(), time.Time{}
	for {
		seen := p.seen(phase)
		got := x.sight(ctx, p)
		if ctx.Err() != nil {
			return seen
		}
		seen.note(time.Since(x.begun), got)
		seen.Held, seen.Took = got.Err == nil && got.Why == "", time.Since(begun)
		was := !since.IsZero()
		if seen.Held && !was {
			since = time.Now()
		}
		if seen.Held && time.Since(since) >= p.Stays || !seen.Held && (was || seen.Took >= within) || !pause(ctx, pollEvery) {
			x.heard(seen)
			return seen
		}
	}
}

// steady notes a probe of a steady state as Chaos Toolkit does.
func (x *run) steady(at *State, s Seen) {
	at.Met = at.Met && s.Held
	end := time.Now()
	held := s.Held
	a := Activity{Activity: Named{Type: "probe", Name: s.Name}, Status: "succeeded", Start: end.Add(-s.Took), End: end,
		Duration: s.Took.Seconds(), Output: s.Value, Met: &held, Error: s.Error}
	if s.Error != "" {
		a.Status = "failed"
	}
	at.Probes = append(at.Probes, a)
}

// heard adds what a probe saw to the journal and the story.
func (x *run) heard(s Seen) {
	switch {
	case s.Error != "":
		x.say(s.Phase, true, "%s: cannot be looked at: %s", s.Name, s.Error)
	case s.Held:
		x.say(s.Phase, false, "%s: %s", s.Name, s.Value)
	default:
		x.say(s.Phase, true, "%s: %s", s.Name, s.Why)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.j.Probes = append(x.j.Probes, s)
}

// watch looks again and again while workload and faults act.
func (x *run) watch(ctx context.Context, phase string, p *Probe) {
	every := p.Every
	if every == 0 {
		every = everyUsual
	}
	seen := p.seen(phase)
	for on := pause(ctx, p.From-time.Since(x.begun)); on; on = pause(ctx, every) {
		at := time.Since(x.begun)
		if p.To > 0 && at > p.To {
			break
		}
		got := x.sight(ctx, p)
		if ctx.Err() != nil {
			break // it may have been cut off
		}
		seen.note(at, got)
		if got.Err != nil {
			x.end(Broken, "%s: %v", p.Name, got.Err)
			break
		}
		if got.Why != "" && seen.Failed == p.Tolerate+1 {
			x.say(phase, true, "%s: %s", p.Name, got.Why)
			if phase == "abort" {
				x.end(Deviated, "aborted, as %s: %s", p.Name, got.Why)
				break
			}
		}
	}
	seen.Held = seen.Error == "" && seen.Failed <= p.Tolerate
	seen.Took = time.Since(x.begun)
	if seen.Held && seen.Looks == 0 && phase == "during" && x.e.limit() > 0 {
		seen.Value = "never looked at"
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.j.Probes = append(x.j.Probes, seen)
	x.j.Steady.During = append(x.j.Steady.During, during(seen))
}

func during(s Seen) State {
	held := s.Held
	return State{Met: s.Held, Probes: []Activity{{Activity: Named{Type: "probe", Name: s.Name, Background: true},
		Status: "succeeded", Output: s.Value, Met: &held, Error: s.Error}}}
}

// sample notes what goes over the edges that matter.
func (x *run) sample(ctx context.Context) {
	last, at := x.base, x.begun
	lines := map[string]*Line{}
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for on := true; on; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			on = false
		}
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		edges, err := x.Fleet.Edges(call)
		cancel()
		if err != nil {
			continue
		}
		now := time.Now()
		passed := now.Sub(at).Seconds()
		next := map[string]state.Edge{}
		for _, e := range edges {
			key := edgeKey(e)
			next[key] = e
			if before, was := last[key]; was && passed > 0 && x.matters(e) {
				name := state.EdgeTitle(e.Name())
				if lines[name] == nil {
					lines[name] = &Line{Edge: name}
				}
				lines[name].add(Point{now.Sub(x.begun), float64(e.Requests-before.Requests) / passed,
					float64(e.Errors-before.Errors) / passed, e.P95})
			}
		}
		last, at = next, now
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, l := range lines {
		x.j.Edges = append(x.j.Edges, *l)
	}
	slices.SortFunc(x.j.Edges, func(a, b Line) int { return len(b.Points) - len(a.Points) })
	slices.SortStableFunc(x.j.Edges, func(a, b Line) int {
		if a.Edge < b.Edge {
			return -1
		}
		return 1
	})
}

// add puts a point behind the others; two listeners of one edge at one moment are one point.
func (l *Line) add(p Point) {
	if n := len(l.Points); n > 0 && l.Points[n-1].At == p.At {
		last := &l.Points[n-1]
		last.Rate, last.Errors, last.P95 = last.Rate+p.Rate, last.Errors+p.Errors, max(last.P95, p.P95)
		return
	}
	l.Points = append(l.Points, p)
}

// matters reports whether an edge belongs on the timeline: a fault or a probe names it, or the workload goes over it.
func (x *run) matters(e state.Edge) bool {
	for _, f := range x.e.Faulted() {
		if f.OnEdge() && f.On(e.From, e.To, e.Listen) {
			return true
		}
	}
	for _, p := range x.e.probes() {
		if q, ok := p.Look.(*edgeProbe); ok && named(e, q.edge) {
			return true
		}
	}
	for _, l := range x.e.Workload {
		if l.call != nil && e.From == "" && e.To == l.call.service {
			return true
		}
	}
	return false
}

// conclude says how it ended, and brings the trace of what failed first.
func (x *run) conclude(ctx context.Context) {
	x.mu.Lock()
	for _, s := range x.j.Probes {
		if s.Phase == "during" && !s.Held && s.Error == "" && x.verdict == "" {
			x.verdict, x.reason = Deviated, s.Name+": "+s.Why
		}
	}
	if x.verdict == "" {
		x.verdict = Held
	}
	for i := range x.j.Faults {
		x.over(&x.j.Faults[i])
	}
	x.world.mu.Lock()
	for i := range x.j.Faults {
		for k := range x.j.Faults[i].Faults {
			one := &x.j.Faults[i].Faults[k]
			one.Acted = x.acted[one.ID]
		}
	}
	x.world.mu.Unlock()
	x.j.Verdict, x.j.Reason = x.verdict, x.reason
	x.mu.Unlock()
	if x.verdict == Deviated && ctx.Err() == nil {
		x.j.Trace = x.failing(ctx)
	}
	x.j.finish()
	x.say("verdict", x.j.Verdict != Held, "%s", x.j.Sum())
}

// Sum is the verdict with its reason.
func (j *Journal) Sum() string {
	if j.Reason == "" {
		return string(j.Verdict)
	}
	return string(j.Verdict) + ": " + j.Reason
}

// failing returns the first trace that failed: of a probe that did not hold, else of the whole time.
func (x *run) failing(ctx context.Context) *telemetry.Trace {
	if x.Telemetry == nil || x.j.Begun.IsZero() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*timeoutLook)
	defer cancel()
	var ids []string
	for _, s := range x.j.Probes {
		if !s.Held {
			ids = append(ids, s.Traces...)
		}
	}
	page, err := x.Telemetry.Traces(ctx, telemetry.Query{Filter: telemetry.OnlyRequests("status=error"), Since: x.begun, Limit: mostTraces})
	if err == nil {
		for i := len(page.Traces) - 1; i >= 0; i-- {
			ids = append(ids, page.Traces[i].ID.String())
		}
	}
	for _, id := range ids[:min(len(ids), 3)] {
		if t, err := x.Telemetry.Trace(ctx, id); err == nil {
			return &t
		}
	}
	return nil
}
