package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/contracts/route"
	"msctl.dev/msctl/contracts/traffic"
	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/telemetry"
)

// trafficReader reads the calls between services out of the traces, each once.
type trafficReader struct {
	ask        teller
	publishers traffic.Publishers
	routes     *route.Table // that services have told
	since      time.Time

	spans  map[telemetry.TraceID]int // that were read
	told   map[telemetry.SpanID]bool
	missed int // traces that were too many to read
}

const (
	tracesAtOnce = 500
	traceGrows   = 30 * time.Second // how long after its start spans of a trace are waited for
)

func newTrafficReader(t teller, st *stack.Stack, pacts []contracts.Pact, since time.Time) *trafficReader {
	return &trafficReader{ask: t, publishers: publishers(st, pacts), routes: &route.Table{}, since: since,
		spans: map[telemetry.TraceID]int{}, told: map[telemetry.SpanID]bool{}}
}

// betweenServices is the filter of traces in which a service asks or tells another something.
const betweenServices = "msctl.edge=* (http.request.method=* OR rpc.method=* OR messaging.operation.type=process)"

// read returns what came since it was asked last, oldest first.
func (r *trafficReader) read(ctx context.Context, now time.Time) ([]traffic.Call, error) {
	page, err := r.ask.Traces(ctx, telemetry.Query{Filter: betweenServices, Since: r.since, Limit: tracesAtOnce})
	if err != nil {
		return nil, err
	}
	if page.Next != "" {
		r.missed++
	}
	var out []traffic.Call
	for _, line := range page.Traces {
		if r.spans[line.ID] >= line.Spans {
			continue
		}
		r.spans[line.ID] = line.Spans
		whole, err := r.ask.Trace(ctx, line.ID.String())
		if err != nil {
			return nil, err
		}
		for i := range whole.Rows {
			r.routes.Add(&whole.Rows[i].Span)
		}
		for i := range whole.Rows {
			s := &whole.Rows[i].Span
			if s.Edge != "" && !r.told[s.ID] {
				r.told[s.ID] = true
				for _, c := range traffic.Of(s, r.publishers) {
					out = append(out, c.Fold(r.routes))
				}
			}
		}
	}
	if old := now.Add(-traceGrows); old.After(r.since) {
		r.since = old
	}
	slices.SortStableFunc(out, func(a, b traffic.Call) int { return a.At.Compare(b.At) })
	return out, nil
}

// publishers knows who publishes an event by stack.yaml, and by the pacts of who consumes it.
func publishers(st *stack.Stack, pacts []contracts.Pact) traffic.Publishers {
	return func(consumer, key string) []string {
		var out []string
		for _, s := range st.Services {
			if s.Name != consumer && slices.Contains(s.Publishes, key) {
				out = append(out, s.Name)
			}
		}
		for _, p := range pacts {
			if p.Consumer == consumer && !slices.Contains(out, p.Provider) && slices.ContainsFunc(p.Interactions, func(i contracts.Interaction) bool {
				return i.Kind == contracts.Message && (i.Description == key || i.Content.Metadata["routing_key"] == key)
			}) {
				out = append(out, p.Provider)
			}
		}
		return out
	}
}

// checkEdges refuses edges that name no services.
func checkEdges(edges []string, st *stack.Stack) error {
	for _, e := range edges {
		from, to, ok := strings.Cut(e, ":")
		if !ok || from == "" || to == "" {
			return usage("an edge is CONSUMER:PROVIDER, such as orders:payments", "read edge %q", e)
		}
		if err := checkNames([]string{from, to}, serviceNamesOf(st)); err != nil {
			return err
		}
	}
	return nil
}

// edgeNames offers the edges between services.
func (a *App) edgeNames() []string {
	st, err := a.load("")
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range neededPairs(st) {
		out = append(out, e.Consumer+":"+e.Provider)
	}
	return out
}
