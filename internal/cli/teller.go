package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/fleet"
	"msctl.dev/msctl/internal/output"
	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/state"
	"msctl.dev/msctl/internal/telemetry"
	"msctl.dev/msctl/internal/telemetry/desk"
	"msctl.dev/msctl/internal/telemetry/filter"
	"msctl.dev/msctl/internal/telemetry/insight"
)

// teller answers questions on the telemetry of a stack.
type teller interface {
	Traces(ctx context.Context, q telemetry.Query) (telemetry.TracePage, error)
	Trace(ctx context.Context, id string) (telemetry.Trace, error)
	Logs(ctx context.Context, q telemetry.Query) (telemetry.LogPage, error)
	Map(ctx context.Context, since, until time.Time) (telemetry.Map, error)
	Metrics(ctx context.Context, q telemetry.MetricQuery) ([]telemetry.Series, error)
	Diff(ctx context.Context, a, b string) (telemetry.Diff, error)
	Advise(ctx context.Context, since time.Time) ([]telemetry.Finding, error)
	Why(ctx context.Context, trace string, since time.Time) (telemetry.Reason, error)
}

// tell asks the running fleet, or, where none runs, what is kept of the runs before.
func (a *App) tell(ctx context.Context, ask func(teller) error) error {
	p, err := a.place()
	if err != nil {
		return err
	}
	c, err := p.connect(ctx)
	if err == nil {
		defer c.Close()
		return wiser(ask(desk.Remote{Ask: c.Ask}))
	}
	if !errors.Is(err, control.ErrNotRunning) {
		return err
	}
	store, err := telemetry.OpenRead(p.telemetry())
	if errors.Is(err, fs.ErrNotExist) {
		return notRunning(p.elsewhere(), "%s is not running and nothing is kept of earlier runs", p)
	}
	if err != nil {
		return err
	}
	d := a.desk(p, store, nil)
	d.Series = telemetry.OpenMetrics(p.metrics(), telemetry.MetricOptions{})
	return wiser(ask(d))
}

// wiser adds a hint to what a desk said.
func wiser(err error) error {
	var mistake *filter.Error
	var coded *codedError
	switch {
	case err == nil, errors.As(err, &coded):
		return err
	case errors.As(err, &mistake):
		return usage(mistake.Hint, "read filter: column %d: %s", mistake.Column, mistake.Msg)
	case errors.Is(err, desk.ErrUnknownTrace), strings.HasSuffix(err.Error(), telemetry.ErrNoTrace.Error()): // of another process only the words come
		return failed(unknownTraceHint, "%w", err)
	}
	return err
}

// checkFilter finds mistakes in a filter before anyone is asked.
func checkFilter(text string) error {
	n, err := filter.Parse(text)
	if err == nil {
		_, _, err = filter.Window(n, time.Now())
	}
	return wiser(err)
}

// checkTraceID refuses what cannot be the beginning of an id.
func checkTraceID(id string) error {
	const most = 2 * len(telemetry.TraceID{})
	if id != "" && len(id) <= most && strings.Trim(id, "0123456789abcdefABCDEF") == "" {
		return nil
	}
	return usage(unknownTraceHint, "find trace %q: want up to %d hexadecimal digits", id, most)
}

const unknownTraceHint = "`msctl traces` lists those that are kept"

// live is what a running fleet knows beside its telemetry.
type live interface {
	Snapshot() state.Snapshot
	Edges() []state.Edge
}

// desk answers from a store. running is nil where none runs.
func (a *App) desk(p place, store desk.Store, running live) *desk.Desk {
	says := &declared{load: func() (*stack.Stack, error) { return a.load("") }}
	return &desk.Desk{
		Store:    store,
		Topology: func() *insight.Topology { return topology(p, says, running) },
		Printed:  printedFiles{dir: p.logs(), services: a.serviceNames()},
		Faults:   func() map[string][]string { return faultsOf(running) },
	}
}

