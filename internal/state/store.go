package state

import (
	"context"
	"slices"
	"sync"
	"time"
)

// kept is how many events a store remembers for readers that are behind or come late.
const kept = 4096

// storied is how many of those that are not about usage are remembered beside: usage is sampled all the
// time, and would push them out.
const storied = 1024

// Store orders events and holds the snapshot that they add up to. It is safe for concurrent use.
// Publishing costs the same however many units there are: the snapshot's slice is made when it is read.
type Store struct {
	// Mask, where it is not nil, hides secrets in every text of an event before anyone sees it. It is set
	// before the store is used, must be safe for concurrent use, and must not call the store.
	Mask func(string) string

	mu      sync.Mutex
	head    Snapshot       // everything but Units
	units   []*Unit        // never changed in place: each event brings a new value
	index   map[string]int // place in units by name
	cached  []Unit         // Units of the newest snapshot, nil when an event came since
	ring    []Event        // the last events, oldest at next when full
	story   []Event        // the last of them that tell what happened, for readers that come late
	lost    uint64         // the number of the last event that the story has lost
	readers map[chan struct{}]bool
}

// NewStore returns a store that starts from s.
func NewStore(s Snapshot) *Store {
	st := &Store{readers: map[chan struct{}]bool{}}
	st.reset(s)
	return st
}

// Publish orders e, applies it and wakes the readers. It never blocks on one. Seq is set, and Time
// where it is zero.
func (s *Store) Publish(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.publish(e)
}

// Edit publishes a change of more than one unit, or of the fleet's own fields: edit changes a copy.
func (s *Store) Edit(kind Kind, text string, edit func(*Snapshot)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.snapshot()
	next.Units = slices.Clone(next.Units)
	edit(&next)
	s.publish(Event{Kind: kind, Text: text, Snapshot: &next})
}

// Update publishes a change of one unit: edit changes a copy of what it is now and reports whether there
// is anything to say. Writers of different fields of a unit do not lose each other's.
func (s *Store) Update(kind Kind, name, text string, edit func(*Unit) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.index[name]
	if !ok {
		return
	}
	u := *s.units[i]
	if edit(&u) {
		s.publish(Event{Kind: kind, Text: text, Unit: &u})
	}
}

// Snapshot returns the state now. Its Units are shared and must not be changed.
func (s *Store) Snapshot() Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.snapshot()
}

// Unit returns the unit of that name now, or false, without making a snapshot.
func (s *Store) Unit(name string) (Unit, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.index[name]
	if !ok {
		return Unit{}, false
	}
	return *s.units[i], true
}

// Follow sends the events after the one with that number, then each new one, until ctx ends; then it
// closes the channel. A reader too late for what is kept gets what is known of what happened meanwhile,
// usage left out, and one [KindGap] event with the snapshot to continue from.
func (s *Store) Follow(ctx context.Context, after uint64) <-chan Event {
	wake := make(chan struct{}, 1)
	wake <- struct{}{}
	s.mu.Lock()
	s.readers[wake] = true
	s.mu.Unlock()
	out := make(chan Event)
	go s.feed(ctx, after, wake, out)
	return out
}

// feed is the goroutine of one reader.
func (s *Store) feed(ctx context.Context, after uint64, wake chan struct{}, out chan<- Event) {
	defer close(out)
	defer s.leave(wake)
	for {
		select {
		case <-ctx.Done():
			return
		case <-wake:
		}
		for batch := s.since(after); len(batch) > 0; batch = s.since(after) {
			for _, e := range batch {
				select {
				case out <- e:
					after = e.Seq
				case <-ctx.Done():
					return
				}
			}
		}
	}
}

func (s *Store) leave(wake chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.readers, wake)
}

// batch is how many events one reader takes at a time: few enough that a gap is seen early.
const batch = 64

// since returns the next events after that number, or one gap when they are no longer kept.
func (s *Store) since(after uint64) []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	if after >= s.head.Seq {
		return nil
	}
	first := s.head.Seq - uint64(len(s.ring)) + 1
	if after+1 < first {
		return s.retold(after)
	}
	n := min(s.head.Seq-after, batch)
	out := make([]Event, 0, n)
	for seq := after + 1; seq <= after+n; seq++ {
		out = append(out, s.ring[s.slot(seq)])
	}
	return out
}

