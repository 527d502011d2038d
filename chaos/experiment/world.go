package experiment

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/state"
	"msctl.dev/msctl/internal/telemetry"
)

// Fleet is the running fleet that experiments are made on.
type Fleet interface {
	Snapshot(ctx context.Context) (state.Snapshot, error)
	Edges(ctx context.Context) ([]state.Edge, error)
	Environment(ctx context.Context, unit string) (state.Environment, error)
	Faults(ctx context.Context) ([]state.Fault, error)
	AddFaults(ctx context.Context, faults []state.Fault) ([]state.Fault, error)
	RemoveFaults(ctx context.Context, ids []string) (int, error)
	KeepLease(ctx context.Context, name string) error
	Start(ctx context.Context, names []string) error
	Stop(ctx context.Context, names []string) error
	Restart(ctx context.Context, names []string) error
	Scale(ctx context.Context, service string, n int) error
}

// Telemetry answers what the fleet was seen doing. nil: it is off.
type Telemetry interface {
	Traces(ctx context.Context, q telemetry.Query) (telemetry.TracePage, error)
	Trace(ctx context.Context, id string) (telemetry.Trace, error)
}

// Site is where experiments are made.
type Site struct {
	Fleet     Fleet
	Telemetry Telemetry
	Stack     *stack.Stack
	Logs      string   // folder of what the units print
	Environ   []string // of commands outside of any service
	Exe       string   // msctl itself, for probes that run it
	Owed      string   // folder for what steps owe, so that [Heal] can undo a run that is killed; "" keeps nothing
}

// world is a site during one run.
type world struct {
	Site
	run    string // unique name of the run
	client *http.Client
	begun  time.Time             // of the workload; before, of the run
	base   map[string]state.Edge // counters of the edges at that time, by name and listener

	seed uint64 // of coins; 0: drawn

	mu     sync.Mutex
	vars   map[string]string
	loads  map[string]*tally
	acted  map[string]int64          // by the ids of faults: how often they have acted
	labels map[string][]string       // ids of faults by the label of their step
	ours   map[string]bool           // ids of faults that the run itself lifts
	early  map[string]ending         // by the ids of faults: which action lifted them
	placed map[*faults][]state.Fault // by the step that put them, as the fleet told them
	notes  int                       // of what is owed, that were written
}

// lease is the name of the lease that the run's faults have.
func (w *world) lease() string { return "experiment-" + w.run }

// put notes what a step has put.
func (w *world) put(by *faults, list []state.Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range list {
		w.labels[by.label] = append(w.labels[by.label], f.ID)
		delete(w.ours, f.ID)
		delete(w.early, f.ID)
	}
	w.placed[by] = list
}

// putBy returns the faults that a step has put.
func (w *world) putBy(s *Step) []state.Fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	f, _ := s.Act.(*faults)
	return w.placed[f]
}

func newWorld(s Site, seed uint64) *world {
	run := strings.ToLower(rand.Text()[:10])
	return &world{Site: s, run: run, seed: seed, begun: time.Now(), base: map[string]state.Edge{}, loads: map[string]*tally{}, acted: map[string]int64{}, labels: map[string][]string{}, ours: map[string]bool{}, early: map[string]ending{}, placed: map[*faults][]state.Fault{},
		vars: map[string]string{"run": run, "seed": fmt.Sprint(seed), "dir": s.Stack.Dir},
		client: &http.Client{
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute,
				DialContext: (&net.Dialer{Timeout: 2 * time.Second}).DialContext},
		}}
}

// variable is ${name} in a text of the file.
var variable = regexp.MustCompile(`\$\{([a-z][a-z0-9_]*)\}`)

