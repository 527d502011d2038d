package fleet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"msctl.dev/msctl/internal/proxy"
	"msctl.dev/msctl/internal/state"
)

// mesh is the edges of a fleet while it runs. It is safe for concurrent use.
type mesh struct {
	f      *Fleet
	listen func(network, at string) (net.Listener, error)

	mu      sync.Mutex // guards the rest
	open    map[string]*openEdge
	plan    []Edge
	units   map[string]standing       // those that are down are left out
	flights map[string]*proxy.Flights // of services: what each serves now
	faults  []*acting
	leases  map[string]*lease // each lifts the faults that have its lease
}

// standing says which units an edge prefers.
type standing int

const (
	isDown standing = iota
	isUp
	isReady
)

// openEdge is one edge that msctl stands in.
type openEdge struct {
	Edge
	wire   *proxy.Edge
	faults []proxy.Fault // that it obeys; mesh.mu guards them
	end    context.CancelFunc
	ended  sync.WaitGroup
}

func newMesh(f *Fleet) *mesh {
	return &mesh{f: f, listen: net.Listen, open: map[string]*openEdge{}, units: map[string]standing{}, flights: map[string]*proxy.Flights{}, leases: map[string]*lease{}}
}

// set notes how a unit is, and leads the edges to it or away from it.
func (m *mesh) set(unit string, now standing) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.units[unit] == now {
		return
	}
	if m.units[unit] = now; now == isDown {
		delete(m.units, unit)
	}
	for _, e := range m.open {
		if slices.ContainsFunc(e.ends, func(end end) bool { return end.unit == unit }) {
			e.wire.SetTargets(m.targets(e.Edge))
		}
	}
}

// targets returns where an edge leads now: to the one that there is, whatever it does, so that a refused
// connection looks like one; of several to those that are ready, else to those that run, else to all.
func (m *mesh) targets(e Edge) []proxy.Target {
	best := isDown
	for _, end := range e.ends {
		best = max(best, m.units[end.unit])
	}
	var out []proxy.Target
	for _, end := range e.ends {
		if m.units[end.unit] == best {
			out = append(out, proxy.Target{Unit: end.unit, Addr: addr(end.port), Group: end.service, Weight: end.share})
		}
	}
	return out
}

// follow closes the edges that a plan does not have, or has elsewhere, and leads the others where it says.
func (m *mesh) follow(p *Plan) {
	m.mu.Lock()
	m.plan = p.Edges
	var gone []*openEdge
	for key, e := range m.open {
		i := slices.IndexFunc(p.Edges, func(n Edge) bool {
			return n.key() == key && n.Port == e.Port && n.Protocol == e.Protocol && n.Direct == ""
		})
		if i < 0 {
			delete(m.open, key)
			gone = append(gone, e)
			continue
		}
		e.Edge = p.Edges[i]
		e.wire.SetTargets(m.targets(e.Edge))
	}
	m.mu.Unlock()
	for _, e := range gone {
		e.close()
	}
}

// openAll opens the edges of the plan that are not open yet. One that cannot be opened does not keep the
// others closed.
func (m *mesh) openAll() error {
	m.mu.Lock()
	var missing []Edge
	for _, e := range m.plan {
		if m.open[e.key()] == nil && e.Direct == "" && len(e.ends) > 0 {
			missing = append(missing, e)
		}
	}
	m.mu.Unlock()
	var errs []error
	for _, e := range missing {
		errs = append(errs, m.openOne(e))
	}
	return errors.Join(errs...)
}

func (m *mesh) openOne(e Edge) error {
	ln, err := m.listen("tcp", addr(e.Port))
	if err != nil {
		if e.From == "" {
			return fmt.Errorf("open port %s of %s: %w", e.Listen, e.To, err)
		}
		return fmt.Errorf("open edge %s: %w", e.Name(), err)
	}
	ctx, end := context.WithCancel(m.f.base)
	o := &openEdge{Edge: e, end: end}
	m.mu.Lock()
	o.wire = &proxy.Edge{From: e.From, To: e.To, Protocol: e.Protocol, Record: m.f.o.Record, Log: m.f.log, Notice: m.f.Notice,
		Caller: m.serving(e.caller), Callee: m.serving(e.callee)}
	o.wire.SetTargets(m.targets(e))
	m.open[e.key()] = o
	m.disturb(o)
	m.mu.Unlock()
	o.ended.Go(func() {
		if err := o.wire.Serve(ctx, ln); err != nil {
			m.f.note(state.KindNotice, fmt.Sprintf("edge %s closed: %v", e.Name(), err))
		}
	})
	return nil
}

// serving returns what a service has in flight; nil for "", which is outside and the backing servers.
func (m *mesh) serving(service string) *proxy.Flights {
	if service != "" && m.flights[service] == nil {
		m.flights[service] = &proxy.Flights{}
	}
	return m.flights[service]
}

// close ends every connection and returns when all have ended.
func (e *openEdge) close() {
	e.end()
	e.ended.Wait()
}

// closeAll closes every edge and lifts every fault.
func (m *mesh) closeAll() {
	m.mu.Lock()
	lifted := m.lift(func(*acting) bool { return true })
	for _, l := range m.leases {
		l.timer.Stop()
	}
	open := m.open
	m.open = map[string]*openEdge{}
	m.mu.Unlock()
	m.tell(lifted)
	var ended sync.WaitGroup
	for _, e := range open {
		ended.Go(e.close)
	}
	ended.Wait()
}

// Edges returns every caller and callee with what goes between them now, in the order of the plan.
func (f *Fleet) Edges() []state.Edge { return f.mesh.states(time.Now()) }

func (m *mesh) states(now time.Time) []state.Edge {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]state.Edge, 0, len(m.plan))
	for _, e := range m.plan {
		s := state.Edge{From: e.From, To: e.To, Listen: e.Listen, Protocol: e.Protocol, Mesh: e.Direct == "", Direct: e.Direct}
		if e.Port != 0 {
			s.Addr = addr(e.Port)
		}
		if o := m.open[e.key()]; o != nil {
			figures(&s, o.wire.Stats(now))
		}
		out = append(out, s)
	}
	return out
}

// figures fills in what was counted.
func figures(s *state.Edge, n proxy.Stats) {
	s.Requests, s.Errors, s.InFlight, s.Open, s.Sent, s.Received = n.Requests, n.Errors, n.InFlight, n.Open, n.Sent, n.Received
	s.Rate, s.Failed, s.P50, s.P95, s.P99, s.Faults = n.Rate, n.Failed, n.P50, n.P95, n.P99, n.Faults
	for _, t := range n.Targets {
		s.Targets = append(s.Targets, state.EdgeTarget{Unit: t.Unit, Addr: t.Addr, Weight: t.Weight, Open: t.Open, Ejected: t.Ejected})
	}
}
