package proxy

import (
	"net/http"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
)

// h2Callers returns the callers that have a connection to the only target of an edge.
func h2Callers(e *Edge) (all []*h2caller) {
	o := &e.table.Load().live[0].h2
	o.mu.Lock()
	defer o.mu.Unlock()
	for c := range o.conns {
		all = append(all, c.x)
	}
	return all
}

// h2Answering is a target that answers each request and says when a connection to it has ended.
func h2Answering(t *testing.T) (e *Edge, addr string, conns, ended *atomic.Int32) {
	conns, ended = &atomic.Int32{}, &atomic.Int32{}
	e, _, addr = h2Target(t, func(n int, f *frames) {
		conns.Store(int32(n))
		defer ended.Add(1)
		f.WriteSettings()
		for {
			head := f.await(http2.FrameHeaders)
			if head == nil {
				return
			}
			f.fields(head.Header().StreamID, true, ":status", "200")
		}
	})
	return e, addr, conns, ended
}

// TestH2IdleEnds checks that a connection to a target which nobody uses ends while its caller stays, and one that is
// used does not.
func TestH2IdleEnds(t *testing.T) {
	e, addr, conns, ended := h2Answering(t)
	f := h2Dial(t, addr)
	ask := func(id uint32) {
		t.Helper()
		f.get(id, true)
		if got := f.next(); got != "head 200" {
			t.Errorf("got %q", got)
		}
	}
	ask(1)
	x := h2Callers(e)[0]
	for id := uint32(3); id < 9; id += 2 {
		x.sweep()
		ask(id)
	}
	if conns.Load() != 1 || ended.Load() != 0 {
		t.Errorf("%d connections, %d ended; want 1 and 0", conns.Load(), ended.Load())
	}
	x.sweep() // it was used since the last time
	x.sweep()
	until(t, "the idle connection ends", func() bool { return ended.Load() == 1 })
	until(t, "nothing is kept of it", func() bool {
		x.mu.Lock()
		defer x.mu.Unlock()
		return len(x.to) == 0 && len(h2Callers(e)) == 0
	})
	ask(9)
	if n := conns.Load(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
}

// TestH2SweepsAlone checks that sweeps go on while there is a connection, and no longer.
func TestH2SweepsAlone(t *testing.T) {
	e, addr, _, ended := h2Answering(t)
	f := h2Dial(t, addr)
	f.get(1, true)
	f.next()
	x := h2Callers(e)[0]
	armed := func() bool {
		x.mu.Lock()
		defer x.mu.Unlock()
		return x.sweeper != nil
	}
	x.sweep()
	if !armed() {
		t.Error("no sweep will come")
	}
	x.sweep()
	until(t, "the idle connection ends", func() bool { return ended.Load() == 1 && len(h2Callers(e)) == 0 })
	if x.sweep(); armed() {
		t.Error("sweeps go on for nothing")
	}
}

// TestH2Replaced checks that a callee which is replaced loses its connections: at once those that are idle, the
// others with their last stream.
func TestH2Replaced(t *testing.T) {
	e, addr, conns, ended := h2Answering(t)
	f := h2Dial(t, addr)
	f.get(1, true)
	f.next()
	busy, finish := make(chan struct{}), make(chan struct{})
	next := h2Server(t, func(w http.ResponseWriter, r *http.Request) { close(busy); <-finish })
	e.SetTargets(to(next))
	until(t, "the idle connection ends", func() bool { return ended.Load() == 1 })
	f.get(3, true)
	<-busy
	x := h2Callers(e)[0]
	e.SetTargets(nil)
	close(finish)
	if got := f.next(); got != "head 200" {
		t.Errorf("the request under way got %q", got)
	}
	until(t, "nothing is kept", func() bool {
		x.mu.Lock()
		defer x.mu.Unlock()
		return len(x.to) == 0
	})
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections to who was replaced, want 1", n)
	}
}

// TestH2EndsAtOnce gives up a target whose connections end as soon as it has said hello, and keeps nothing of them.
func TestH2EndsAtOnce(t *testing.T) {
	var conns atomic.Int32
	e, _, addr := h2Target(t, func(n int, f *frames) {
		conns.Store(int32(n))
		f.WriteSettings()
		f.conn.Close()
	})
	f := h2Dial(t, addr)
	const calls = 20
	for id := uint32(1); id < 2*calls; id += 2 {
		f.get(id, true)
		if head, ok := f.await(http2.FrameHeaders).(*http2.MetaHeadersFrame); !ok || head.PseudoValue("status") < "502" {
			t.Fatalf("call %d got %v", id, head)
		}
	}
	if n := conns.Load(); n > 2*calls {
		t.Errorf("%d connections for %d calls", n, calls)
	}
	until(t, "nothing is kept", func() bool { return len(h2Callers(e)) == 0 })
}
