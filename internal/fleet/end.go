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

// stopInOrder stops units, each the moment those of them that need it are down, and returns when all are.
func (f *Fleet) stopInOrder(units []*unit) {
	users := f.users(units)
	var waits sync.WaitGroup
	for _, u := range units {
		waits.Go(func() {
			for _, user := range users[u.plan().Service] {
				user.awaitDown(0)
			}
			u.awaitDown(u.stop(errStop))
		})
	}
	waits.Wait()
}

// awaitDown blocks until nothing of the unit runs and it has seen the order of that number.
func (u *unit) awaitDown(number int) {
	// its driver's grace bounds the wait
	_, _ = u.door.await(context.Background(), func(g gate) bool { return !g.alive && g.order >= number && g.order > 0 })
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
