package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"msctl.dev/msctl/internal/proxy"
	"msctl.dev/msctl/internal/state"
)

// acting is a fault that acts now, until it is lifted or its time is over.
type acting struct {
	state.Fault
	wire  proxy.Fault
	over  time.Time   // when its own time is over; zero: it has none
	timer *time.Timer // lifts it then
}

// AddFaults puts faults on what they name, all or none, and returns them with what was chosen for them: id,
// seed and end. One whose id acts already takes its place.
func (f *Fleet) AddFaults(ctx context.Context, faults []state.Fault) ([]state.Fault, error) {
	fresh, put, err := f.mesh.add(faults)
	if err != nil {
		return nil, err
	}
	return put, f.upset(ctx, fresh, put)
}

// RemoveFaults lifts faults, all or none of those named, and returns how many.
func (f *Fleet) RemoveFaults(_ context.Context, ids []string) (int, error) { return f.mesh.remove(ids) }

// ClearFaults lifts the faults that were put on a target, or all where it is "". It returns how many.
func (f *Fleet) ClearFaults(_ context.Context, target string) (int, error) {
	return f.mesh.clear(target)
}

// Faults lists what acts now, in the order in which it came.
func (f *Fleet) Faults(context.Context) ([]state.Fault, error) {
	f.mesh.mu.Lock()
	defer f.mesh.mu.Unlock()
	out := make([]state.Fault, 0, len(f.mesh.faults))
	for _, a := range f.mesh.faults {
		out = append(out, a.now())
	}
	return out, nil
}

// KeepLease renews a lease: the faults that have it act for [state.LeaseTime] more.
func (f *Fleet) KeepLease(_ context.Context, name string) error {
	if name == "" {
		return errors.New("keep lease: it has no name")
	}
	f.mesh.keep(name)
	return nil
}

// now is the fault with how often it has acted.
func (a *acting) now() state.Fault {
	out := a.Fault
	out.Params, out.Match = maps.Clone(out.Params), maps.Clone(out.Match)
	if n, ok := a.wire.(interface{ Acted() int64 }); ok {
		out.Acted = n.Acted()
	}
	return out
}

// add puts faults on edges, and returns each also as its caller is to see it.
func (m *mesh) add(faults []state.Fault) (fresh []*acting, out []state.Fault, err error) {
	m.mu.Lock()
	if fresh, err = m.prepare(faults); err != nil {
		m.mu.Unlock()
		return nil, nil, err
	}
	lifted := m.lift(func(a *acting) bool {
		return slices.ContainsFunc(fresh, func(b *acting) bool { return b.ID == a.ID })
	})
	m.faults = append(m.faults, fresh...)
	for _, a := range fresh {
		m.begin(a)
	}
	out = make([]state.Fault, len(fresh))
	for i, a := range fresh {
		out[i] = a.now()
	}
	m.disturbAll()
	m.mu.Unlock()
	m.replaced(lifted, out)
	for _, f := range out {
		text := fmt.Sprintf("%s: %s", state.EdgeTitle(f.Target), f)
		if f.For > 0 {
			text += fmt.Sprintf(" for %s", f.For)
		}
		m.note(f, text)
	}
	return fresh, out, nil
}

// replaced says which faults were lifted because others have their names now, to those who put these too.
func (m *mesh) replaced(lifted []*acting, by []state.Fault) {
	for _, a := range lifted {
		was := a.now()
		i := slices.IndexFunc(by, func(f state.Fault) bool { return f.ID == was.ID })
		by[i].Was = &was
		m.f.upsets.calm(a)
		m.note(was, fmt.Sprintf("%s: %s lifted: another is put as %s", state.EdgeTitle(was.Target), was, was.ID))
	}
}

// holds reports whether this very fault acts, and no other that has its name by now.
func (m *mesh) holds(a *acting) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Contains(m.faults, a)
}

// prepare makes what is to be put, or says why one of it cannot.
func (m *mesh) prepare(faults []state.Fault) ([]*acting, error) {
	if m.f.base.Err() != nil {
		return nil, errors.New("put a fault: the fleet has ended")
	}
	var fresh []*acting
	for _, f := range faults {
		f.Acted, f.Was = 0, nil
		f.Until = time.Time{}
		if f.Seed == 0 {
			f.Seed = 1 + rand.Uint64N(1<<32) // short enough to be typed
		}
		f.ID = cmp.Or(f.ID, m.freeID(f.Kind, fresh))
		if slices.ContainsFunc(fresh, func(a *acting) bool { return a.ID == f.ID }) {
			return nil, fmt.Errorf("put fault %q: two have this name", f.ID)
		}
		wire, err := m.compile(f)
		if err != nil {
			return nil, err
		}
		if f.For == 0 && f.Lease == "" {
			f.For = state.FaultTime
		}
		fresh = append(fresh, &acting{Fault: f, wire: wire})
	}
	return fresh, nil
}

// freeID returns an id that nothing has: "latency-1".
func (m *mesh) freeID(kind string, beside []*acting) string {
	for n := 1; ; n++ {
		id := fmt.Sprintf("%s-%d", kind, n)
		has := func(a *acting) bool { return a.ID == id }
		if !slices.ContainsFunc(m.faults, has) && !slices.ContainsFunc(beside, has) {
			return id
		}
	}
}

