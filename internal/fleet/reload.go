package fleet

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"

	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/state"
)

// Reload reads the stack again and changes what has changed: units that are gone are removed, new ones
// started, those that differ run anew, and all others are left alone. A stack that is not valid, or cannot
// be run, changes nothing.
func (f *Fleet) Reload(ctx context.Context) error {
	if f.o.Load == nil {
		return errors.New("reload: this fleet has no file to read again")
	}
	if err := f.claim(ctx); err != nil {
		return err
	}
	defer func() { <-f.changing }()
	st, err := f.o.Load()
	if err != nil {
		return err
	}
	o := f.options()
	o.Stack = f.keepReceiver(o.Stack, st)
	return f.change(ctx, o, f.scaled())
}

// keepReceiver returns next with the telemetry of the stack that runs: who listens is not started anew.
func (f *Fleet) keepReceiver(now, next *stack.Stack) *stack.Stack {
	was, is := now.Telemetry, next.Telemetry
	if was.Pos, is.Pos = (stack.Pos{}), (stack.Pos{}); was == is {
		return next
	}
	f.note(state.KindNotice, "what stack.yaml says of telemetry holds from the next `msctl up` on")
	kept := *next
	kept.Telemetry = now.Telemetry
	return &kept
}

// claim waits until no other change is under way, and makes others wait until changing is read from.
func (f *Fleet) claim(ctx context.Context) error {
	select {
	case <-f.began:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case f.changing <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if f.cause() != nil {
		<-f.changing
		return errors.New("change the fleet: it is going down")
	}
	return nil
}

// Scale runs a service in n replicas from now on. The one that runs goes on as it is where edges lead all callers in
// the stack: it keeps the service's own ports until it is run anew. Else msctl takes these over at once, in front of all.
func (f *Fleet) Scale(ctx context.Context, service string, n int) error {
	if err := f.rescale(ctx, service, n); err != nil {
		return err
	}
	if err := f.claim(ctx); err != nil {
		return err
	}
	return f.bring(f.group(service), (*unit).start)(ctx)
}

// rescale changes the number of replicas.
func (f *Fleet) rescale(ctx context.Context, service string, n int) error {
	if err := f.claim(ctx); err != nil {
		return err
	}
	defer func() { <-f.changing }()
	o := f.options()
	s := o.Stack.Service(service)
	switch {
	case s == nil:
		return fmt.Errorf("scale %s: the stack has no such service", service)
	case s.Job:
		return fmt.Errorf("scale %s: it is a job", service)
	case n < 1 || n > maxReplicas:
		return fmt.Errorf("scale %s: want 1 to %d replicas, got %d", service, maxReplicas, n)
	case n > 1 && hardCoded(s) != 0:
		return fmt.Errorf("scale %s: its replicas cannot all open port %d, which stack.yaml says of its program", service, hardCoded(s))
	case len(f.group(service)) == 0:
		return fmt.Errorf("scale %s: it is not in this fleet", service)
	}
	replicas := f.scaled()
	switch asWritten := n == max(1, s.Replicas); {
	case asWritten && f.holding(service):
		delete(replicas, service) // nothing has to be given back for that
	case !asWritten || replicas[service] != 0:
		replicas[service] = n
	}
	before := len(f.group(service))
	if err := f.change(ctx, o, replicas); err != nil {
		return err
	}
	if before == 1 && n > 1 && f.holding(service) {
		f.store.Update(state.KindNotice, unitName(service, 1), apart(service), func(*state.Unit) bool { return true })
	}
	return nil
}

// apart says who is reached where, while the first replica of a service has the service's own ports.
func apart(service string) string {
	return fmt.Sprintf("%s's own address leads to its first replica alone until `msctl restart %s`, also after a crash; its callers in the stack are led to all", service, service)
}

// hardCoded returns the port that a service's program opens whatever it is told, or 0.
func hardCoded(s *stack.Service) int {
	for _, l := range s.Listen {
		if s.Ingress(l) && l.Inside > 0 {
			return l.Inside
		}
	}
	return 0
}

// maxReplicas bounds what one typing mistake can start.
const maxReplicas = 100

func (f *Fleet) options() Options {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.o
}

// scaled returns the numbers of replicas that were asked for by Scale.
func (f *Fleet) scaled() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[string]int{}
	for service, n := range f.replicas {
		out[service] = n
	}
	return out
}

// difference is how the units of one plan become those of another.
type difference struct {
	gone    []*unit
	changed []*unit
	to      map[*unit]*Step // the new steps of units that stay
	added   []*Step
	made    bool // nothing has to be built
}

