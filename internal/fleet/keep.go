package fleet

import (
	"context"
	"slices"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/state"
)

// present is what the next plan of a fleet has to know of what runs already. The zero value is a fleet that is not up.
type present struct {
	ports    Ports           // that are its own
	replicas map[string]int  // changed by Scale
	holds    map[string]bool // services whose first replica runs on the service's own ports
}

// present returns it for a plan with these numbers of replicas.
func (f *Fleet) present(replicas map[string]int) present {
	p := f.current()
	now := present{ports: p.Ports, replicas: replicas, holds: map[string]bool{}}
	for _, u := range f.all() {
		if st := u.plan(); p.holds(st) && (u.wanted() || u.door.look().alive) { // one that is being stopped has its ports still
			now.holds[st.Service] = true
		}
	}
	return now
}

// holds reports whether a unit is the first replica of a service and opens the service's own ports.
func (p *Plan) holds(st *Step) bool {
	return st.Sort == state.Service && st.Replica == 1 && slices.ContainsFunc(st.Unit.Ports, func(l driver.Port) bool {
		return l.Host == p.Ports[key(st.Service, l.Name)]
	})
}

// holding reports whether the first replica of a service opens the service's own ports.
func (f *Fleet) holding(service string) bool {
	u := f.unit(unitName(service, 1))
	return u != nil && f.current().holds(u.plan())
}

// free takes the services of units that are run anew from those that hold their own ports, and reports whether
// there were any of which several replicas are to run.
func (now present) free(units []*unit, p *Plan) bool {
	freed := false
	for _, u := range units {
		st := u.plan()
		if st.Replica == 1 && now.holds[st.Service] {
			delete(now.holds, st.Service)
			freed = freed || slices.ContainsFunc(p.Steps, func(other *Step) bool { return other.Service == st.Service && other.Replica > 1 })
		}
	}
	return freed
}

// undisturbed returns those of the services whose first replica may keep the service's own ports although there
// are others beside it: who calls one is led to all of them by an edge. Where no edge leads, or somebody goes past
// them, those ports are the only way to share.
func (f facts) undisturbed(p picked, holds map[string]bool) map[string]bool {
	kept := map[string]bool{}
	for service := range holds {
		led, past := false, false
		for _, e := range p.Edges {
			if f.skip[e.From] != "" || e.To != service && !takesShare(p.Service(e.To), service) {
				continue
			}
			for _, w := range f.ways(p.Stack, e) {
				led, past = led || w.Direct == "", past || w.Direct != ""
			}
		}
		kept[service] = led && !past
	}
	return kept
}

// takesShare reports whether a service is given calls of another.
func takesShare(of *stack.Service, service string) bool {
	return of != nil && slices.ContainsFunc(of.Weights, func(w stack.Share) bool { return w.Service == service && w.Weight > 0 })
}

// release ends the run of a first replica that holds its service's ports, and takes these over, in front of all
// replicas; the next run is under way when it returns. The caller has the claim on changes.
func (f *Fleet) release(ctx context.Context, u *unit) error {
	now := f.present(f.scaled())
	delete(now.holds, u.plan().Service)
	o := f.options()
	p, err := newPlan(ctx, o, now)
	if err != nil {
		return err
	}
	d := f.compare(p)
	d.made = true
	return f.become(o, p, d, now.replicas)
}

// releaseStopped is release for those of the units that were stopped, and have further replicas beside them.
func (f *Fleet) releaseStopped(ctx context.Context, units []*unit) error {
	for _, u := range units {
		st := u.plan()
		if !u.dismissed() || !f.current().holds(st) || len(f.group(st.Service)) < 2 {
			continue
		}
		f.stopInOrder([]*unit{u}) // it may be on its way down
		if err := f.release(ctx, u); err != nil {
			return err
		}
	}
	return nil
}
