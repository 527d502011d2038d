package proxy

import "sync"

// Flights are the requests that one service serves now. The edges that lead to it register them, and the
// edges that start at it ask: a service that serves exactly one request makes its calls for that one. The
// zero value is empty; it is safe for concurrent use, and a nil one stays empty.
type Flights struct {
	mu    sync.Mutex
	first *flight
	n     int
}

// flight is one request that is being served.
type flight struct {
	next, prev *flight
	on         *Flights
	trace      [16]byte
	span       [8]byte // parent of what is called on its behalf
	sampled    bool
}

// add registers a request until remove.
func (f *Flights) add(one *flight) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	one.on, one.prev, one.next = f, nil, f.first
	if f.first != nil {
		f.first.prev = one
	}
	f.first = one
	f.n++
}

// remove ends what add began. To end it twice does nothing.
func (one *flight) remove() {
	f := one.on
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if one.prev != nil {
		one.prev.next = one.next
	} else {
		f.first = one.next
	}
	if one.next != nil {
		one.next.prev = one.prev
	}
	one.on, one.prev, one.next = nil, nil, nil
	f.n--
}

// only returns the context of the one request that is being served, if it is exactly one.
func (f *Flights) only() (o origin, ok bool) {
	if f == nil {
		return o, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n != 1 {
		return o, false
	}
	one := f.first
	return origin{trace: one.trace, parent: one.span, sampled: one.sampled, inferred: true}, true
}

// Len is how many requests are being served.
func (f *Flights) Len() int {
	if f == nil {
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n
}