// topology is what stack.yaml says of traffic, and where the fleet listens, or did when it ran last.
func topology(p place, says *declared, running live) *insight.Topology {
	t := &insight.Topology{Resources: map[string]string{}, Addrs: map[string]string{}, Direct: map[string]string{}}
	st, err := says.get()
	if err != nil {
		return t // nothing is declared, and what was seen is still told
	}
	for _, s := range st.Services {
		t.Services = append(t.Services, s.Name)
	}
	for _, r := range st.Resources {
		t.Resources[r.Name] = r.Type
	}
	var meshed map[string]bool
	if running != nil {
		meshed = addresses(t, running)
	} else {
		meshed = pastAddresses(t, p, st)
	}
	spoken := protocols(running)
	for _, e := range st.Edges {
		protocol := cmp.Or(spoken[e.String()], e.Protocol)
		t.Edges = append(t.Edges, insight.Declared{From: e.From, To: e.To, Protocol: protocol, Mesh: meshed[e.String()]})
	}
	return t
}

// protocols is what goes over the edges of a running fleet: a database that stands in for another speaks
// its own.
func protocols(running live) map[string]string {
	spoken := map[string]string{}
	if running != nil {
		for _, e := range running.Edges() {
			spoken[e.Name()] = e.Protocol
		}
	}
	return spoken
}

// addresses notes who listens where, and returns the edges that go through msctl.
func addresses(t *insight.Topology, running live) map[string]bool {
	meshed := map[string]bool{}
	for _, u := range running.Snapshot().Units {
		for _, port := range u.Ports {
			if u.Sort == state.Service {
				t.Addrs[port.Addr] = u.Service
			}
		}
	}
	for _, e := range running.Edges() {
		if e.Addr != "" { // a file has none
			t.Addrs[e.Addr] = e.To
		}
		if meshed[e.Name()] = meshed[e.Name()] || e.Mesh; !e.Mesh {
			t.Direct[e.Name()] = e.Direct
		}
	}
	return meshed
}

// pastAddresses is addresses of the runs before.
func pastAddresses(t *insight.Topology, p place, st *stack.Stack) map[string]bool {
	meshed := map[string]bool{}
	for addr, name := range fleet.PastEdges(p.state()) {
		_, to, _ := strings.Cut(name, ":")
		t.Addrs[addr], meshed[name] = to, true
	}
	for _, e := range st.Edges {
		if !meshed[e.String()] {
			t.Direct[e.String()] = cmp.Or(st.Direct(e.From, e.To), "in the last run")
		}
	}
	return meshed
}

// faultsOf lists the faults that act now, by edge.
func faultsOf(fleet live) map[string][]string {
	if fleet == nil {
		return nil
	}
	all := map[string][]string{}
	for _, e := range fleet.Edges() {
		all[e.Name()] = append(all[e.Name()], e.Faults...)
	}
	return all
}

// printedFiles reads what units printed from the folder of their logs.
type printedFiles struct {
	dir      string
	services []string
}

func (f printedFiles) Units() []desk.Unit {
	have, err := logFolders(f.dir)
	if err != nil {
		return nil // what cannot be read is told by `msctl logs`
	}
	var units []desk.Unit
	for _, s := range f.services {
		for _, name := range logsOf(s, have, f.services) {
			units = append(units, desk.Unit{Name: name, Service: s})
		}
	}
	return units
}

func (f printedFiles) Read(ctx context.Context, unit string, since time.Time, fn func(time.Time, string) error) error {
	return output.Read(ctx, filepath.Join(f.dir, unit), output.Query{Since: since}, func(l output.Line) error {
		return fn(l.At, output.Plain(l.Text))
	})
}

// shown masks the secrets of the stack in all that is printed to it.
func (a *App) shown() screen {
	s := a.screenOf(a.Out)
	s.Writer = &maskedWriter{w: a.Out, mask: a.veil().Text}
	return s
}

// quote puts a value of a filter into quotes where it needs them.
func quote(value string) string {
	if value != "" && !slices.ContainsFunc([]rune(value), func(r rune) bool { return !plainRune(r) }) {
		return value
	}
	return fmt.Sprintf("%q", value)
}

func plainRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '/' || r == '.' || r == '-' || r == '_' || r == '{' || r == '}'
}
