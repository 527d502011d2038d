package fleet

import (
	"context"
	"sync"
)

// gate is what the rest of the fleet sees of a unit: may those that need it start, and if not, why.
type gate struct {
	order  int    // number of the order that this answers
	ready  bool   // ready, done, or skipped: who needs it may start
	broken string // why it is not ready and may never be; "" while it is on its way
	held   bool   // it waits for what somebody stopped
	alive  bool   // something of it may run
	run    int    // counts its starts, so that a resource sees that its server is a fresh one
}

// door holds a unit's gate and wakes those that wait at it. It is safe for concurrent use.
type door struct {
	mu      sync.Mutex
	gate    gate
	waiting map[chan struct{}]bool
}

// look returns the gate now.
func (d *door) look() gate {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.gate
}

// set changes the gate and wakes every waiter.
func (d *door) set(change func(*gate)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	before := d.gate
	change(&d.gate)
	if d.gate == before {
		return
	}
	for wake := range d.waiting {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}

// subscribe makes every change of the gate send to wake, which holds one, until leave is called.
func (d *door) subscribe(wake chan struct{}) (leave func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waiting == nil {
		d.waiting = map[chan struct{}]bool{}
	}
	d.waiting[wake] = true
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.waiting, wake)
	}
}

// await blocks until the gate satisfies until, or ctx ends.
func (d *door) await(ctx context.Context, until func(gate) bool) (gate, error) {
	wake := make(chan struct{}, 1)
	defer d.subscribe(wake)()
	for {
		if g := d.look(); until(g) {
			return g, nil
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return d.look(), context.Cause(ctx)
		}
	}
}
