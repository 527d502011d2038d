package fleet

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"msctl.dev/msctl/internal/proxy"
	"msctl.dev/msctl/internal/state"
)

// lease is a fault that acts now, until it is lifted or its time is over.
type lease struct {
	state.Fault
	timer *time.Timer // nil: it has no end of its own
}

// SetFault puts a fault on an edge, in the place of the one that was put there before under the same name.
func (f *Fleet) SetFault(fault state.Fault) error {
	if err := fault.Check(); err != nil {
		return fmt.Errorf("put a fault on %s: %w", fault.Edge, err)
	}
	return f.mesh.put(fault)
}

// ClearFaults lifts the faults that were put under the name of an edge, or all where it is "". It returns
// how many.
func (f *Fleet) ClearFaults(edge string) (int, error) { return f.mesh.clear(edge) }

// Faults lists what acts now, in the order in which it came.
func (f *Fleet) Faults() []state.Fault {
	f.mesh.mu.Lock()
	defer f.mesh.mu.Unlock()
	out := make([]state.Fault, 0, len(f.mesh.faults))
	for _, l := range f.mesh.faults {
		out = append(out, l.Fault)
	}
	return out
}

func (m *mesh) put(fault state.Fault) error {
	lifted, err := m.replace(fault)
	if err != nil {
		return err
	}
	m.tell(lifted)
	text := fmt.Sprintf("%s: %s", fault.Edge, fault)
	if fault.For > 0 {
		text += fmt.Sprintf(" for %s", fault.For)
	}
	m.note(fault.Edge, text)
	return nil
}

func (m *mesh) replace(fault state.Fault) (lifted []*lease, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.check(fault.Edge); err != nil {
		return nil, err
	}
	if m.f.base.Err() != nil {
		return nil, fmt.Errorf("put a fault on %s: the fleet has ended", fault.Edge)
	}
	lifted = m.lift(func(l *lease) bool { return l.Edge == fault.Edge })
	l := &lease{Fault: fault}
	if fault.For > 0 {
		l.Until = time.Now().Add(fault.For)
		l.timer = time.AfterFunc(fault.For, func() { m.expire(l) })
	}
	m.faults = append(m.faults, l)
	m.disturbAll()
	return lifted, nil
}

func (m *mesh) clear(edge string) (int, error) {
	m.mu.Lock()
	var err error
	if edge != "" {
		err = m.check(edge)
	}
	var lifted []*lease
	if err == nil {
		lifted = m.lift(func(l *lease) bool { return edge == "" || l.Edge == edge })
	}
	m.mu.Unlock()
	m.tell(lifted)
	return len(lifted), err
}

func (m *mesh) expire(over *lease) {
	m.mu.Lock()
	lifted := m.lift(func(l *lease) bool { return l == over })
	m.mu.Unlock()
	m.tell(lifted)
}

// lift takes faults away and returns them.
func (m *mesh) lift(which func(*lease) bool) []*lease {
	var stay, gone []*lease
	for _, l := range m.faults {
		if which(l) {
			gone = append(gone, l)
		} else {
			stay = append(stay, l)
		}
	}
	m.faults = stay
	for _, l := range gone {
		if l.timer != nil {
			l.timer.Stop()
		}
	}
	if len(gone) > 0 {
		m.disturbAll()
	}
	return gone
}

// tell says which faults were lifted.
func (m *mesh) tell(lifted []*lease) {
	for _, l := range lifted {
		m.note(l.Edge, fmt.Sprintf("%s: %s lifted", l.Edge, l.Fault))
	}
}

// note publishes what was done to an edge.
func (m *mesh) note(edge, text string) {
	name, _, _ := strings.Cut(edge, "/")
	m.f.store.Publish(state.Event{Kind: state.KindFault, Text: text, Edge: name})
	m.f.log.Info("fault changed", "edge", name, "text", text)
}

// check refuses the name of an edge that is not in the plan, or that msctl does not stand in.
func (m *mesh) check(name string) error {
	var names []string
	direct := ""
	for _, e := range m.plan {
		switch {
		case e.Direct == "" && e.named(name):
			return nil
		case e.named(name):
			direct = e.Direct
		case e.Direct == "" && !slices.Contains(names, e.Name()):
			names = append(names, e.Name())
		}
	}
	if direct != "" {
		return fmt.Errorf("find edge %q: it does not go through msctl: %s", name, direct)
	}
	if len(names) == 0 {
		return fmt.Errorf("find edge %q: this fleet has none", name)
	}
	return fmt.Errorf("find edge %q: not in this fleet, which has %s", name, strings.Join(names, ", "))
}

// named reports whether a name means this edge: "orders:payments", or with the port "orders:payments/grpc".
func (e Edge) named(name string) bool { return name == e.Name() || name == e.Name()+"/"+e.Listen }

func (m *mesh) disturbAll() {
	for _, e := range m.open {
		m.disturb(e)
	}
}

// disturb makes an edge obey the faults that mean it.
func (m *mesh) disturb(e *openEdge) {
	var list []proxy.Fault
	for _, l := range m.faults {
		if !e.named(l.Edge) {
			continue
		}
		if l.Latency > 0 {
			list = append(list, proxy.Latency{Delay: l.Latency, Jitter: l.Jitter})
		}
		if l.Refuse {
			list = append(list, proxy.Refuse{})
		}
	}
	if len(list) == 0 {
		e.wire.SetFaults(nil)
		return
	}
	e.wire.SetFaults(&proxy.Faults{List: list})
}
