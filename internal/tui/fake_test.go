package tui

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"msctl.dev/msctl/internal/output"
	"msctl.dev/msctl/internal/state"
	"msctl.dev/msctl/internal/telemetry"
	"msctl.dev/msctl/internal/telemetry/insight"
)

// noon is when everything of the fake shop begins.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const ms = time.Millisecond

// fake is a fleet that behaves: what is asked of it changes what it says.
type fake struct {
	mu     sync.Mutex
	snap   state.Snapshot
	edges  []state.Edge
	lines  map[string][]output.Line
	traces []telemetry.Trace
	found  []telemetry.Finding
	faults []state.Fault
	pacts  Contracts
	told   []telemetry.MapEdge // beside those that every map has
	did    []string            // what was asked of it
	err    error               // of every question
	no     error               // of every change
	block  chan struct{}

	events chan state.Event
	print  chan func(fn func([]output.Line) error) error // run in the reader of "gateway"
}

func (f *fake) Snapshot(context.Context) (state.Snapshot, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.snap, f.err
}

func (f *fake) Follow(ctx context.Context, after uint64, fn func(state.Event) error) error {
	for {
		select {
		case e, open := <-f.events:
			if !open {
				return nil
			}
			if err := fn(e); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (f *fake) Edges(context.Context) ([]state.Edge, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.edges), f.err
}

func (f *fake) do(format string, args ...any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.did = append(f.did, fmt.Sprintf(format, args...))
	return cmp.Or(f.err, f.no)
}

func (f *fake) Start(_ context.Context, names []string) error   { return f.do("start %s", names) }
func (f *fake) Stop(_ context.Context, names []string) error    { return f.do("stop %s", names) }
func (f *fake) Restart(_ context.Context, names []string) error { return f.do("restart %s", names) }
func (f *fake) Scale(_ context.Context, service string, n int) error {
	return f.do("scale %s %d", service, n)
}

func (f *fake) Faults(context.Context) ([]state.Fault, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.faults), f.err
}

func (f *fake) AddFaults(_ context.Context, all []state.Fault) ([]state.Fault, error) {
	var errs []error
	for i := range all {
		x := &all[i]
		if f.err == nil && f.no == nil {
			f.mu.Lock()
			x.ID = fmt.Sprintf("%s-%d", x.Kind, len(f.faults)+1)
			x.Until = time.Now().Add(cmp.Or(x.For, state.FaultTime))
			f.faults = append(f.faults, *x)
			for i := range f.edges {
				if f.edges[i].Name() == x.Target {
					f.edges[i].Faults = []string{x.String()}
				}
			}
			f.mu.Unlock()
		}
		errs = append(errs, f.do("fault %s %s for %s", x.Target, *x, x.For))
	}
	return all, errors.Join(errs...)
}

func (f *fake) RemoveFaults(_ context.Context, ids []string) (int, error) {
	f.mu.Lock()
	for _, id := range ids {
		if !slices.ContainsFunc(f.faults, func(x state.Fault) bool { return x.ID == id }) {
			f.mu.Unlock()
			return 0, fmt.Errorf("lift %q: %w", id, state.ErrUnknownFault)
		}
	}
	n := len(f.faults)
	f.faults = slices.DeleteFunc(f.faults, func(x state.Fault) bool { return slices.Contains(ids, x.ID) })
	n -= len(f.faults)
	f.mu.Unlock()
	return n, f.do("remove %q", ids)
}

func (f *fake) ClearFaults(_ context.Context, target string) (int, error) {
	f.mu.Lock()
	n := len(f.faults)
	f.faults = slices.DeleteFunc(f.faults, func(x state.Fault) bool { return target == "" || x.Target == target })
	n -= len(f.faults)
	f.mu.Unlock()
	return n, f.do("clear %q", target)
}

func (f *fake) Lines(ctx context.Context, unit string, _ time.Time, fn func([]output.Line) error) error {
	if err := fn(f.lines[unit]); err != nil {
		return err
	}
	if unit != "gateway" || f.print == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	for {
		select {
		case more := <-f.print:
			if err := more(fn); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (f *fake) Traces(ctx context.Context, q telemetry.Query) (telemetry.TracePage, error) {
	if f.block != nil {
		select {
		case <-f.block:
		case <-ctx.Done():
			return telemetry.TracePage{}, ctx.Err()
		}
	}
	if f.err != nil {
		return telemetry.TracePage{}, f.err
	}
	var p telemetry.TracePage
	for _, t := range f.traces {
		if (strings.Contains(q.Filter, "status=error") || strings.Contains(q.Filter, "trace.errors>0")) && t.Errors == 0 {
			continue
		}
		if (strings.Contains(q.Filter, telemetry.Requests) || strings.Contains(q.Filter, "trace.kind=request")) && !slices.ContainsFunc(t.Rows, func(r telemetry.Row) bool { return r.Kind == telemetry.Server }) {
			continue
		}
		p.Traces = append(p.Traces, t.TraceLine)
	}
	if q.Sort == "duration" {
		slices.SortFunc(p.Traces, func(a, b telemetry.TraceLine) int { return int(b.Duration - a.Duration) })
	}
	return p, nil
}

func (f *fake) Trace(_ context.Context, id string) (telemetry.Trace, error) {
	for _, t := range f.traces {
		if strings.HasPrefix(t.ID.String(), id) {
			return t, nil
		}
	}
	return telemetry.Trace{}, errors.New("find trace: no trace begins with " + id)
}

func (f *fake) Logs(_ context.Context, q telemetry.Query) (telemetry.LogPage, error) {
	if f.err != nil {
		return telemetry.LogPage{}, f.err
	}
	var p telemetry.LogPage
	for i, text := range []string{"POST /v1/orders", "order o-117 is placed", "charge card: declined\nby the bank", "answered 402"} {
		p.Logs = append(p.Logs, telemetry.Log{Time: noon.Add(time.Duration(i) * 7 * ms), Service: []string{"gateway", "orders", "payments", "gateway"}[i],
			Severity: []telemetry.Severity{telemetry.Info, telemetry.Info, telemetry.Error, telemetry.Warn}[i], Body: text,
			Attrs: []telemetry.Attr{{Key: "order.id", Value: "o-117"}}})
	}
	return p, nil
}

func (f *fake) Map(context.Context, time.Time, time.Time) (telemetry.Map, error) {
	return telemetry.Map{Edges: append([]telemetry.MapEdge{
		{From: "orders", To: "payments", Seen: true, Declared: true},
		{From: "push", To: "api.example.com", Protocol: "http", Seen: true, RED: telemetry.RED{Count: 12, Errors: 3, Rate: 0.2, P95: 310 * ms}},
	}, f.told...)}, f.err
}

func (f *fake) Advise(context.Context, time.Time) ([]telemetry.Finding, error) { return f.found, f.err }

func (f *fake) Why(context.Context, string, time.Time) (telemetry.Reason, error) {
	return telemetry.Reason{Failed: 4, Slow: 2, Total: 120, Causes: []telemetry.Cause{{Subject: "orders:payments", Score: 0.82,
		Text:     "4 of 31 calls over orders:payments failed, and every failed request passed it.",
		Evidence: []string{"error first seen in payments, charge card: declined", "a latency of 200ms acts on this edge since 12:00:03"},
		Traces:   []string{f.traces[0].ID.String()}}}}, f.err
}

func (f *fake) Contracts(context.Context) (Contracts, error) { return f.pacts, f.err }

// agreed is the contracts of fourteen services that each call two others, in every state.
func agreed() Contracts {
	names := []string{"gateway", "orders", "payments", "notifications", "push", "users", "catalog", "inventory", "templates", "email", "legacy", "bff",
		"reporting", "search"}
	c := Contracts{Services: names}
	for i, from := range names {
		for j, to := range []string{names[(i+1)%len(names)], names[(i*5+3)%len(names)]} {
			if from == to || j == 1 && to == names[(i+1)%len(names)] {
				continue
			}
			c.Edges = append(c.Edges, agreement(from, to, ContractState((i+j)%5)))
		}
	}
	return c
}

// agreement is a contract in a state.
func agreement(from, to string, s ContractState) Contract {
	c := Contract{Consumer: from, Provider: to}
	if s == ContractNone {
		c.Why = "no pact says what " + from + " needs of " + to
		return c
	}
	c.Agreements = []Agreement{{Title: "ask for one (given it exists)", Kind: "http", State: min(s, ContractHolds)}}
	one := Agreement{Title: to + ".updated: tells what changed, and what it was before, of everything that a person may look at", Kind: "message", State: s}
	switch s {
	case ContractUnknown:
		c.Why, c.Agreements[0].State = to+" has changed since it was verified; `msctl contract verify "+to+"` tries it", s
	case ContractPending, ContractBroken:
		one.Said = []string{"body $.name: Expected 'Ana' (String) but was missing", "status: expected 200 but was 404"}
	}
	c.Agreements = append(c.Agreements, one)
	return c
}

// calm is shop before anything is disturbed.
func calm() *fake {
	f := shop()
	f.edges[3].Faults, f.faults = nil, nil
	return f
}

// shop is a fleet in the middle of its day: most is ready, one loops, one waits for it, one is slow.
func shop() *fake {
	u := func(name, service string, sort state.Sort, phase state.Phase, backing, url string) state.Unit {
		return state.Unit{Name: name, Service: service, Sort: sort, Phase: phase, Backing: backing, URL: url, Started: noon, ReadyAt: noon.Add(420 * ms)}
	}
	units := []state.Unit{
		u("postgres", "postgres", state.Server, state.Ready, "container postgres:17", "postgres://127.0.0.1:5432"),
		u("orders-db", "orders-db", state.Resource, state.Ready, "database on postgres", "postgres://127.0.0.1:5432/orders"),
		u("nats", "broker", state.Server, state.Ready, "embedded nats", "nats://127.0.0.1:4222"),
		u("gateway", "gateway", state.Service, state.Ready, "go", "http://127.0.0.1:8080"),
		u("orders", "orders", state.Service, state.Ready, "go", "http://127.0.0.1:40101"),
		u("orders-2", "orders", state.Service, state.Ready, "go", "http://127.0.0.1:40102"),
		u("payments", "payments", state.Service, state.Looping, "go", "http://127.0.0.1:40103"),
		u("notifications", "notifications", state.Service, state.Pending, "go", ""),
		u("push", "push", state.Service, state.Ready, "python", "http://127.0.0.1:40105"),
		u("seed", "seed", state.Job, state.Done, "go", ""),
		u("grpc-web", "grpc-web", state.Service, state.Skipped, "node", ""),
	}
	for i := range units {
		units[i].CPU, units[i].Memory, units[i].PID = float64(i)*0.031, int64(i+1)*9<<20, 4000+i
	}
	units[3].Ports = []state.Port{{Name: "http", Addr: "127.0.0.1:8080"}}
	units[5].Replica = 2
	units[6].Reason, units[6].Restarts, units[6].NextTry = "exited with 2", 3, noon.Add(4*time.Second)
	units[6].Exit = &state.Exit{Code: 2, At: noon.Add(3 * time.Second)}
	units[6].LastLines = []string{"panic: no key for the card provider", "goroutine 1 [running]:"}
	units[7].WaitsFor = []string{"payments"}
	units[10].Reason = "node is not installed"
	edge := func(from, to, protocol string, rate, failed float64, p95 time.Duration) state.Edge {
		return state.Edge{From: from, To: to, Protocol: protocol, Mesh: true, Rate: rate, Failed: failed, P95: p95,
			Requests: int64(rate * 300), Errors: int64(failed * 300), Open: 2}
	}
	f := &fake{
		snap: state.Snapshot{Seq: 40, Time: noon, Stack: "shop", Dir: "/home/ana/shop", Runtime: "auto", PID: 3999, Units: units,
			Receiver: &state.Receiver{HTTP: "http://127.0.0.1:4318", GRPC: "127.0.0.1:4317"}},
		edges: []state.Edge{
			edge("", "gateway", "http", 42, 1.2, 61*ms), edge("gateway", "orders", "http", 31, 1.2, 48*ms),
			edge("gateway", "push", "grpc", 4.5, 0, 8*ms), edge("orders", "payments", "http", 12, 1.2, 210*ms),
			edge("orders", "orders-db", "postgres", 95, 0, 3*ms), edge("orders", "broker", "nats", 12, 0, 900*time.Microsecond),
			edge("notifications", "broker", "nats", 0, 0, 0),
		},
		lines: map[string][]output.Line{}, events: make(chan state.Event),
	}
	f.edges[0].Addr, f.edges[0].P50, f.edges[0].P99, f.edges[0].Sent, f.edges[0].Received = "127.0.0.1:8080", 12*ms, 95*ms, 4<<20, 93<<20
	f.edges[0].Targets = []state.EdgeTarget{{Unit: "gateway", Addr: "127.0.0.1:40100", Weight: 1}, {Unit: "gateway-2", Addr: "127.0.0.1:40109", Weight: 9, Ejected: true}}
	f.edges[3].Faults = []string{"latency 200ms ±20ms"}
	f.faults = []state.Fault{{ID: "slow", Target: "orders:payments", Kind: "latency", Params: map[string]string{"delay": "200ms", "jitter": "20ms"}}}
	f.traces = []telemetry.Trace{order(1, true), order(2, false), chatty(3), poll(4)}
	id := func(i int) string { return f.traces[i].ID.String() }
	f.found = []telemetry.Finding{
		{Kind: "n+1", Subject: "orders:orders-db", Count: 12, Traces: []string{id(2)}, Weight: 3,
			Text: "orders asks orders-db 40 times in one request for SELECT lines, one after the other.", Hint: "Ask once for all rows, with IN or a join."},
		{Kind: "no-timeout", Subject: "gateway:orders", Count: 31, Traces: []string{id(0), id(1)}, Weight: 2,
			Text: "the slowest of 31 calls took 48ms, and none was given up.", Hint: "Give the client a deadline."},
		{Kind: "silent", Subject: "payments", Text: "payments is called and sends no spans of its own."},
	}
	f.pacts = agreed()
	f.fill()
	return f
}

// fill lets the units print.
func (f *fake) fill() {
	id := f.traces[0].ID.String()
	for i, l := range []struct{ unit, text string }{
		{"gateway", `{"time":"2026-03-01T12:00:00Z","level":"INFO","msg":"listening","addr":"127.0.0.1:8080"}`},
		{"orders", `{"level":"INFO","msg":"order is placed","order":"o-117","trace":"` + id + `"}`},
		{"payments", `level=error msg="charge card: declined" card=4242 trace_id=` + id},
		{"push", "plain words with \x1b[31mred\x1b[0m ones, 日本語 and ümlauts"},
		{"orders", `{"level":"WARN","msg":"payment is slow","took":"211ms"}`},
		{"gateway", `{"level":"ERROR","msg":"POST /v1/orders","status":402,"trace":"` + id + `"}`},
		{"payments", "panic: no key for the card provider"},
	} {
		f.lines[l.unit] = append(f.lines[l.unit], output.Line{Seq: uint64(i + 1), At: noon.Add(time.Duration(i) * time.Second), Stream: output.Stdout, Text: []byte(l.text)})
	}
}

// spans makes a trace.
type spans struct {
	n   uint64
	all []telemetry.Span
	id  telemetry.TraceID
}

func (s *spans) add(parent telemetry.SpanID, service, name string, kind telemetry.Kind, from, to time.Duration, edge, failed string) telemetry.SpanID {
	s.n++
	var id telemetry.SpanID
	binary.BigEndian.PutUint64(id[:], uint64(s.id[15])<<32|s.n)
	sp := telemetry.Span{Trace: s.id, ID: id, Parent: parent, Service: service, Name: name, Kind: kind, Edge: edge,
		Start: noon.Add(time.Duration(s.id[15]) * time.Second).Add(from), Duration: to - from,
		Attrs: []telemetry.Attr{{Key: "http.route", Value: "/v1/orders"}, {Key: "http.response.status_code", Value: int64(402)}}}
	if failed != "" {
		sp.Status, sp.Message = telemetry.Failed, failed
		sp.Events = []telemetry.SpanEvent{{Time: sp.Start.Add(ms), Name: "exception", Attrs: []telemetry.Attr{{Key: "exception.message", Value: failed}}}}
	}
	s.all = append(s.all, sp)
	return id
}

func traceID(n byte) telemetry.TraceID {
	return telemetry.TraceID{0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, n, n}
}

// order is a request through four services, that fails or not.
func order(n byte, fails bool) telemetry.Trace {
	s := &spans{id: traceID(n)}
	said := ""
	if fails {
		said = "card declined"
	}
	root := s.add(telemetry.SpanID{}, "gateway", "POST /v1/orders", telemetry.Server, 0, 61*ms, "", said)
	c := s.add(root, "gateway", "POST /orders", telemetry.Client, 2*ms, 58*ms, "gateway:orders", said)
	o := s.add(c, "orders", "POST /orders", telemetry.Server, 3*ms, 57*ms, "", said)
	s.add(o, "orders", "INSERT orders", telemetry.Client, 5*ms, 8*ms, "orders:orders-db", "")
	p := s.add(o, "orders", "POST /charge", telemetry.Client, 9*ms, 50*ms, "orders:payments", said)
	s.add(p, "payments", "POST /charge", telemetry.Server, 10*ms, 49*ms, "", said)
	s.add(o, "orders", "publish order.placed", telemetry.Producer, 51*ms, 52*ms, "orders:broker", "")
	return insight.Whole(s.all)
}

// chatty asks a database far too often.
func chatty(n byte) telemetry.Trace {
	s := &spans{id: traceID(n)}
	root := s.add(telemetry.SpanID{}, "orders", "GET /orders", telemetry.Server, 0, 240*ms, "", "")
	for i := range 40 {
		from := time.Duration(i) * 6 * ms
		s.add(root, "orders", "SELECT lines", telemetry.Client, from, from+4*ms, "orders:orders-db", "")
	}
	return insight.Whole(s.all)
}

// poll is what a service does on its own.
func poll(n byte) telemetry.Trace {
	s := &spans{id: traceID(n)}
	s.add(telemetry.SpanID{}, "notifications", "FETCH order.placed", telemetry.Client, 0, 2*ms, "notifications:broker", "")
	return insight.Whole(s.all)
}
