package fleet

import (
	"context"
	"fmt"
	"maps"
	"net"
	"sync"

	"msctl.dev/msctl/internal/proxy"
	"msctl.dev/msctl/internal/state"
)

// balance is the shared ports of one service with replicas.
type balance struct {
	end    context.CancelFunc
	ended  sync.WaitGroup
	fronts map[string]*front // by listen name

	mu    sync.Mutex
	ready map[string]*Step // replicas that take connections
}

// front is one shared port.
type front struct {
	port int
	lb   proxy.Edge
}

// balance says whether a replica takes connections. A step without shared ports has nothing to balance.
func (f *Fleet) balance(st *Step, ready bool) {
	if len(st.front) == 0 {
		return
	}
	f.mu.Lock()
	b := f.balances[st.Service]
	f.mu.Unlock()
	if b != nil {
		b.set(st, ready)
	}
}

// set adds or removes a replica.
func (b *balance) set(st *Step, ready bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if delete(b.ready, st.Name); ready {
		b.ready[st.Name] = st
	}
	backs := map[string][]proxy.Target{}
	for _, r := range b.ready {
		for _, fr := range r.front {
			backs[fr.Name] = append(backs[fr.Name], proxy.Target{Unit: r.Name, Addr: addr(fr.Back)})
		}
	}
	for name, fr := range b.fronts {
		fr.lb.SetTargets(backs[name])
	}
}

// openFronts opens the shared ports of the services that have replicas and not yet any open.
func (f *Fleet) openFronts(p *Plan) error {
	for _, st := range p.Steps {
		f.mu.Lock()
		open := f.balances[st.Service] != nil
		f.mu.Unlock()
		if len(st.front) == 0 || open || st.Skip != "" {
			continue
		}
		if err := f.openFront(st); err != nil {
			return err
		}
	}
	return nil
}

// openFront opens the shared ports of one service.
func (f *Fleet) openFront(st *Step) error {
	ctx, end := context.WithCancel(f.base)
	b := &balance{end: end, fronts: map[string]*front{}, ready: map[string]*Step{}}
	for _, fr := range st.front {
		ln, err := net.Listen("tcp", addr(fr.Port))
		if err != nil {
			b.close()
			return fmt.Errorf("open port %s of %s: %w", fr.Name, st.Service, err)
		}
		at := &front{port: fr.Port}
		b.fronts[fr.Name] = at
		b.ended.Go(func() {
			if err := at.lb.Serve(ctx, ln); err != nil {
				f.note(state.KindNotice, fmt.Sprintf("port %s of %s closed: %v", fr.Name, st.Service, err))
			}
		})
	}
	f.mu.Lock()
	f.balances[st.Service] = b
	f.mu.Unlock()
	return nil
}

// close ends every connection and returns when all have ended.
func (b *balance) close() {
	b.end()
	b.ended.Wait()
}

func everyService(string) bool { return true }

// closeFronts closes the shared ports of services for which gone is true.
func (f *Fleet) closeFronts(gone func(service string) bool) {
	f.mu.Lock()
	open := maps.Clone(f.balances)
	f.mu.Unlock()
	for service, b := range open {
		if !gone(service) { // it takes the lock itself
			continue
		}
		f.mu.Lock()
		delete(f.balances, service)
		f.mu.Unlock()
		b.close()
	}
}
