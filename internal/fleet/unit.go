package fleet

import (
	"context"
	"errors"
	"sync"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/state"
)

// Causes for ending what a unit does now. The driver's own are the others.
var (
	errStop    = errors.New("stopped on request")
	errRestart = errors.New("restarted on request")
)

// order is what a unit is asked to be. A new one ends what was done for the one before.
type order struct {
	number int
	run    bool
	fresh  bool // build again first where its inputs changed
	remove bool // forget the unit once it is down
	leave  bool // its goroutine returns without another word
}

// unit is one step of the plan brought to life. Its goroutine alone runs it and tells its story; others
// give orders and look at its door.
type unit struct {
	f    *Fleet
	name string
	door door

	mu      sync.Mutex // guards the rest
	step    *Step
	order   order
	after   uint64                  // the line of its log that its last run's output follows
	end     context.CancelCauseFunc // of what is done for the order
	pending chan struct{}           // holds one when order is newer than what is done
}

func newUnit(f *Fleet, st *Step) *unit {
	u := &unit{f: f, name: st.Name, step: st, pending: make(chan struct{}, 1)}
	if st.Skip != "" {
		u.door.gate.ready = true
	}
	return u
}

// plan returns the step that the unit follows now.
func (u *unit) plan() *Step {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.step
}

// command changes the order, ends what was done for the last one with that cause, and returns the number
// of the new order. change reports false to leave everything as it is.
func (u *unit) command(cause error, change func(*order) bool) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.order.leave || !change(&u.order) {
		return u.order.number
	}
	u.order.number++
	if u.end != nil {
		u.end(cause)
	}
	select {
	case u.pending <- struct{}{}:
	default:
	}
	return u.order.number
}

// start asks for the unit to run. One that is on its way or there already is left alone; one that
// failed, stopped or waits for its next try is started now.
func (u *unit) start() int {
	g := u.door.look()
	s, _ := u.f.store.Unit(u.name)
	return u.command(errRestart, func(o *order) bool {
		busy := g.alive || g.order < o.number || g.ready
		if o.run && busy && s.NextTry.IsZero() {
			return false
		}
		o.run, o.fresh = true, g.order > 0
		return true
	})
}

// stop asks for the unit to end and stay down.
func (u *unit) stop(cause error) int {
	u.f.mesh.set(u.name, isDown) // before it hears of it
	return u.command(cause, func(o *order) bool {
		changed := o.run
		o.run = false
		return changed
	})
}

// restart asks for a new run, of another step where st is not nil.
func (u *unit) restart(st *Step, fresh bool) int {
	u.f.mesh.set(u.name, isDown)
	return u.command(errRestart, func(o *order) bool {
		if st != nil {
			u.step = st
		}
		o.run, o.fresh = true, fresh
		return true
	})
}

// dismiss ends the unit's goroutine: with its run where cause is [driver.ErrDetach] none is ended.
func (u *unit) dismiss(cause error, remove bool) int {
	return u.command(cause, func(o *order) bool {
		o.run, o.leave, o.remove = false, true, remove
		return true
	})
}

// next blocks until there is an order after the one of that number, and returns it with a context that
// ends with it.
func (u *unit) next(done int) (context.Context, order) {
	for {
		<-u.pending
		u.mu.Lock()
		if u.order.number > done { // else it came between the word that there is one and the look at it
			ctx, end := context.WithCancelCause(u.f.base)
			u.end = end
			defer u.mu.Unlock()
			return ctx, u.order
		}
		u.mu.Unlock()
	}
}

// loop owns the unit until it is dismissed. Every way out of a run passes here, with nothing of it alive.
func (u *unit) loop() {
	for done := 0; ; {
		ctx, o := u.next(done)
		done = o.number
		switch {
		case o.leave:
			u.finish(o)
			return
		case o.run && u.plan().Skip == "":
			u.door.set(func(g *gate) { *g = gate{order: o.number, alive: true, run: g.run} })
			u.live(ctx, o)
			u.leaveOrder(o)
		default:
			u.rest(o)
		}
		u.mu.Lock()
		u.end(nil) // nothing is done for this order any more
		u.mu.Unlock()
	}
}

// leaveOrder closes the door behind a run, unless the next one follows on its heels: then nobody may
// take the moment between them for the end.
func (u *unit) leaveOrder(o order) {
	u.mu.Lock()
	next := u.order.number != o.number && u.order.run
	u.mu.Unlock()
	u.door.set(func(g *gate) {
		g.alive = next
		if next {
			g.ready = false
		}
	})
}

// rest says that the unit is down on request.
func (u *unit) rest(o order) {
	u.update(state.KindPhase, u.name+" stopped", func(s *state.Unit) bool {
		if s.Phase == state.Done || s.Phase == state.Skipped || s.Phase == state.Stopped && s.Reason == "" {
			return false // a stop, and then the dismissal of the same unit, say it once
		}
		settle(s, state.Stopped, "")
		return true
	})
	skipped := u.plan().Skip != ""
	u.door.set(func(g *gate) { *g = gate{order: o.number, run: g.run, ready: skipped} })
}

// finish says the last words of a dismissed unit.
func (u *unit) finish(o order) {
	switch {
	case o.remove:
		u.f.forget(u)
	case !errors.Is(u.f.cause(), driver.ErrDetach):
		u.rest(o)
	}
	u.door.set(func(g *gate) { *g = gate{order: o.number, run: g.run} })
}

// update publishes a change of the unit's state.
func (u *unit) update(kind state.Kind, text string, edit func(*state.Unit) bool) {
	u.f.store.Update(kind, u.name, text, edit)
}

// phase publishes that the unit is in another phase, and why.
func (u *unit) phase(p state.Phase, reason, text string) {
	u.update(state.KindPhase, text, func(s *state.Unit) bool {
		if s.Phase == p && s.Reason == reason && len(s.WaitsFor) == 0 {
			return false
		}
		s.Phase, s.Reason, s.WaitsFor = p, reason, nil
		return true
	})
}

// settle puts a unit of which nothing runs into a phase.
func settle(s *state.Unit, p state.Phase, reason string) {
	s.Phase, s.Reason, s.WaitsFor = p, reason, nil
	s.PID, s.Container, s.CPU, s.Memory = 0, "", 0, 0
	s.NextTry = zeroTime
	s.ReadyAt = zeroTime
}
