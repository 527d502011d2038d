package control

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"msctl.dev/msctl/internal/state"
)

// moving is a fleet with one edge whose counter moves.
type moving struct {
	*fake
	requests, looks atomic.Int64
}

func (m *moving) Edges() []state.Edge {
	m.looks.Add(1)
	return []state.Edge{{From: "web", To: "api", Requests: m.requests.Load(), Faults: []string{"latency 1s"}}}
}

// TestEdgesAfter asks for edges that stand still: it hears so after a while, and of a change within a second.
func TestEdgesAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, ln := &moving{fake: newFake()}, newPipes()
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan struct{})
		go func() { defer close(served); (&Server{Fleet: f}).Serve(ctx, ln) }()
		tr := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			here, there := net.Pipe()
			ln.conns <- there
			return here, nil
		}}
		c := &Client{http: &http.Client{Transport: tr}}
		ask := func(tag string, edges int, took time.Duration) string {
			t.Helper()
			began := time.Now()
			got, now, err := c.EdgesAfter(t.Context(), tag)
			if err != nil || len(got) != edges || time.Since(began) != took || (now == tag) != (edges == 0) {
				t.Errorf("got %v, %q, %v after %v", got, now, err, time.Since(began))
			}
			return now
		}
		tag := ask("", 1, 0)
		f.looks.Store(0)
		ask(tag, 0, edgesWait)
		if n := f.looks.Load(); n > int64(edgesWait/edgesLook)+1 {
			t.Errorf("it looked %d times", n)
		}
		f.requests.Add(1)
		tag = ask(tag, 1, 0)
		time.AfterFunc(2500*time.Millisecond, func() { f.requests.Add(1) })
		tag = ask(tag, 1, 3*time.Second)
		time.AfterFunc(1500*time.Millisecond, cancel) // the fleet ends
		ask(tag, 0, 1500*time.Millisecond)
		<-served
		tr.CloseIdleConnections()
	})
}
