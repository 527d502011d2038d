package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"msctl.dev/msctl/internal/resource"
	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/state"
)

// Start brings up services, resources or units with what they need, also those that were left out so far,
// and returns when they are ready, or with the cause when one cannot be.
func (f *Fleet) Start(ctx context.Context, names []string) error {
	if err := f.widen(ctx, names); err != nil {
		return err
	}
	units, err := f.find(names)
	if err != nil {
		return err
	}
	if err := f.claim(ctx); err != nil {
		return err
	}
	units = f.withNeeds(units)
	if err := f.releaseStopped(ctx, units); err != nil {
		<-f.changing
		return err
	}
	return f.bring(units, (*unit).start)(ctx)
}

// bring gives an order to units and ends the claim on changes, for a change would otherwise wait for what is
// just begun. It returns what waits until the units are up.
func (f *Fleet) bring(units []*unit, command func(*unit) int) (await func(context.Context) error) {
	defer func() { <-f.changing }()
	numbers := make([]int, len(units))
	for i, u := range slices.Backward(units) { // needs stand behind who needs them
		numbers[i] = command(u)
	}
	return func(ctx context.Context) error {
		var g errgroup.Group
		for i, u := range units {
			g.Go(func() error { return u.awaitUp(ctx, numbers[i]) })
		}
		return g.Wait()
	}
}

