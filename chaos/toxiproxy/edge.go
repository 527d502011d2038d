package toxiproxy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"msctl.dev/msctl/internal/state"
)

// edge is an edge of the running fleet as a proxy: its toxics are faults of the fleet.
type edge struct {
	s      *Server
	target string // of its faults: "orders:payments/grpc"
	title  string // as clients know it

	turn sync.Mutex // held while one change is made, also while the fleet is asked

	mu       sync.Mutex // guards what follows
	listen   string
	upstream string
	toxics   chain
	on       map[*toxic]string // id of the fault of each toxic that does anything
	refusing []string          // ids of the faults that disable it; none: it is enabled
}

func (e *edge) show() shown {
	e.mu.Lock()
	defer e.mu.Unlock()
	return shown{e.title, e.listen, e.upstream, len(e.refusing) == 0, e.toxics.shown()}
}

// ids returns those of its faults.
func (e *edge) ids() (ids []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, id := range e.on {
		ids = append(ids, id)
	}
	return append(ids, e.refusing...)
}

// update enables or disables the edge. What it leads to is the fleet's.
func (e *edge) update(ctx context.Context, w wanted) error {
	is := e.show()
	if w.Listen != is.Listen || w.Upstream != is.Upstream {
		return refuse(http.StatusForbidden, "proxy %s is an edge of the running fleet: its listen and upstream are %s and %s and cannot be changed", e.title, is.Listen, is.Upstream)
	}
	e.turn.Lock()
	defer e.turn.Unlock()
	return e.enable(ctx, w.enabled())
}

// enable puts the faults that refuse what is new and reset what is open, or lifts them.
func (e *edge) enable(ctx context.Context, yes bool) (err error) {
	e.mu.Lock()
	ids := e.refusing
	e.mu.Unlock()
	switch {
	case yes && len(ids) > 0:
		err = e.s.removeFaults(ctx, ids...)
		ids = nil
	case !yes && len(ids) == 0:
		ids, err = e.s.addFaults(ctx, state.Fault{Target: e.target, Kind: "refuse"},
			state.Fault{Target: e.target, Kind: "reset", Params: map[string]string{"now": "true"}})
	}
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.refusing = ids
	return nil
}

func (e *edge) reset(ctx context.Context) error {
	e.turn.Lock()
	err := e.enable(ctx, true)
	e.turn.Unlock()
	if err != nil {
		return err
	}
	return e.change(ctx, func(chain) (chain, error) { return nil, nil })
}

// change edits the toxics: what is new is put on the edge, in the place of the toxic of that name if there
// is one, and what is no more is lifted.
func (e *edge) change(ctx context.Context, edit func(chain) (chain, error)) error {
	e.turn.Lock()
	defer e.turn.Unlock()
	e.mu.Lock()
	was, on := e.toxics, maps.Clone(e.on)
	e.mu.Unlock()
	next, err := edit(was)
	if err != nil {
		return err
	}
	now, kept := map[*toxic]string{}, map[string]bool{}
	for _, t := range next {
		id := on[t]
		if !slices.Contains(was, t) {
			before := was.find(t.Name)
			if id, err = e.put(ctx, t, on[before]); err != nil {
				return err
			}
		}
		if id != "" {
			now[t], kept[id] = id, true
		}
	}
	var over []string
	for _, id := range on {
		if !kept[id] {
			over = append(over, id)
		}
	}
	e.mu.Lock()
	e.toxics, e.on = next, now
	e.mu.Unlock()
	return e.s.removeFaults(ctx, over...)
}

// put makes a toxic act on the edge, in the place of the fault of that id, and returns the id of its own: ""
// where it does nothing.
func (e *edge) put(ctx context.Context, t *toxic, before string) (string, error) {
	f, ok := t.fault(e.target, before)
	if !ok {
		return "", nil
	}
	ids, err := e.s.addFaults(ctx, f)
	if err != nil {
		return "", err
	}
	return ids[0], nil
}

// addFaults puts faults under the lease, all or none, and returns their ids.
func (s *Server) addFaults(ctx context.Context, faults ...state.Fault) (ids []string, err error) {
	for i := range faults {
		faults[i].Lease = s.Lease
	}
	put, err := s.Fleet.AddFaults(ctx, faults)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "%v", err)
	}
	for _, f := range put {
		ids = append(ids, f.ID)
	}
	return ids, nil
}

// removeFaults lifts faults. One that was lifted by somebody else is fine.
func (s *Server) removeFaults(ctx context.Context, ids ...string) error {
	for _, id := range ids {
		if _, err := s.Fleet.RemoveFaults(ctx, []string{id}); err != nil && !gone(err) {
			return err
		}
	}
	return nil
}

func gone(err error) bool {
	return errors.Is(err, state.ErrUnknownFault) || errors.Is(err, ErrNoFleet)
}

// look brings the edges up to what the fleet has: those that are new, those that are no more, and toxics
// whose faults somebody lifted.
func (s *Server) look(ctx context.Context) error {
	if s.Fleet == nil {
		return nil
	}
	placed := s.placed()
	list, err := s.Fleet.Edges(ctx)
	var faults []state.Fault
	if err == nil {
		faults, err = s.Fleet.Faults(ctx)
	}
	if errors.Is(err, ErrNoFleet) {
		list, err = nil, nil
	}
	if err != nil {
		return fmt.Errorf("ask the fleet for its edges: %w", err)
	}
	over := map[string]bool{}
	for _, id := range placed {
		over[id] = !slices.ContainsFunc(faults, func(f state.Fault) bool { return f.ID == id })
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := map[string]*edge{}
	for _, one := range list {
		if one.Mesh {
			e := s.edge(one, crowded(list, one))
			e.take(one, over)
			now[e.target] = e
		}
	}
	s.edges = now
	return nil
}

// edge returns the proxy of an edge, known or new. Where a caller has several ways to a callee, each is
// named with its port.
func (s *Server) edge(of state.Edge, crowded bool) *edge {
	target := of.Name()
	if crowded {
		target += "/" + of.Listen
	}
	if e := s.edges[target]; e != nil {
		return e
	}
	return &edge{s: s, target: target, title: title(target)}
}

func title(name string) string { return state.EdgeTitle(name) }

func crowded(list []state.Edge, one state.Edge) bool {
	n := 0
	for _, e := range list {
		if e.Mesh && e.Name() == one.Name() {
			n++
		}
	}
	return n > 1
}

// take takes over where the edge is now, and drops what somebody lifted.
func (e *edge) take(now state.Edge, over map[string]bool) {
	var upstream []string
	for _, t := range now.Targets {
		upstream = append(upstream, t.Addr)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.listen, e.upstream = now.Addr, strings.Join(upstream, ",")
	e.refusing = slices.DeleteFunc(slices.Clone(e.refusing), func(id string) bool { return over[id] })
	for t, id := range e.on {
		if over[id] {
			e.toxics = e.toxics.swapped(t, nil)
			delete(e.on, t)
		}
	}
}
