package fleet

import (
	"fmt"
	"slices"
)

// heldError says that units are not started while something that they need is stopped on request: that can
// last for ever, so nobody is made to wait for it.
type heldError struct{ unit, need string }

func (e *heldError) Error() string {
	return fmt.Sprintf("%s needs %s, which is stopped", e.unit, e.need)
}

// Hint says what to do about it.
func (e *heldError) Hint() string {
	return fmt.Sprintf("`msctl start %s` starts it with what it needs", e.unit)
}

// held returns what keeps a unit from starting: a need, direct or not, that somebody stopped and that is
// not among those about to be started. It is nil where there is none. Optional needs keep nobody.
func (f *Fleet) held(u *unit, coming map[*unit]bool) *heldError {
	return f.heldIn(u, coming, map[string]bool{})
}

func (f *Fleet) heldIn(u *unit, coming map[*unit]bool, seen map[string]bool) *heldError {
	for _, n := range u.plan().Needs {
		if n.Soft || seen[n.Name] {
			continue
		}
		seen[n.Name] = true
		group := f.group(n.Name)
		if f.asleep(n.Name) && !slices.ContainsFunc(group, func(u *unit) bool { return coming[u] }) {
			return &heldError{u.name, n.Name}
		}
		if g, _ := f.groupGate(n.Name); g.ready {
			continue // what it needs itself does not matter any more
		}
		for _, need := range group {
			if e := f.heldIn(need, coming, seen); e != nil {
				return &heldError{u.name, e.need}
			}
		}
	}
	return nil
}

// asleep reports a service, resource or server all of which was stopped on request.
func (f *Fleet) asleep(name string) bool {
	group := f.group(name)
	return len(group) > 0 && !slices.ContainsFunc(group, func(u *unit) bool { return !u.dismissed() })
}

// dismissed reports a unit that was stopped on request, and was not asked for again.
func (u *unit) dismissed() bool {
	if u.plan().Skip != "" {
		return false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.order.number > 0 && !u.order.run
}