// Stop ends services, resources or units, those first that need the others, and returns when they are down.
func (f *Fleet) Stop(ctx context.Context, names []string) error {
	units, err := f.find(names)
	if err != nil {
		return err
	}
	if err := f.claim(ctx); err != nil { // a change that is under way may start what is to be stopped
		return err
	}
	<-f.changing
	units = f.withServers(units)
	done := make(chan struct{})
	go func() { // ends within the units' graces, whether or not someone still waits
		defer close(done)
		f.stopInOrder(units)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Restart runs services, resources or units anew, built again where their inputs changed, and returns when
// they are ready. It builds first: where that breaks, or where what they need is stopped, everything is left
// as it is.
func (f *Fleet) Restart(ctx context.Context, names []string) error {
	if err := f.restartable(names); err != nil {
		return err
	}
	if err := f.rebuild(ctx, names); err != nil {
		return err
	}
	units, err := f.find(names) // a change may have come between
	if err != nil {
		return err
	}
	if err := f.claim(ctx); err != nil {
		return err
	}
	rows, units := f.rows(f.withServers(units))
	for _, u := range units { // none of them may take another's last run for its next one
		u.door.set(func(g *gate) { g.ready = false })
	}
	await := f.bring(units, func(u *unit) int { return u.restart(nil, false) })
	var g errgroup.Group
	for _, row := range rows {
		g.Go(func() error { return f.roll(ctx, row, nil) })
	}
	return errors.Join(await(ctx), g.Wait())
}

// restartable refuses to end what could not start again.
func (f *Fleet) restartable(names []string) error {
	units, err := f.find(names)
	if err != nil {
		return err
	}
	units = f.withServers(units)
	coming := map[*unit]bool{}
	for _, u := range units {
		coming[u] = true
	}
	for _, u := range units {
		if held := f.held(u, coming); held != nil {
			return held
		}
	}
	return nil
}

// rebuild makes the services of the names again while they run on, and shows what broke.
func (f *Fleet) rebuild(ctx context.Context, names []string) error {
	units, err := f.find(names)
	if err != nil {
		return err
	}
	if err := f.claim(ctx); err != nil {
		return err
	}
	services := servicesOf(units)
	begun := f.made.start(f.base, services) // under the claim: nobody waits for the last build yet
	<-f.changing
	var errs []error
	for _, s := range services {
		job := begun[s.Name]
		if job == nil {
			continue // nothing to make
		}
		select {
		case <-job.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if job.err != nil {
			what := "restart " + s.Name
			if !f.failed(s.Name) {
				what += ", the old one runs on"
			}
			f.showBroken(s.Name, job.err)
			errs = append(errs, fmt.Errorf("%s: %w", what, job.err))
		}
	}
	return errors.Join(errs...)
}

// servicesOf returns the services that the units run, each once.
func servicesOf(units []*unit) []*stack.Service {
	var services []*stack.Service
	for _, u := range units {
		if st := u.plan(); st.def != nil && st.Skip == "" && !slices.Contains(services, st.def) {
			services = append(services, st.def)
		}
	}
	return services
}

// awaitUp blocks until the unit is ready, or says why it is not going to be.
func (u *unit) awaitUp(ctx context.Context, number int) error {
	var held *heldError
	g, err := u.door.await(ctx, func(g gate) bool {
		if held = nil; g.held { // as it was seen last: the need may be on its way by now
			held = u.f.held(u, nil)
		}
		return g.order >= number && (g.ready || g.broken != "" || !g.alive || held != nil)
	})
	switch {
	case err != nil:
		return fmt.Errorf("wait for %s: %w", u.name, err)
	case g.ready:
		return nil
	case g.broken != "":
		return fmt.Errorf("start %s: %s", u.name, g.broken)
	case held != nil && g.alive:
		return fmt.Errorf("start %s: %w", u.name, held)
	}
	return fmt.Errorf("start %s: %w", u.name, errStop)
}

// find returns the units of the names: of one unit, or all replicas of a service. No names is all units.
func (f *Fleet) find(names []string) ([]*unit, error) {
	if len(names) == 0 {
		return f.all(), nil
	}
	var found []*unit
	var errs []error
	for _, name := range names {
		units := f.group(name)
		if u := f.unit(name); u != nil && u.plan().Service != name {
			units = []*unit{u}
		}
		if len(units) == 0 {
			errs = append(errs, fmt.Errorf("find %q: not in this fleet, which has %s", name, f.services()))
		}
		for _, u := range units {
			if !slices.Contains(found, u) {
				found = append(found, u)
			}
		}
	}
	return found, errors.Join(errs...)
}

// services lists the names that commands take.
func (f *Fleet) services() string {
	var all []string
	for _, u := range f.Snapshot().Units {
		if !slices.Contains(all, u.Service) {
			all = append(all, u.Service)
		}
	}
	return strings.Join(all, ", ")
}

// withNeeds returns units and all that they need, directly or not.
func (f *Fleet) withNeeds(units []*unit) []*unit {
	seen := map[*unit]bool{}
	var all []*unit
	var add func([]*unit)
	add = func(us []*unit) {
		for _, u := range us {
			if seen[u] {
				continue
			}
			seen[u] = true
			all = append(all, u)
			for _, n := range u.plan().Needs {
				add(f.group(n.Name))
			}
		}
	}
	add(units)
	return all
}

// Environment returns what a one-off command of a service or unit is run with.
func (f *Fleet) Environment(_ context.Context, name string) (state.Environment, error) {
	units, err := f.find([]string{name})
	if err != nil {
		return state.Environment{}, err
	}
	st := units[0].plan()
	s, _ := f.store.Unit(st.Name)
	if st.def == nil {
		return f.beside(st), nil
	}
	return state.Environment{Dir: st.def.Dir, Env: slices.Clone(st.Unit.Env), Container: s.Container, Hidden: f.veil.hidden()}, nil
}

// beside returns the environment of a command that runs beside a backing server: what every service has of
// the user's, and the address as who uses the resource is given it.
func (f *Fleet) beside(st *Step) state.Environment {
	var choices []resource.Choice
	switch {
	case st.choice != nil:
		choices = append(choices, *st.choice)
	case st.server != nil:
		choices = st.server.Choices
	}
	o := f.options()
	p, v := &planner{o: o}, &vars{}
	p.inherit(v, inherited)
	v.set("MSCTL_STACK", o.Stack.Name)
	for _, c := range choices {
		v.set(variable(c.Resource.Name, "URL"), c.Endpoint(st.place).URL)
	}
	s, _ := f.store.Unit(st.Name)
	return state.Environment{Dir: o.Stack.Dir, Env: v.list(), Container: s.Container, Hidden: f.veil.hidden()}
}
