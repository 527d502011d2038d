package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"msctl.dev/msctl/internal/state"
)

// awaitNeeds blocks until everything that the unit needs is ready, and reports false when ctx ended
// before. Meanwhile it shows what it waits for; and when a need cannot become ready, that cause, as a
// failure of this unit too, so that what needs this one knows at once.
func (u *unit) awaitNeeds(ctx context.Context) bool {
	for ctx.Err() == nil {
		wake, leave := u.f.attend(u.plan().Needs)
		missing, broken := u.f.missing(u.plan().Needs)
		if len(missing) == 0 {
			leave()
			u.door.set(func(g *gate) { g.held = false })
			return true
		}
		u.showWaiting(missing, broken)
		select {
		case <-wake:
		case <-ctx.Done():
		}
		leave()
	}
	return false
}

// attend returns what is sent to when the gate of a need changes, or when other units become it.
func (f *Fleet) attend(needs []Need) (wake chan struct{}, leave func()) {
	wake = make(chan struct{}, 1)
	leaves := []func(){f.members.subscribe(wake)}
	for _, n := range needs {
		for _, other := range f.group(n.Name) {
			leaves = append(leaves, other.door.subscribe(wake))
		}
	}
	return wake, func() {
		for _, leave := range leaves {
			leave()
		}
	}
}

// showWaiting publishes what the unit waits for, or why it waits in vain.
func (u *unit) showWaiting(missing []string, broken string) {
	phase, text := state.Pending, u.name+" waits for "+strings.Join(missing, ", ")
	if broken != "" {
		phase, text = state.Failed, u.name+" failed: "+broken
	}
	u.update(state.KindPhase, text, func(s *state.Unit) bool {
		if s.Phase == phase && s.Reason == broken && slices.Equal(s.WaitsFor, missing) {
			return false
		}
		s.Phase, s.Reason, s.WaitsFor = phase, broken, missing
		return true
	})
	held := u.f.held(u, nil) != nil
	u.door.set(func(g *gate) { g.ready, g.broken, g.held = false, broken, held })
}

// missing returns the needs that are not ready, optional ones that are broken or stopped left out, and why
// one of them cannot become so, or "".
func (f *Fleet) missing(needs []Need) (missing []string, broken string) {
	for _, n := range needs {
		g, ok := f.groupGate(n.Name)
		if !ok || g.ready {
			continue
		}
		if n.Soft && (g.broken != "" || f.asleep(n.Name)) {
			continue
		}
		missing = append(missing, n.Name)
		if g.broken != "" && broken == "" {
			broken = fmt.Sprintf("needs %s: %s", n.Name, g.broken)
		}
	}
	return missing, broken
}

// groupGate adds up the gates of a service's replicas: one that is ready will do, and only when all are
// broken the service is. It reports false for a name that is not in the fleet.
func (f *Fleet) groupGate(name string) (gate, bool) {
	group := f.group(name)
	if len(group) == 0 {
		return gate{}, false
	}
	var sum gate
	hopeful := false
	for _, u := range group {
		g := u.door.look()
		sum.ready = sum.ready || g.ready
		sum.run += g.run
		sum.alive = sum.alive || g.alive
		hopeful = hopeful || g.broken == ""
		if sum.broken == "" {
			sum.broken = g.broken
		}
	}
	if hopeful {
		sum.broken = ""
	}
	return sum, true
}
