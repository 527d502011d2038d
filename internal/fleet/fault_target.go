package fleet

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

	"msctl.dev/msctl/internal/proxy"
	"msctl.dev/msctl/internal/state"
)

// unfit is why a fault cannot be where it was to be put, and what to do instead.
type unfit struct {
	text, hint string
	is         error // for whoever tests for it; the text need not say it
}

func (u *unfit) Error() string        { return u.text }
func (u *unfit) Advice() string       { return u.hint }
func (u *unfit) Is(target error) bool { return target == u.is }

// check refuses a fault that no edge of the plan feels: there is none of that name, msctl does not stand in
// it, or it speaks what the fault cannot act on. It also refuses one of whose names one is not known: it would
// do less than was meant.
func (m *mesh) check(f state.Fault, wire proxy.Fault) error {
	if err := m.checkNames(f); err != nil {
		return err
	}
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
		return &unfit{fmt.Sprintf("put %s on %s: it speaks %s, and %s works on %s", f.Kind, title, protocol, f.Kind, strings.Join(wire.(*proxy.Placed).Protocols, ", ")),
			"`msctl edges` lists what each speaks", state.ErrUnknownTarget}
	case direct != "":
		return fmt.Errorf("find edge %q: %w: it does not go through msctl: %s", title, state.ErrUnknownTarget, direct)
	}
	names := m.titles()
	if len(names) == 0 {
		return fmt.Errorf("find edge %q: %w: this fleet has none", title, state.ErrUnknownTarget)
	}
	return fmt.Errorf("find edge %q: %w in this fleet, which has %s", title, state.ErrUnknownTarget, strings.Join(names, ", "))
}

// checkNames refuses a target of several names where one of them is nothing of this fleet: the edges of the others
// would be found all the same.
func (m *mesh) checkNames(f state.Fault) error {
	target, _, _ := strings.Cut(f.Target, "/")
	if !strings.Contains(target, "+") {
		return nil
	}
	known := m.names()
	for name := range strings.FieldsFuncSeq(target, func(r rune) bool { return r == '+' || r == ':' }) {
		if name != "*" && !slices.Contains(known, name) {
			return m.unknown(name, state.EdgeTitle(f.Target), known)
		}
	}
	return nil
}

// unknown is the error about one name of a target, with the known one that is nearest.
func (m *mesh) unknown(name, target string, known []string) error {
	hint, least := "`msctl edges` lists them", max(2, len(name)/3)+1
	for _, k := range known {
		if len(name) > maxNear {
			break // the time goes with its length, and nothing that is known is as long
		}
		if d := levenshtein.ComputeDistance(name, k); d < least {
			hint, least = "did you mean "+k+"?", d
		}
	}
	return &unfit{fmt.Sprintf("find %q of %s: nothing in this fleet has that name", name, target), hint, state.ErrUnknownTarget}
}

// maxNear bounds the names for which a near one is searched.
const maxNear = 64

// names lists what a side of a target may be: all that calls or is called, and all that runs.
func (m *mesh) names() []string {
	names := []string{strings.TrimSuffix(state.EdgeTitle(":"), ":")} // outside
	add := func(name string) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, e := range m.plan {
		add(e.From)
		add(e.To)
	}
	for _, u := range m.f.Snapshot().Units {
		add(u.Service)
	}
	return names
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
