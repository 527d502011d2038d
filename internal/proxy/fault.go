package proxy

import (
	"maps"
	"slices"
	"time"
)

// Faults are what acts on an edge at one time. They are read-only once set.
type Faults struct {
	List []Fault
}

// Fault is one fault. What it does it says by implementing Opener, Delayer or Asker. String is how people read
// it, and what a call that it acted on carries.
type Fault interface{ String() string }

// Opener is a fault that may refuse: new connections, and new requests on HTTP connections that are open.
type Opener interface {
	Fault
	Open() bool // false: the caller gets a reset
}

// Delayer is a fault that holds back: an HTTP request once, elsewhere each chunk of the answer. The order
// of chunks is kept. It is safe for concurrent use.
type Delayer interface {
	Fault
	Hold() time.Duration // how long, drawn anew for each
}

// acting is Faults in the form that the pumps ask. A nil one does nothing.
type acting struct {
	edge    string
	list    []Fault
	placed  []*Placed
	opens   []*Placed // that are an Opener
	delays  []*Placed // that are a Delayer
	enders  []*Placed // that are an Ender
	hangs   []*Placed // that are a Hanger
	shapers []shaper
	asks    []asking
	lifted  chan struct{} // closed when others took its place: what is held back goes out at once
}

func compile(edge string, f *Faults) *acting {
	if f == nil || len(f.List) == 0 {
		return nil
	}
	a := &acting{edge: edge, list: f.List, lifted: make(chan struct{})}
	for _, one := range f.List {
		p, ok := one.(*Placed)
		if !ok {
			p = &Placed{Fault: one}
		}
		a.add(p)
		if q, ok := askerOf(one); ok {
			a.asks = append(a.asks, q)
		}
	}
	return a
}

func (a *acting) add(p *Placed) {
	a.placed = append(a.placed, p)
	if _, ok := p.Fault.(Opener); ok {
		a.opens = append(a.opens, p)
	}
	if _, ok := p.Fault.(Delayer); ok {
		a.delays = append(a.delays, p)
	}
	if _, ok := p.Fault.(Ender); ok {
		a.enders = append(a.enders, p)
	}
	if _, ok := p.Fault.(Hanger); ok {
		a.hangs = append(a.hangs, p)
	}
	if s, ok := shaperOf(p); ok {
		a.shapers = append(a.shapers, s)
	}
}

// has reports whether a fault is among them.
func (a *acting) has(p *Placed) bool { return a != nil && slices.Contains(a.placed, p) }

// urgent reports whether connections are to be looked at over which nothing goes: some are to be ended now,
// and some when the fault is lifted.
func (a *acting) urgent() bool { return a != nil && len(a.enders) > 0 }

// refuses returns the fault that refuses a connection or request, or nil.
func (a *acting) refuses() Fault {
	if a == nil {
		return nil
	}
	for _, p := range a.opens {
		if !p.Fault.(Opener).Open() && p.toss(a.edge) {
			p.acted.Add(1)
			return p
		}
	}
	return nil
}

// hold is how long to wait now, with every fault that says so.
func (a *acting) hold() time.Duration {
	var d time.Duration
	if a == nil {
		return 0
	}
	for _, p := range a.delays {
		if p.toss(a.edge) {
			p.acted.Add(1)
			d += p.Fault.(Delayer).Hold()
		}
	}
	return d
}

// words are the faults as people read them.
func (a *acting) words() []string {
	if a == nil {
		return nil
	}
	var words []string
	for _, f := range a.list {
		words = append(words, f.String())
	}
	return words
}

// SetFaults replaces what acts on the edge; nil lifts all. Open connections obey from the next chunk on:
// no one reconnects. It does not wait for traffic.
func (e *Edge) SetFaults(f *Faults) {
	a := compile(e.name(), f)
	var links []*link
	e.mu.Lock()
	old := e.faults.Swap(a)
	if a.urgent() || old.urgent() {
		links = slices.Collect(maps.Keys(e.links))
	}
	for c := range e.kick {
		e.kick[c] = true
		_ = c.SetReadDeadline(longAgo) // it leaves the kernel's fast path and looks again
	}
	e.mu.Unlock()
	if old != nil {
		close(old.lifted)
	}
	for _, l := range links {
		l.look()
	}
}

var longAgo = time.Unix(1, 0)

// unheeding runs do, a read that cannot look at the faults by itself, for as long as they are still a. It
// reports whether they changed, and then do was interrupted or may have been.
func (e *Edge) unheeding(c deadliner, a *acting, do func() error) (changed bool, err error) {
	e.mu.Lock()
	if e.faults.Load() != a {
		e.mu.Unlock()
		return true, nil
	}
	if e.kick == nil {
		e.kick = map[deadliner]bool{}
	}
	e.kick[c] = false
	e.mu.Unlock()

	err = do()

	e.mu.Lock()
	defer e.mu.Unlock()
	changed = e.kick[c]
	delete(e.kick, c)
	if changed {
		_ = c.SetReadDeadline(time.Time{})
		if timedOut(err) {
			err = nil
		}
	}
	return changed, err
}

// deadliner is what can be woken from a read.
type deadliner interface{ SetReadDeadline(time.Time) error }
