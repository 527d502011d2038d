package fleet

import (
	"fmt"
	"slices"
	"strings"

	"msctl.dev/msctl/internal/proxy"
	"msctl.dev/msctl/internal/state"
)

// check refuses a fault that no edge of the plan feels: there is none of that name, msctl does not stand in
// it, or it speaks what the fault cannot act on.
func (m *mesh) check(f state.Fault, wire proxy.Fault) error {
	var direct, protocol string
	for _, e := range m.plan {
		switch {
		case !f.On(e.From, e.To, e.Listen):
		case e.Direct != "":
			direct = e.Direct
		case !worksOn(wire, e.Protocol):
			protocol = e.Protocol
		default:
			return nil
		}
	}
	title := state.EdgeTitle(f.Target)
	switch {
	case protocol != "":
		return fmt.Errorf("put %s on %s: it speaks %s, and %s works on %s: %w", f.Kind, title, protocol, f.Kind, strings.Join(wire.(*proxy.Placed).Protocols, ", "), state.ErrUnknownTarget)
	case direct != "":
		return fmt.Errorf("find edge %q: %w: it does not go through msctl: %s", title, state.ErrUnknownTarget, direct)
	}
	names := m.titles()
	if len(names) == 0 {
		return fmt.Errorf("find edge %q: %w: this fleet has none", title, state.ErrUnknownTarget)
	}
	return fmt.Errorf("find edge %q: %w in this fleet, which has %s", title, state.ErrUnknownTarget, strings.Join(names, ", "))
}

// worksOn reports whether a fault can act on an edge that speaks a protocol.
func worksOn(wire proxy.Fault, protocol string) bool {
	p, ok := wire.(*proxy.Placed)
	return !ok || p.Protocols == nil || slices.Contains(p.Protocols, protocol)
}

// titles lists the edges that can be disturbed.
func (m *mesh) titles() []string {
	var names []string
	for _, e := range m.plan {
		if title := state.EdgeTitle(e.Name()); e.Direct == "" && !slices.Contains(names, title) {
			names = append(names, title)
		}
	}
	return names
}

// checkTarget refuses what is neither an edge nor anything that runs.
func (m *mesh) checkTarget(target string) error {
	f := state.Fault{Target: target}
	if f.OnEdge() {
		return m.check(f, nil)
	}
	_, _, err := m.f.struck(target)
	return err
}
