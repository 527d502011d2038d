package experiment

import (
	"context"
	"fmt"
	"slices"
	"time"

	"msctl.dev/msctl/internal/state"
)

// Session makes the single requests of one workload, each with a name, a trace and faults of its own, and looks
// after each whether the after probes of the experiment hold. Its setup is done once. Close it.
type Session struct {
	x    *run
	e    *Experiment
	kept func() // stops the renewing of the lease
}

// Open does the setup of an experiment with one HTTP workload.
func (r Runner) Open(ctx context.Context, e *Experiment) (*Session, error) {
	if len(e.Workload) != 1 || e.Workload[0].call == nil {
		return nil, fmt.Errorf("open session: %s has not one workload of requests", e.Title)
	}
	w := newWorld(r.Site, e.Seed)
	x := &run{world: w, e: e, tell: r.Tell, j: newJournal(e, w)}
	x.openLoads()
	_, x.cancel = context.WithCancelCause(ctx)
	s := &Session{x, e, x.keepLease(context.WithoutCancel(ctx))}
	for i := range e.Setup {
		if !x.step(ctx, &e.Setup[i], "setup") {
			return s, fmt.Errorf("set up: %s", x.reason)
		}
	}
	return s, nil
}

// Lease is the name of that of the session's faults; KeepLease of the fleet renews it.
func (s *Session) Lease() string { return s.x.lease() }

// Send makes the request of the workload under a trace, as the run of that name, and returns what it got: a
// status, or 0 and why there is none.
func (s *Session) Send(ctx context.Context, run, traceparent string) (status int, why string, err error) {
	l := &s.e.Workload[0]
	s.x.keep("run", run)
	s.x.begun = time.Now()
	s.x.openLoads()
	base, err := l.call.base(ctx, s.x.world)
	if err != nil {
		return 0, "", err
	}
	c := *l.call
	c.header = map[string]string{"Traceparent": traceparent}
	for name, value := range l.call.header {
		if name != "traceparent" && name != "Traceparent" {
			c.header[name] = value
		}
	}
	more := map[string]string{"n": "0"}
	a, err := c.send(ctx, s.x.world, base, more)
	switch {
	case ctx.Err() != nil, unable(err):
		return 0, "", err
	case err != nil:
		s.x.loads[l.Name].note(0, a.took, err.Error())
		return 0, err.Error(), nil
	}
	why = c.judge(s.x.world, a, more)
	s.x.loads[l.Name].note(a.status, a.took, why)
	return a.status, why, nil
}

// Broken looks until the after probes hold or their time is over, and returns what does not hold.
func (s *Session) Broken(ctx context.Context) (broken []string, err error) {
	s.x.mu.Lock()
	s.x.j.Probes, s.x.j.Told = nil, nil
	s.x.mu.Unlock()
	all := make([]Seen, len(s.e.After))
	done := make(chan int)
	for i := range s.e.After {
		go func() {
			defer func() { done <- i }()
			s.x.guarded(func() { all[i] = s.x.eventually(ctx, "after", &s.e.After[i], s.e.After[i].patience()) })
		}()
	}
	for range s.e.After {
		<-done
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	for _, seen := range all {
		switch {
		case seen.Error != "":
			return nil, fmt.Errorf("look at %s: %s", seen.Name, seen.Error)
		case !seen.Held:
			broken = append(broken, seen.Name+": "+seen.Why)
		}
	}
	return broken, nil
}

// patience is how long a probe may take to come to hold after the work.
func (p *Probe) patience() time.Duration {
	if p.Within == 0 {
		return withinUsual
	}
	return p.Within
}

// Close undoes the setup, and lifts faults that are left.
func (s *Session) Close(ctx context.Context) error {
	defer s.x.client.CloseIdleConnections()
	defer s.kept()
	s.x.rollback(ctx)
	all, err := s.x.Fleet.Faults(ctx)
	if err != nil {
		return fmt.Errorf("look for faults that are left: %w", err)
	}
	all = slices.DeleteFunc(all, func(f state.Fault) bool { return f.Lease != s.Lease() })
	if len(all) == 0 {
		return nil
	}
	ids := make([]string, len(all))
	for i, f := range all {
		ids[i] = f.ID
	}
	if _, err = s.x.Fleet.RemoveFaults(ctx, ids); err != nil {
		return fmt.Errorf("lift faults that are left: %w", err)
	}
	return nil
}