// retold is what happened after that number as far as it is known, and the snapshot that it led to.
func (s *Store) retold(after uint64) []Event {
	i := len(s.story)
	for i > 0 && s.story[i-1].Seq > after {
		i--
	}
	out := slices.Clone(s.story[i:])
	snap := s.snapshot()
	gap := Event{Seq: snap.Seq, Time: snap.Time, Kind: KindGap, Snapshot: &snap}
	if after < s.lost {
		gap.Text = "some earlier events are no longer kept"
	}
	return append(out, gap)
}

// slot returns where the ring holds the event of that number.
func (s *Store) slot(seq uint64) int { return int((seq - 1) % kept) }

// publish is Publish with the lock held.
func (s *Store) publish(e Event) {
	e = s.masked(e)
	e.Seq = s.head.Seq + 1
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	s.apply(e)
	s.remember(e)
	for wake := range s.readers {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}

// masked returns e with nothing secret in it. What the event points at is the caller's and stays as it is.
func (s *Store) masked(e Event) Event {
	if s.Mask == nil {
		return e
	}
	e.Text = s.Mask(e.Text)
	if e.Unit != nil {
		u := s.maskedUnit(*e.Unit)
		e.Unit = &u
	}
	if e.Snapshot != nil {
		snap := *e.Snapshot
		snap.Units = slices.Clone(snap.Units)
		for i, u := range snap.Units {
			snap.Units[i] = s.maskedUnit(u)
		}
		e.Snapshot = &snap
	}
	return e
}

func (s *Store) maskedUnit(u Unit) Unit {
	u.Reason, u.URL, u.Backing = s.Mask(u.Reason), s.Mask(u.URL), s.Mask(u.Backing)
	if len(u.LastLines) > 0 {
		u.LastLines = slices.Clone(u.LastLines)
		for i, l := range u.LastLines {
			u.LastLines[i] = s.Mask(l)
		}
	}
	return u
}

// remember puts e into the ring.
func (s *Store) remember(e Event) {
	if e.Kind != KindUsage {
		if len(s.story) == storied {
			s.lost, s.story = s.story[storied/4-1].Seq, slices.Clone(s.story[storied/4:])
		}
		s.story = append(s.story, e)
	}
	if len(s.ring) < kept {
		s.ring = append(s.ring, e)
		return
	}
	s.ring[s.slot(e.Seq)] = e
}

// apply does what [Apply] does, in place.
func (s *Store) apply(e Event) {
	if e.Snapshot != nil {
		s.reset(Apply(Snapshot{}, e))
		return
	}
	s.head.Seq, s.head.Time = e.Seq, e.Time
	if e.Unit == nil {
		return
	}
	s.cached = nil
	i, known := s.index[e.Unit.Name]
	switch {
	case e.Kind == KindGone && !known:
	case e.Kind == KindGone:
		s.units = slices.Delete(slices.Clone(s.units), i, i+1)
		s.reindex()
	case known:
		s.units[i] = e.Unit
	default:
		s.insert(e.Unit)
	}
}

// insert adds a unit where [Apply] would.
func (s *Store) insert(u *Unit) {
	at := len(s.units)
	for i := len(s.units); i > 0; i-- {
		if s.units[i-1].Service == u.Service {
			at = i
			break
		}
	}
	s.units = slices.Insert(s.units, at, u)
	s.reindex()
}

// reset starts over from a whole snapshot.
func (s *Store) reset(snap Snapshot) {
	s.units = make([]*Unit, len(snap.Units))
	for i := range snap.Units {
		s.units[i] = &snap.Units[i]
	}
	s.cached = snap.Units
	snap.Units = nil
	s.head = snap
	s.reindex()
}

func (s *Store) reindex() {
	s.index = make(map[string]int, len(s.units))
	for i, u := range s.units {
		s.index[u.Name] = i
	}
}

// snapshot is Snapshot with the lock held.
func (s *Store) snapshot() Snapshot {
	if s.cached == nil {
		s.cached = make([]Unit, len(s.units))
		for i, u := range s.units {
			s.cached[i] = *u
		}
	}
	snap := s.head
	snap.Units = s.cached
	return snap
}
