package proxy

import (
	"slices"
	"sync"
	"time"
)

// idleTime is how long a connection to a target waits for its next request. It is below the five seconds
// after which servers of Node and Python close one: a request that meets that end is lost.
const idleTime = 4 * time.Second

// idle is the connections to one target that wait for their next request, newest last. Its zero value is
// empty; it is safe for concurrent use.
type idle struct {
	mu     sync.Mutex
	waits  []waiting
	closed bool // the target is no longer in the list
}

type waiting struct {
	wire  *wire
	since time.Time
}

// take returns the newest connection that has not waited too long, or nil. Its peer may have ended it.
func (i *idle) take() *wire {
	for {
		i.mu.Lock()
		n := len(i.waits)
		if n == 0 {
			i.mu.Unlock()
			return nil
		}
		w, since := i.waits[n-1].wire, i.waits[n-1].since
		i.waits[n-1] = waiting{}
		i.waits = i.waits[:n-1]
		i.mu.Unlock()
		if time.Since(since) < idleTime {
			return w
		}
		w.drop()
		w.conn.Close()
	}
}

// put keeps a connection that nothing is to come from. It reports whether it did.
func (i *idle) put(w *wire, now time.Time) bool {
	w.drop()
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return false
	}
	i.waits = append(i.waits, waiting{w, now})
	return true
}

// expire closes connections that wait since before a time, and returns how many are left.
func (i *idle) expire(before time.Time) int {
	i.mu.Lock()
	n := slices.IndexFunc(i.waits, func(w waiting) bool { return w.since.After(before) })
	if n < 0 {
		n = len(i.waits)
	}
	old := slices.Clone(i.waits[:n])
	i.waits = slices.Delete(i.waits, 0, n)
	left := len(i.waits)
	i.mu.Unlock()
	for _, w := range old {
		w.wire.conn.Close()
	}
	return left
}

// close closes all, and what is put later is not kept.
func (i *idle) close() {
	i.mu.Lock()
	i.closed = true
	i.mu.Unlock()
	i.expire(time.Now())
}

// keep gives a connection back to its target and sees to it that it does not wait for ever.
func (e *Edge) keep(t *target, w *wire) {
	if !t.idle.put(w, time.Now()) {
		w.conn.Close()
		return
	}
	if e.sweeping.CompareAndSwap(false, true) {
		e.mu.Lock()
		e.sweeper = time.AfterFunc(idleTime/2, e.sweep)
		e.mu.Unlock()
	}
}

// sweep closes what waited too long and comes again while anything waits.
func (e *Edge) sweep() {
	e.sweeping.Store(false)
	left := 0
	for _, t := range e.table.Load().live {
		left += t.idle.expire(time.Now().Add(-idleTime))
	}
	if left == 0 || !e.sweeping.CompareAndSwap(false, true) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sweeper = time.AfterFunc(idleTime/2, e.sweep)
}
