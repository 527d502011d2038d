package proxy

import (
	"fmt"
	"math/rand/v2"
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

// Latency delays by Delay, give or take an even share of Jitter.
type Latency struct{ Delay, Jitter time.Duration }

// String returns "latency 200ms ±50ms".
func (l Latency) String() string {
	if l.Jitter == 0 {
		return fmt.Sprintf("latency %v", l.Delay)
	}
	return fmt.Sprintf("latency %v ±%v", l.Delay, l.Jitter)
}

// Hold draws one delay, which is never below zero.
func (l Latency) Hold() time.Duration {
	if l.Jitter <= 0 {
		return l.Delay
	}
	return max(0, l.Delay-l.Jitter+rand.N(2*l.Jitter+1))
}

// Refuse resets every new connection and request.
type Refuse struct{}

// String returns "refuse".
func (Refuse) String() string { return "refuse" }

// Open refuses.
func (Refuse) Open() bool { return false }

// acting is Faults in the form that the pumps ask. A nil one does nothing.
type acting struct {
	list   []Fault
	opens  []Opener
	delays []Delayer
	asks   []asking
	lifted chan struct{} // closed when others took its place: what is held back goes out at once
}

func compile(f *Faults) *acting {
	if f == nil || len(f.List) == 0 {
		return nil
	}
	a := &acting{list: f.List, lifted: make(chan struct{})}
	for _, one := range f.List {
		if q, ok := askerOf(one); ok {
			a.asks = append(a.asks, q)
		}
		if p, placed := one.(*Placed); placed {
			one = p.Fault
		}
		if o, ok := one.(Opener); ok {
			a.opens = append(a.opens, o)
		}
		if d, ok := one.(Delayer); ok {
			a.delays = append(a.delays, d)
		}
	}
	return a
}

// refuses returns the fault that refuses a connection or request, or nil.
func (a *acting) refuses() Fault {
	if a == nil {
		return nil
	}
	for _, o := range a.opens {
		if !o.Open() {
			return o
		}
	}
	return nil
}

// delaying reports whether anything holds back.
func (a *acting) delaying() bool { return a != nil && len(a.delays) > 0 }

// hold is how long to wait now, with every fault that says so.
func (a *acting) hold() time.Duration {
	var d time.Duration
	if a != nil {
		for _, one := range a.delays {
			d += one.Hold()
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
	a := compile(f)
	e.mu.Lock()
	old := e.faults.Swap(a)
	for c := range e.kick {
		e.kick[c] = true
		_ = c.SetReadDeadline(longAgo) // it leaves the kernel's fast path and looks again
	}
	e.mu.Unlock()
	if old != nil {
		close(old.lifted)
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
