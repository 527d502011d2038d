package fleet

import (
	"context"
	"errors"
	"time"

	"msctl.dev/msctl/internal/driver"
)

// How a unit that is to end waits for the requests that are on their way to it.
const (
	quietMost  = 250 * time.Millisecond // the unit itself is to finish what it has begun: this is for what it has not seen yet
	quietCheck = 2 * time.Millisecond
)

// endQuietly ends a run when asked to by ctx, but not before the unit has answered what was sent to it
// until the edges were led elsewhere: a connection that it has not accepted yet would be reset.
func (u *unit) endQuietly(ctx, running context.Context, end context.CancelCauseFunc) {
	select {
	case <-running.Done():
		return
	case <-ctx.Done():
	}
	cause := context.Cause(ctx)
	if !errors.Is(cause, driver.ErrDetach) && !errors.Is(cause, driver.ErrKill) {
		u.f.mesh.quieten(running, u.name)
	}
	end(cause)
}

// quieten waits until no edge has anything for a unit that it leads to no more, for as long as quietMost.
func (m *mesh) quieten(ctx context.Context, unit string) {
	ctx, stop := context.WithTimeout(ctx, quietMost)
	defer stop()
	tick := time.NewTicker(quietCheck)
	defer tick.Stop()
	for !m.quiet(unit) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// quiet reports whether no request is on its way to a unit, or in it.
func (m *mesh) quiet(unit string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.open {
		if !e.wire.Quiet(unit) {
			return false
		}
	}
	return true
}
