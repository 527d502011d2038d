// Package toxiproxy answers Toxiproxy's HTTP API (2.12), so that its clients in any language drive msctl:
// free proxies, whose listener and upstream the client names, and the edges of the running fleet, which are
// listed as proxies by their names. A toxic is a fault of package chaos.
//
// Where it differs from Toxiproxy: every listener is on loopback; half-closed connections lose no data; an
// edge's listen and upstream are the fleet's; a toxic's coin is drawn once for a connection. See [Types] for
// what each toxic becomes.
package toxiproxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"msctl.dev/msctl/internal/proxy"
	"msctl.dev/msctl/internal/state"
)

// Version is that of the Toxiproxy whose API this is.
const Version = "2.12.0"

// Server keeps the proxies and answers for them. Its zero value with a Compile has free proxies alone.
type Server struct {
	Compile func(state.Fault) (proxy.Fault, error) // chaos.Compile
	Fleet   Fleet                                  // whose edges are proxies too; nil: none
	Lease   string                                 // of the faults on edges; unique to this server
	Log     *slog.Logger                           // nil: nothing is logged

	// Stray is told of each proxy that a client asked for and that is not there, and of those that it may have meant.
	// It is called by one at a time. nil: nobody is told.
	Stray func(name string, near []string)

	telling sync.Mutex // held while Stray is called

	mu    sync.Mutex       // guards what follows
	free  map[string]*free // by name
	edges map[string]*edge // by the fleet's name
	run   context.Context  // of Run: free proxies end with it
	wait  sync.WaitGroup   // their listeners
}

// Fleet is what the server asks of the running fleet.
type Fleet interface {
	Edges(ctx context.Context) ([]state.Edge, error)
	Faults(ctx context.Context) ([]state.Fault, error)
	AddFaults(ctx context.Context, faults []state.Fault) ([]state.Fault, error)
	RemoveFaults(ctx context.Context, ids []string) (int, error)
	KeepLease(ctx context.Context, name string) error
}

// ErrNoFleet is what a [Fleet] answers while none runs: free proxies work all the same.
var ErrNoFleet = errors.New("no fleet runs")

// renew is how often the lease of the faults on edges is renewed; it lasts 5 s.
const renew = time.Second

// goodbye is how long the server takes, at its end, to lift what it put on edges.
const goodbye = 3 * time.Second

// Run answers on ln until ctx ends. It then closes the free proxies and lifts every fault that it put on an
// edge. A server that is killed leaves none for longer than its lease.
func (s *Server) Run(ctx context.Context, ln net.Listener) error {
	if !loopback(ln.Addr()) {
		ln.Close()
		return fmt.Errorf("serve toxiproxy: %s is not on loopback", ln.Addr())
	}
	g, ctx := errgroup.WithContext(ctx)
	s.mu.Lock()
	s.run = ctx
	s.mu.Unlock()
	web := &http.Server{Handler: s.Handler(), ReadTimeout: 15 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute}
	g.Go(func() error {
		if err := web.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error { s.renew(ctx); return nil })
	g.Go(func() error {
		<-ctx.Done()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
		defer cancel()
		err := web.Shutdown(last)
		s.wait.Wait()
		return errors.Join(err, s.lift(last))
	})
	return g.Wait()
}

// renew keeps the lease while faults of this server act on edges.
func (s *Server) renew(ctx context.Context) {
	tick := time.NewTicker(renew)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if len(s.placed()) == 0 {
			continue
		}
		if err := s.Fleet.KeepLease(ctx, s.Lease); err != nil && ctx.Err() == nil {
			s.log().Warn("lease not renewed", "err", err)
		}
	}
}

// lift removes what this server put on edges.
func (s *Server) lift(ctx context.Context) error {
	ids := s.placed()
	if len(ids) == 0 {
		return nil
	}
	if err := s.removeFaults(ctx, ids...); err != nil {
		return fmt.Errorf("lift faults of toxiproxy clients: %w", err)
	}
	return nil
}

// placed returns the ids of the faults that this server has on edges.
func (s *Server) placed() (ids []string) {
	s.mu.Lock()
	edges := make([]*edge, 0, len(s.edges))
	for _, e := range s.edges {
		edges = append(edges, e)
	}
	s.mu.Unlock()
	for _, e := range edges {
		ids = append(ids, e.ids()...)
	}
	return ids
}

func (s *Server) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}

// loopback reports an address of this machine that no other reaches.
func loopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
