package desk

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"msctl.dev/msctl/internal/telemetry"
	"msctl.dev/msctl/internal/telemetry/insight"
)

// pollster is a shelf that reads only the first trace of a window, and finds the others when they are searched for.
type pollster struct{ *shelf }

func (p pollster) window(since, until time.Time) (traces [][]telemetry.Span) {
	_ = p.ScanKeys(context.Background(), since, until, nil, func(s *telemetry.Span) bool {
		traces = append(traces, []telemetry.Span{*s})
		return true
	})
	return traces
}

func (p pollster) Sample(_ context.Context, since, until time.Time, _ []string, _ int) (telemetry.Sample, error) {
	all := p.window(since, until)
	return telemetry.Sample{Groups: []telemetry.Group{{Count: len(all), Traces: all[:1], Lots: 1}}, Speaks: []string{}}, nil
}

func (p pollster) Search(_ context.Context, q telemetry.Query) (page telemetry.TracePage, err error) {
	for _, t := range p.window(q.Since, q.Until) {
		if strings.Contains(q.Filter, `"`+t[0].Name+`"`) && strings.Contains(q.Filter, "service="+t[0].Service) {
			page.Traces = append(page.Traces, insight.Whole(t).TraceLine)
		}
	}
	return page, nil
}

// TestDiffOfSamples says of an operation that it is new only where the other window does not have it.
func TestDiffOfSamples(t *testing.T) {
	store := &shelf{}
	add := func(ago time.Duration, name string) {
		n := byte(len(store.spans) + 1)
		store.spans = append(store.spans, telemetry.Span{Trace: telemetry.TraceID{n}, ID: telemetry.SpanID{n}, Service: "orders", Name: name, Start: noon.Add(-ago), Duration: time.Second})
	}
	add(9*time.Minute, "GET /") // what the samples are
	add(4*time.Minute, "GET /rare")
	add(8*time.Minute, "GET /rare")
	add(8*time.Minute, "GET /gone")
	add(3*time.Minute, "GET /")
	d := &Desk{Now: clock, Store: pollster{store}}
	got, err := d.Diff(t.Context(), "10m..5m", "5m..")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, r := range got.Rows {
		rows = append(rows, r.Name+" "+r.Only)
	}
	slices.Sort(rows)
	if want := []string{"GET / ", "GET /rare "}; !slices.Equal(rows, want) || !got.Estimated {
		t.Errorf("got %q, estimated %v; want %q", rows, got.Estimated, want)
	}
}
