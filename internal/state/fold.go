package state

import "slices"

// Fold is a snapshot that one reader keeps up to date by itself: an event costs it the one unit that it is
// about, where [Apply] copies them all. It is not safe for concurrent use.
type Fold struct{ now Snapshot }

// NewFold starts from s, which stays as it is.
func NewFold(s Snapshot) *Fold {
	f := &Fold{}
	f.take(s)
	return f
}

// Apply takes e in, as [Apply] does.
func (f *Fold) Apply(e Event) {
	s := &f.now
	i := -1
	if e.Unit != nil {
		i = slices.IndexFunc(s.Units, func(u Unit) bool { return u.Name == e.Unit.Name })
	}
	if i < 0 || e.Snapshot != nil || e.Kind == KindGone {
		f.take(Apply(*s, e))
		return
	}
	if e.Seq <= s.Seq && e.Kind != KindGap {
		return
	}
	s.Seq, s.Time = e.Seq, e.Time
	s.Units[i] = *e.Unit
}

// take makes the units of s the fold's own.
func (f *Fold) take(s Snapshot) {
	s.Units = slices.Clone(s.Units)
	f.now = s
}

// Now returns the state. Its units are valid until the next Apply.
func (f *Fold) Now() Snapshot { return f.now }
