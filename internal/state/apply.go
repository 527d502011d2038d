package state

import "slices"

// Apply returns s after e. It is pure: s and its units stay as they are, and an event that was already
// applied changes nothing.
func Apply(s Snapshot, e Event) Snapshot {
	if e.Seq <= s.Seq && e.Kind != KindGap {
		return s
	}
	if e.Snapshot != nil {
		next := *e.Snapshot
		next.Seq, next.Time = e.Seq, e.Time
		return next
	}
	s.Seq, s.Time = e.Seq, e.Time
	if e.Unit != nil {
		s.Units = applyUnit(s.Units, e)
	}
	return s
}

// applyUnit returns units with the one that e is about replaced, added or removed.
func applyUnit(units []Unit, e Event) []Unit {
	i := slices.IndexFunc(units, func(u Unit) bool { return u.Name == e.Unit.Name })
	switch {
	case e.Kind == KindGone && i < 0:
		return units
	case e.Kind == KindGone:
		return slices.Delete(slices.Clone(units), i, i+1)
	case i >= 0:
		units = slices.Clone(units)
		units[i] = *e.Unit
		return units
	}
	return slices.Insert(slices.Clone(units), place(units, e.Unit.Service), *e.Unit)
}

// place returns where a new unit of that service belongs: behind its last replica, else at the end.
func place(units []Unit, service string) int {
	for i := len(units); i > 0; i-- {
		if units[i-1].Service == service {
			return i
		}
	}
	return len(units)
}
