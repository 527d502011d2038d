package fleet

import (
	"context"
	"time"

	"msctl.dev/msctl/internal/state"
)

// provide makes a resource on its ready server, a database or a virtual host, and keeps it: a server that
// came back is asked again, since one that holds its data in memory has forgotten it.
func (u *unit) provide(ctx context.Context, st *Step) outcome {
	for {
		run := u.serverRun(st)
		u.phase(state.Starting, "", u.name+" is being prepared")
		if err := u.prepare(ctx, st); err != nil {
			return outcome{err: err}
		}
		u.phaseReady(st)
		if st.server == nil {
			<-ctx.Done()
			return outcome{}
		}
		if !u.serverLost(ctx, st, run) {
			return outcome{}
		}
		u.door.set(func(g *gate) { g.ready = false })
		if !u.awaitNeeds(ctx) {
			return outcome{}
		}
	}
}

func (u *unit) prepare(ctx context.Context, st *Step) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if st.server == nil {
		return st.choice.Setup(st.place)
	}
	return st.server.Prepare(ctx, st.place, *st.choice)
}

// serverRun returns the number of the server's run.
func (u *unit) serverRun(st *Step) int {
	if st.server == nil {
		return 0
	}
	g, _ := u.f.groupGate(st.server.Name)
	return g.run
}

// serverLost blocks until the server is no longer the ready one of that run; false when ctx ended first.
func (u *unit) serverLost(ctx context.Context, st *Step, run int) bool {
	server := u.f.unit(st.server.Name)
	if server == nil {
		<-ctx.Done()
		return false
	}
	_, err := server.door.await(ctx, func(g gate) bool { return !g.ready || g.run != run })
	return err == nil
}

// phaseReady shows the unit as ready and opens its door.
func (u *unit) phaseReady(st *Step) {
	now := time.Now()
	u.update(state.KindPhase, u.name+" ready"+took(u.f.store, u.name, now), func(s *state.Unit) bool {
		s.Phase, s.Reason, s.WaitsFor, s.ReadyAt = state.Ready, "", nil, now
		return true
	})
	u.door.set(func(g *gate) { g.ready, g.broken = true, "" })
	u.f.mesh.set(u.name, isReady)
}

// took says how long a unit was on its way, or nothing where that is not known.
func took(store *state.Store, name string, now time.Time) string {
	s, _ := store.Unit(name)
	if s.Started.IsZero() || s.Phase != state.Starting {
		return ""
	}
	return " after " + now.Sub(s.Started).Round(time.Millisecond).String()
}
