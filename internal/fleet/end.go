package fleet

import (
	"context"
	"errors"
	"sync"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/state"
)

// end takes every unit out: left running, killed, or stopped after all that need it have ended.
func (f *Fleet) end(cause error) {
	f.mu.Lock()
	f.reason = cause
	f.mu.Unlock()
	if errors.Is(cause, driver.ErrKill) {
		f.Kill()
	}
	_, _ = f.mesh.clear("")  // what is paused could not end politely, and what is left running has no faults
	f.changing <- struct{}{} // from here on no unit is added
	defer func() { <-f.changing }()
	switch {
	case errors.Is(cause, driver.ErrDetach):
		f.dismissAll(driver.ErrDetach)
		return
	case errors.Is(cause, driver.ErrKill):
		f.showStopping()
		f.dismissAll(driver.ErrKill)
		return
	}
	f.showStopping()
	f.stopInOrder(f.all())
	f.dismissAll(errStop)
}

func (f *Fleet) showStopping() {
	f.store.Edit(state.KindFleet, "stopping", func(s *state.Snapshot) { s.Stopping = true })
	f.log.Info("fleet stopping")
}

func (f *Fleet) dismissAll(cause error) {
	for _, u := range f.all() {
		u.dismiss(cause, false)
	}
}

// stopInOrder stops units, each the moment those of them that need it are down, and returns when all are,
// or were started again by somebody else meanwhile.
func (f *Fleet) stopInOrder(units []*unit) {
	users := f.users(units)
	down := make(map[*unit]chan struct{}, len(units))
	for _, u := range units {
		down[u] = make(chan struct{})
	}
	var waits sync.WaitGroup
	for _, u := range units {
		waits.Go(func() {
			defer close(down[u])
			for _, user := range users[u.plan().Service] {
				<-down[user]
			}
			u.awaitDown(u.stop(errStop))
		})
	}
	waits.Wait()
}

// awaitDown blocks until the unit has seen the order of that number and nothing of it runs, unless for a
// later order. The grace of its driver bounds the wait.
func (u *unit) awaitDown(number int) {
	_, _ = u.door.await(context.Background(), func(g gate) bool { // ends without an error, like its context
		return g.order > 0 && g.order >= number && (!g.alive || g.order > number)
	})
}

// users returns for each service, resource and server those of the units that need it.
func (f *Fleet) users(units []*unit) map[string][]*unit {
	users := map[string][]*unit{}
	for _, u := range units {
		for _, n := range u.plan().Needs {
			users[n.Name] = append(users[n.Name], u)
		}
	}
	return users
}