// change follows another plan from now on.
func (f *Fleet) change(ctx context.Context, o Options, replicas map[string]int) error {
	now := f.present(replicas)
	p, err := newPlan(ctx, o, now)
	if err != nil {
		return err
	}
	d := f.compare(p)
	if now.free(d.changed, p) { // who is run anew anyway gives the service's ports up
		if p, err = newPlan(ctx, o, now); err != nil {
			return err
		}
		d = f.compare(p)
	}
	return f.become(o, p, d, replicas)
}

// become makes of the fleet what another plan says.
func (f *Fleet) become(o Options, p *Plan, d difference, replicas map[string]int) error {
	f.veil.hide(p.hidden)
	f.stopInOrder(slices.Concat(d.gone, d.changed)) // frees their ports before anyone takes them over
	f.remove(d.gone)
	f.follow(o, p, replicas)
	f.mesh.follow(p)
	for u, st := range d.to {
		u.adopt(st)
	}
	f.members.set(func(g *gate) { g.run++ })
	var fresh []*unit
	for _, st := range d.added {
		fresh = append(fresh, f.add(st))
	}
	f.showPlan(p)
	opened := f.mesh.openAll() // who was stopped above runs again, whatever this says
	if !d.made {
		f.made.begin(f.base, stepsOf(d.changed, d.added))
	}
	for _, u := range d.changed {
		u.restart(nil, false)
	}
	for _, u := range fresh {
		f.goOn.Go(u.loop)
		u.start()
	}
	f.announce(fmt.Sprintf("changed: %d units added, %d run anew, %d removed", len(fresh), len(d.changed), len(d.gone)))
	if opened != nil {
		return &partly{opened}
	}
	return nil
}

// partly says that another plan is followed, though not all of it came about.
type partly struct{ err error }

func (p *partly) Error() string { return "stack changed: read again, but " + p.err.Error() }
func (p *partly) Unwrap() error { return p.err }

func stepsOf(units []*unit, more []*Step) []*Step {
	out := slices.Clone(more)
	for _, u := range units {
		out = append(out, u.plan())
	}
	return out
}

// compare finds what another plan changes. A unit that was stopped on request takes its new step over
// without being started.
func (f *Fleet) compare(p *Plan) difference {
	d := difference{to: map[*unit]*Step{}}
	next := map[string]*Step{}
	for _, st := range p.Steps {
		next[st.Name] = st
		if f.unit(st.Name) == nil {
			d.added = append(d.added, st)
		}
	}
	for _, u := range f.all() {
		st := next[u.name]
		switch {
		case st == nil:
			d.gone = append(d.gone, u)
			continue
		case !same(u.plan(), st) && u.wanted():
			d.changed = append(d.changed, u)
		}
		d.to[u] = st
	}
	return d
}

// wanted reports whether the unit is asked to run.
func (u *unit) wanted() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.order.run
}

// adopt makes the unit follow another step from its next run on.
func (u *unit) adopt(st *Step) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.step = st
}

// same reports whether two steps of one unit run the same thing in the same way. What it waits for and why
// it is there may differ.
func same(a, b *Step) bool {
	return reflect.DeepEqual(a.identity(), b.identity())
}

// identity is what makes a unit run anew when it changes.
func (st *Step) identity() []any {
	id := []any{st.Sort, st.Skip, st.Unit}
	if st.def != nil {
		id = append(id, st.def.Hash())
	}
	if st.choice != nil {
		id = append(id, st.choice.Server, st.choice.Backing(), st.choice.Resource.Hash(), st.place)
	}
	return id
}

// remove ends units for good and returns when they are gone.
func (f *Fleet) remove(units []*unit) {
	var gone sync.WaitGroup
	for _, u := range units {
		gone.Go(func() { u.awaitDown(u.dismiss(errStop, true)) })
	}
	gone.Wait()
}

// follow makes the plan the current one.
func (f *Fleet) follow(o Options, p *Plan, replicas map[string]int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.o.Stack, f.plan, f.replicas = o.Stack, p, replicas
}

// showPlan brings the snapshot's units into the order of the plan: those that stay with what is known of
// them, those that are new as pending.
func (f *Fleet) showPlan(p *Plan) {
	f.store.Edit(state.KindFleet, "stack read again", func(s *state.Snapshot) {
		units := p.states()
		for i, u := range units {
			if old, known := s.Unit(u.Name); known {
				old.Sort, old.Backing, old.URL, old.Ports = u.Sort, u.Backing, u.URL, u.Ports
				units[i] = old
			}
		}
		s.Stack, s.Units = p.Stack, units
	})
}