// compile makes the fault for the wire, and refuses one whose target is not there.
func (m *mesh) compile(f state.Fault) (proxy.Fault, error) {
	if !f.OnEdge() {
		_, _, _, err := m.f.upsets.mean(f)
		return nil, err
	}
	if m.f.o.Fault == nil {
		return nil, fmt.Errorf("put %s on %s: this fleet knows no faults", f.Kind, f.Target)
	}
	wire, err := m.f.o.Fault(f)
	if err != nil {
		return nil, err
	}
	return wire, m.check(f, wire)
}

// begin lets the time of a fault run.
func (m *mesh) begin(a *acting) {
	if a.For > 0 {
		a.over = time.Now().Add(a.For)
		a.timer = time.AfterFunc(a.For, func() { m.expire(func(b *acting) bool { return a == b }) })
	}
	if a.Until = a.over; a.Lease != "" {
		m.lease(a.Lease)
	}
}

// lease is one time for which the faults of a lease act.
type lease struct{ timer *time.Timer }

// lease lifts the faults that have a lease after [state.LeaseTime], unless it is renewed before.
func (m *mesh) lease(name string) {
	if l := m.leases[name]; l != nil {
		l.timer.Stop()
	}
	l := &lease{}
	l.timer = time.AfterFunc(state.LeaseTime, func() { m.lapse(name, l) })
	m.leases[name] = l
	end := time.Now().Add(state.LeaseTime)
	for _, a := range m.faults {
		if a.Lease != name {
			continue
		}
		if a.Until = end; a.For > 0 && a.over.Before(end) {
			a.Until = a.over
		}
	}
}

// lapse ends a lease, unless it was renewed in the meantime.
func (m *mesh) lapse(name string, l *lease) {
	m.mu.Lock()
	renewed := m.leases[name] != l
	var lifted []*acting
	if !renewed {
		delete(m.leases, name)
		lifted = m.lift(func(a *acting) bool { return a.Lease == name })
	}
	m.mu.Unlock()
	m.tell(lifted)
}

func (m *mesh) keep(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if slices.ContainsFunc(m.faults, func(a *acting) bool { return a.Lease == name }) {
		m.lease(name)
	}
}

func (m *mesh) remove(ids []string) (int, error) {
	m.mu.Lock()
	var known []string
	for _, a := range m.faults {
		known = append(known, a.ID)
	}
	for _, id := range ids {
		if !slices.Contains(known, id) {
			m.mu.Unlock()
			return 0, unknownFault(id, known)
		}
	}
	lifted := m.lift(func(a *acting) bool { return slices.Contains(ids, a.ID) })
	m.mu.Unlock()
	m.tell(lifted)
	return len(lifted), nil
}

func unknownFault(id string, known []string) error {
	if len(known) == 0 {
		return &unfit{text: fmt.Sprintf("lift %q: no fault acts", id), is: state.ErrUnknownFault}
	}
	return fmt.Errorf("lift %q: %w: there is %s", id, state.ErrUnknownFault, strings.Join(known, ", "))
}

func (m *mesh) clear(target string) (int, error) {
	m.mu.Lock()
	lifted := m.lift(func(a *acting) bool { return target == "" || a.Target == target })
	var err error
	if target != "" && len(lifted) == 0 {
		err = m.checkTarget(target)
	}
	m.mu.Unlock()
	m.tell(lifted)
	return len(lifted), err
}

func (m *mesh) expire(which func(*acting) bool) {
	m.mu.Lock()
	lifted := m.lift(which)
	m.mu.Unlock()
	m.tell(lifted)
}

// lift takes faults away and returns them.
func (m *mesh) lift(which func(*acting) bool) []*acting {
	var stay, gone []*acting
	for _, a := range m.faults {
		if which(a) {
			gone = append(gone, a)
		} else {
			stay = append(stay, a)
		}
	}
	m.faults = stay
	for _, a := range gone {
		if a.timer != nil {
			a.timer.Stop()
		}
	}
	if len(gone) > 0 {
		m.disturbAll()
	}
	return gone
}

// tell says which faults were lifted.
func (m *mesh) tell(lifted []*acting) {
	for _, a := range lifted {
		m.f.upsets.calm(a)
		m.note(a.Fault, fmt.Sprintf("%s: %s lifted", state.EdgeTitle(a.Target), a.Fault))
	}
}

// note publishes what was done to a target.
func (m *mesh) note(f state.Fault, text string) {
	name, _, _ := strings.Cut(f.Target, "/")
	m.f.store.Publish(state.Event{Kind: state.KindFault, Text: text, Edge: name})
	m.f.log.Info("fault changed", "edge", name, "text", text)
}

func (m *mesh) disturbAll() {
	for _, e := range m.open {
		m.disturb(e)
	}
}

// disturb makes an edge obey the faults that mean it.
func (m *mesh) disturb(e *openEdge) {
	var list []proxy.Fault
	for _, a := range m.faults {
		if a.wire != nil && a.On(e.From, e.To, e.Listen) {
			list = append(list, a.wire)
		}
	}
	if slices.Equal(list, e.faults) {
		return
	}
	if e.faults = list; len(list) == 0 {
		e.wire.SetFaults(nil)
		return
	}
	e.wire.SetFaults(&proxy.Faults{List: list})
}
