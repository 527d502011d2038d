package explore

import "slices"

// alike knows which modes have the same effect at a point: everything that followed was the same. Then
// one of them stands for the others. It is a guess: a service may keep to itself what it learned. A mode
// where the callee did its work never stands for one where it did not.
type alike map[Point]*effects

type effects struct {
	of   string // key of the set in which they were seen
	seen []effect
}

type effect struct {
	mode, shape string
	acts        bool
	same        bool // as one before it
}

// learn takes what a fault did that was added to a set, and reports that an earlier mode did the same.
// What is known of a point stays as it was first seen.
func (a alike) learn(of Set, f Fault, shape string, acts bool) bool {
	e := a[f.Point]
	if e == nil {
		e = &effects{of: of.key()}
		a[f.Point] = e
	}
	if e.of != of.key() {
		return false
	}
	same := slices.ContainsFunc(e.seen, func(one effect) bool { return one.shape == shape && one.acts == acts })
	e.seen = append(e.seen, effect{f.Mode, shape, acts, same})
	return same
}

// merged reports a set with a fault that another mode stands for.
func (a alike) merged(s Set) bool {
	return slices.ContainsFunc(s, func(f Fault) bool {
		e := a[f.Point]
		return e != nil && slices.ContainsFunc(e.seen, func(one effect) bool { return one.mode == f.Mode && one.same })
	})
}