// fill replaces the variables of a text; more are those of the moment.
func (w *world) fill(text string, more map[string]string) string {
	if !strings.Contains(text, "${") {
		return text
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return variable.ReplaceAllStringFunc(text, func(found string) string {
		name := found[2 : len(found)-1]
		if v, ok := more[name]; ok {
			return v
		}
		if v, ok := w.vars[name]; ok {
			return v
		}
		return found
	})
}

// filled replaces the variables in all texts of a value.
func (w *world) filled(v any, more map[string]string) any {
	switch v := v.(type) {
	case string:
		return w.fill(v, more)
	case []any:
		out := make([]any, len(v))
		for i, one := range v {
			out[i] = w.filled(one, more)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, one := range v {
			out[w.fill(key, more)] = w.filled(one, more)
		}
		return out
	}
	return v
}

func (w *world) keep(name, value string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.vars[name] = value
}

// cannot is why something could not be done or looked at, which is no finding about the fleet.
type cannot struct{ error }

func (c cannot) Unwrap() error { return c.error }

func cannotf(format string, args ...any) error { return cannot{fmt.Errorf(format, args...)} }

// unable reports that nothing was found out.
func unable(err error) bool { return errors.As(err, &cannot{}) }

// units returns those of a service, a replica or a resource.
func (w *world) units(ctx context.Context, name string) ([]state.Unit, error) {
	snap, err := w.Fleet.Snapshot(ctx)
	if err != nil {
		return nil, cannotf("ask the fleet: %w", err)
	}
	var out []state.Unit
	for _, u := range snap.Units {
		if u.Name == name || u.Service == name {
			out = append(out, u)
		}
	}
	if len(out) == 0 {
		return nil, cannotf("find %q: the fleet has none of that name", name)
	}
	return out, nil
}

// address returns where a listener of a service is reached from outside: where msctl listens in front of it, else
// at one of its units.
func (w *world) address(ctx context.Context, service, listener string) (string, error) {
	edges, err := w.Fleet.Edges(ctx)
	if err != nil {
		return "", cannotf("ask the fleet: %w", err)
	}
	for _, e := range edges {
		if e.From == "" && e.To == service && e.Listen == listener && e.Addr != "" {
			return e.Addr, nil
		}
	}
	units, err := w.units(ctx, service)
	if err != nil {
		return "", err
	}
	for _, ready := range []bool{true, false} {
		for _, u := range units {
			if (u.Phase == state.Ready) != ready {
				continue
			}
			for _, p := range u.Ports {
				if p.Name == listener {
					return p.Addr, nil
				}
			}
		}
	}
	return "", cannotf("find %s/%s: it does not listen there", service, listener)
}

// resource returns the URL of a resource, past every edge.
func (w *world) resource(ctx context.Context, name string) (string, error) {
	env, err := w.Fleet.Environment(ctx, name)
	if err != nil {
		return "", cannotf("find %s: %w", name, err)
	}
	for _, e := range env.Env {
		key, value, _ := strings.Cut(e, "=")
		if u, err := url.Parse(value); strings.HasSuffix(key, "_URL") && err == nil && u.Scheme != "" {
			return value, nil
		}
	}
	return "", cannotf("find %s: it has no address", name)
}

// edge adds up the edges that a name means, CALLER:CALLEE or CALLER:CALLEE/PORT.
func (w *world) edge(ctx context.Context, name string) (sum, base state.Edge, err error) {
	edges, err := w.Fleet.Edges(ctx)
	if err != nil {
		return sum, base, cannotf("ask the fleet: %w", err)
	}
	found := false
	for _, e := range edges {
		if !named(e, name) {
			continue
		}
		found = true
		sum = add(sum, e)
		base = add(base, w.base[edgeKey(e)])
	}
	if !found {
		return sum, base, cannotf("find edge %s: the fleet has none of that name", name)
	}
	return sum, base, nil
}

func edgeKey(e state.Edge) string { return e.Name() + "/" + e.Listen }

// named reports whether an edge is meant by a name.
func named(e state.Edge, name string) bool {
	name, port, ported := strings.Cut(state.EdgeName(name), "/")
	return e.Name() == name && (!ported || e.Listen == port)
}

func add(a, b state.Edge) state.Edge {
	a.From, a.To = b.From, b.To
	a.Requests += b.Requests
	a.Errors += b.Errors
	a.InFlight += b.InFlight
	a.Open += b.Open
	a.Rate += b.Rate
	a.Failed += b.Failed
	a.P50, a.P95, a.P99 = max(a.P50, b.P50), max(a.P95, b.P95), max(a.P99, b.P99)
	return a
}

// begin notes the counters from which on edges are looked at.
func (w *world) begin(ctx context.Context) error {
	edges, err := w.Fleet.Edges(ctx)
	if err != nil {
		return cannotf("ask the fleet: %w", err)
	}
	for _, e := range edges {
		w.base[edgeKey(e)] = e
	}
	w.begun = time.Now()
	return nil
}
