package toxiproxy

import (
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"

	"msctl.dev/msctl/internal/proxy"
)

// free is a proxy of the client's own: any listener on loopback, any upstream.
type free struct {
	s    *Server
	name string

	mu       sync.Mutex // guards what follows; held while one change is made
	listen   string
	upstream string
	wire     *proxy.Edge
	toxics   chain
	made     map[*toxic]proxy.Fault // of toxics: kept while they stay, for what they count
	stop     func()                 // ends the listener and its connections; nil: disabled
}

func (f *free) show() shown {
	f.mu.Lock()
	defer f.mu.Unlock()
	return shown{f.name, f.listen, f.upstream, f.stop != nil, f.toxics.shown()}
}

// start opens the listener.
func (f *free) start(ctx context.Context, wait *sync.WaitGroup) error {
	addr, err := narrow(f.listen)
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	f.listen = ln.Addr().String()
	if f.wire == nil {
		f.wire = &proxy.Edge{From: "toxiproxy", To: f.name, Log: f.s.Log}
	}
	f.wire.SetTargets([]proxy.Target{{Unit: f.name, Addr: f.upstream}})
	serving, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	wait.Go(func() {
		defer close(ended)
		if err := f.wire.Serve(serving, ln); err != nil {
			f.s.log().Error("proxy ended", "edge", f.name, "err", err)
		}
	})
	f.stop = func() { cancel(); <-ended }
	return nil
}

// close ends the listener and every connection, and returns when they have ended.
func (f *free) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.halt()
}

func (f *free) halt() {
	if f.stop != nil {
		f.stop()
		f.stop = nil
	}
}

// same reports whether the proxy has the listener and upstream already.
func (f *free) same(w wanted) (bool, error) {
	addr, err := narrow(w.Listen)
	if err != nil {
		return false, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return addr == f.listen && w.Upstream == f.upstream, nil
}

// update moves, enables or disables the proxy. Its toxics stay.
func (f *free) update(_ context.Context, w wanted) error {
	same, err := f.same(w)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !same {
		f.halt()
		f.listen, f.upstream = w.Listen, w.Upstream
	}
	switch {
	case !w.enabled():
		f.halt()
	case f.stop == nil:
		f.s.mu.Lock()
		ctx := f.s.run
		f.s.mu.Unlock()
		return f.start(ctx, &f.s.wait)
	}
	return nil
}

func (f *free) reset(ctx context.Context) error {
	yes := true
	is := f.show()
	if err := f.update(ctx, wanted{Listen: is.Listen, Upstream: is.Upstream, Enabled: &yes}); err != nil {
		return err
	}
	return f.change(ctx, func(chain) (chain, error) { return nil, nil })
}

// change edits the toxics; open connections obey when it returns.
func (f *free) change(_ context.Context, edit func(chain) (chain, error)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	next, err := edit(f.toxics)
	if err != nil {
		return err
	}
	made := map[*toxic]proxy.Fault{}
	var list []proxy.Fault
	for _, t := range next {
		one, known := f.made[t]
		if !known {
			if one, err = f.compile(t); err != nil {
				return err
			}
		}
		if made[t] = one; one != nil {
			list = append(list, one)
		}
	}
	f.toxics, f.made = next, made
	if f.wire == nil {
		f.wire = &proxy.Edge{From: "toxiproxy", To: f.name, Log: f.s.Log}
	}
	f.wire.SetFaults(&proxy.Faults{List: list})
	return nil
}

// compile makes a toxic's fault, or nil where it does nothing.
func (f *free) compile(t *toxic) (proxy.Fault, error) {
	words, ok := t.fault("toxiproxy:"+f.name, t.Name)
	if !ok {
		return nil, nil
	}
	words.Seed = rand.Uint64()
	one, err := f.s.Compile(words)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "%v", err)
	}
	return one, nil
}

// narrow returns the address to listen at: a host that means every interface is 127.0.0.1 here, and one that
// others reach is refused.
func narrow(listen string) (string, error) {
	addr, err := net.ResolveTCPAddr("tcp", listen)
	if err != nil {
		return "", err
	}
	switch {
	case addr.IP == nil || addr.IP.IsUnspecified():
		addr.IP = net.IPv4(127, 0, 0, 1)
	case !addr.IP.IsLoopback():
		return "", refuse(http.StatusForbidden, "listen at %s: only addresses on loopback are opened", listen)
	}
	return addr.String(), nil
}
