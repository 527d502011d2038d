package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"msctl.dev/msctl/services/kit"
	inventoryv1 "msctl.dev/msctl/services/proto/shop/inventory/v1"
	paymentsv1 "msctl.dev/msctl/services/proto/shop/payments/v1"
)

const (
	sagaEvery   = 250 * time.Millisecond // how soon what another replica left is seen
	sagasAtOnce = 64
	backoffMost = 5 * time.Second
)

// saga drives orders to their ends. What it does is written down before the next thing is done, and
// everything may be done twice: whoever finds an order under way can drive it on.
type saga struct {
	app       *kit.App
	store     store
	inventory inventoryv1.InventoryServiceClient
	payments  paymentsv1.PaymentsServiceClient
	timeout   time.Duration // of one step
	backoff   time.Duration // before the second try of a step; it doubles
	wait      time.Duration // how long a client waits for the end
	slots     chan struct{} // one is held by each order that is driven here
}

// run drives what is due until ctx ends, and then finishes the steps in work. It keeps the slots:
// what a late request begins is left to others.
func (s saga) run(ctx context.Context) error {
	tick := time.NewTicker(sagaEvery)
	defer tick.Stop()
	for {
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.app.Log.Warn("saga waiting", "err", err)
		}
		select {
		case <-ctx.Done():
			for range cap(s.slots) {
				s.slots <- struct{}{}
			}
			return nil
		case <-tick.C:
		case <-s.store.due:
		}
	}
}

// sweep begins to drive all that is due, as far as there are slots.
func (s saga) sweep(ctx context.Context) error {
	ws, err := s.store.claim(ctx, cap(s.slots)-len(s.slots))
	for _, w := range ws {
		select {
		case s.slots <- struct{}{}:
			s.start(ctx, w, time.Time{})
		case <-ctx.Done():
			return nil
		}
	}
	return err
}

// slot takes one if one is free.
func (s saga) slot() bool {
	select {
	case s.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

// start drives an order on beside the caller, who has taken a slot for it. The returned channel
// tells where the order stands when nothing more is done here.
func (s saga) start(ctx context.Context, w work, patience time.Time) <-chan Order {
	done := make(chan Order, 1)
	go func() {
		defer func() { <-s.slots }()
		work, end := s.app.Draining(ctx)
		defer end()
		m := kit.Message{Header: w.header}
		done <- s.drive(m.Context(work), ctx.Done(), w, patience)
	}()
	return done
}

// drive takes steps until the order has come to its end, or a step fails or has to wait. Until the
// time of patience it waits here, behind that it gives the order back. It returns the order as it knows it.
func (s saga) drive(ctx context.Context, stop <-chan struct{}, w work, patience time.Time) Order {
	o, err := w.at, error(nil)
	if o.ID == "" {
		o, err = s.store.order(ctx, s.store.db, w.order)
	}
	for tries := w.tries; err == nil && !o.ended(); {
		before := o.Version
		o, err = s.advance(ctx, o, w)
		if err == nil && o.Version > before && o.Step != Paying {
			tries = 0
			continue
		}
		if !errors.Is(err, errStale) && !errors.Is(err, errLost) {
			err = s.pause(ctx, stop, o, tries, patience, err)
			tries++
		}
		if err == nil || errors.Is(err, errStale) {
			o, err = s.store.order(ctx, s.store.db, w.order)
		}
	}
	if err != nil && !errors.Is(err, errGivenBack) && !errors.Is(err, errLost) {
		s.app.Log.WarnContext(ctx, "saga interrupted", "order", w.order, "err", err)
	}
	return o
}

// advance takes one step and writes it down. An order that has to wait is returned as it is.
func (s saga) advance(ctx context.Context, o Order, w work) (Order, error) {
	call, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	kind, body, err := s.step(call, o, w.card)
	if err != nil || kind == o.Step {
		return o, err
	}
	return s.store.advance(ctx, o, kind, body)
}

// errGivenBack says that somebody will drive the order on later.
var errGivenBack = errors.New("given back")

// pause waits for another try of a step, or gives the order back with errGivenBack.
func (s saga) pause(ctx context.Context, stop <-chan struct{}, o Order, tries int, patience time.Time, why error) error {
	wait := min(s.backoff<<min(tries, 10), max(s.backoff, backoffMost))
	wait = wait/2 + rand.N(wait/2+1)
	if why != nil {
		s.app.Log.WarnContext(ctx, "saga step put off", "order", o.ID, "step", string(o.Step),
			"attempt", tries+1, "after", wait.String(), "err", why)
	}
	if time.Now().Add(wait).Before(patience) {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-stop:
			wait = 0
		}
	}
	if err := s.store.putOff(ctx, o, wait); err != nil {
		return err
	}
	return errGivenBack
}
