package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"msctl.dev/msctl/internal/telemetry"
	"msctl.dev/msctl/internal/telemetry/filter"
	"msctl.dev/msctl/internal/telemetry/insight"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return noon }

// shelf is a store that looks at everything it has.
type shelf struct {
	spans []telemetry.Span
	logs  []telemetry.Log
}

func (s *shelf) Search(context.Context, telemetry.Query) (telemetry.TracePage, error) {
	return telemetry.TracePage{Traces: []telemetry.TraceLine{insight.Whole(s.spans).TraceLine}}, nil
}

func (s *shelf) FindTrace(_ context.Context, prefix string) (telemetry.TraceID, error) {
	for i := range s.spans {
		if strings.HasPrefix(s.spans[i].Trace.String(), prefix) {
			return s.spans[i].Trace, nil
		}
	}
	return telemetry.TraceID{}, ErrUnknownTrace
}

func (s *shelf) Spans(_ context.Context, id telemetry.TraceID) (out []telemetry.Span, err error) {
	for _, sp := range s.spans {
		if sp.Trace == id {
			out = append(out, sp)
		}
	}
	return out, nil
}

func (s *shelf) ScanKeys(_ context.Context, since, until time.Time, _ []string, fn func(*telemetry.Span) bool) error {
	for i := range s.spans {
		if at := s.spans[i].Start; !at.Before(since) && at.Before(until) && !fn(&s.spans[i]) {
			break
		}
	}
	return nil
}

func (s *shelf) Traffic(_ context.Context, since, until time.Time) (flows []telemetry.Flow, err error) {
	for i := range s.spans {
		if from, to, ok := strings.Cut(s.spans[i].Edge, ":"); ok {
			flows = append(flows, telemetry.Flow{Call: telemetry.Call{Sort: telemetry.Crossed, From: from, To: to}, Errors: 1})
		}
	}
	return flows, nil
}

func (s *shelf) Logs(_ context.Context, q telemetry.Query) (telemetry.LogPage, error) {
	n, err := filter.Parse(q.Filter)
	if err != nil {
		return telemetry.LogPage{}, err
	}
	var out []telemetry.Log
	for _, l := range s.logs {
		if !l.Time.Before(q.Since) && l.Time.Before(q.Until) && n.Match(field(&l), func() string { return full(&l) }) {
			out = append(out, l)
		}
	}
	slices.SortStableFunc(out, func(a, b telemetry.Log) int {
		if q.Sort == "oldest" {
			return a.Time.Compare(b.Time)
		}
		return b.Time.Compare(a.Time)
	})
	return telemetry.LogPage{Logs: out[:min(q.Limit, len(out))], Page: telemetry.Page{Truncated: len(out) > q.Limit}}, nil
}

// paper is what units printed.
type paper map[string][]string

func (p paper) Units() []Unit {
	var out []Unit
	for name := range p {
		service, _, _ := strings.Cut(name, "-")
		out = append(out, Unit{name, service})
	}
	slices.SortFunc(out, func(a, b Unit) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Read gives a line per second, from a minute before noon on.
func (p paper) Read(_ context.Context, unit string, since time.Time, fn func(time.Time, string) error) error {
	for i, line := range p[unit] {
		at := noon.Add(time.Duration(i-60) * time.Second)
		if at.Before(since) {
			continue
		}
		if err := fn(at, line); err != nil {
			return err
		}
	}
	return nil
}

func bodies(p telemetry.LogPage) []string {
	var out []string
	for _, l := range p.Logs {
		out = append(out, l.Instance+": "+l.Body)
	}
	return out
}

func TestLogs(t *testing.T) {
	d := &Desk{Now: clock, Store: &shelf{logs: []telemetry.Log{
		{Time: noon.Add(-59*time.Second + 5*time.Millisecond), Service: "orders", Instance: "orders", Body: "both", Severity: telemetry.Warn},
		{Time: noon.Add(-30 * time.Second), Service: "mail", Instance: "mail", Body: "sent only"},
	}}, Printed: paper{
		"orders":   {"first", `{"msg":"both","level":"warn"}`, "ERROR broke"},
		"orders-2": {"second"},
	}}
	for name, c := range map[string]struct {
		q    telemetry.Query
		want []string
	}{
		"all":       {telemetry.Query{Sort: "oldest", Filter: "-body=second"}, []string{"orders: first", "orders: both", "orders: ERROR broke", "mail: sent only"}},
		"newest":    {telemetry.Query{Limit: 2}, []string{"mail: sent only", "orders: ERROR broke"}},
		"severity":  {telemetry.Query{Filter: "severity>=warn"}, []string{"orders: ERROR broke", "orders: both"}},
		"service":   {telemetry.Query{Filter: "service=orders instance=orders-2"}, []string{"orders-2: second"}},
		"since":     {telemetry.Query{Since: noon.Add(-31 * time.Second)}, []string{"mail: sent only"}},
		"bare word": {telemetry.Query{Filter: "broke"}, []string{"orders: ERROR broke"}},
		"nothing":   {telemetry.Query{Filter: "broken"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := d.Logs(t.Context(), c.q)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, bodies(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestLogPages gives every record once, in whatever pages.
func TestLogPages(t *testing.T) {
	s := &shelf{}
	for i := range 20 { // five of each moment
		s.logs = append(s.logs, telemetry.Log{Time: noon.Add(time.Duration(i/5-50) * time.Second), Body: fmt.Sprint("s", i)})
	}
	p := paper{}
	for i := range 30 {
		p["a"] = append(p["a"], fmt.Sprint("a", i))
		p["b"] = append(p["b"], fmt.Sprint("b", i))
	}
	d := &Desk{Now: clock, Store: s, Printed: p}
	for _, order := range []string{"", "oldest"} {
		for _, limit := range []int{1, 3, 7, 100} {
			seen := map[string]int{}
			q := telemetry.Query{Limit: limit, Sort: order}
			for pages := 0; ; pages++ {
				got, err := d.Logs(t.Context(), q)
				if err != nil || pages > 200 {
					t.Fatalf("page %d: %v", pages, err)
				}
				for _, l := range got.Logs {
					seen[l.Body]++
				}
				if q.Cursor = got.Next; q.Cursor == "" {
					break
				}
			}
			for body, n := range seen {
				if n != 1 {
					t.Errorf("%s%d: %s is there %d times", order, limit, body, n)
				}
			}
			if len(seen) != 80 {
				t.Errorf("%s%d: %d records of 80", order, limit, len(seen))
			}
		}
	}
}

// story is one trace of two services, and what they printed.
func story() *Desk {
	id := telemetry.TraceID{0xab, 1}
	return &Desk{Now: clock, Store: &shelf{spans: []telemetry.Span{
		{Trace: id, ID: telemetry.SpanID{1}, Service: "gateway", Name: "GET /", Kind: telemetry.Server, Start: noon.Add(-50 * time.Second), Duration: time.Second},
		{Trace: id, ID: telemetry.SpanID{2}, Parent: telemetry.SpanID{1}, Service: "gateway", Name: "GET /orders", Kind: telemetry.Client, Edge: "gateway:orders",
			Start: noon.Add(-50 * time.Second), Duration: time.Second / 2, Status: telemetry.Failed, Message: "refused"},
	}}, Printed: paper{
		"gateway": {10: `{"msg":"mine","trace":"` + id.String() + `"}`, 11: `{"msg":"other"}`},
	}, Topology: func() *insight.Topology {
		return &insight.Topology{Services: []string{"gateway", "orders"}, Edges: []insight.Declared{{From: "gateway", To: "orders", Mesh: true}}}
	}, Faults: func() map[string][]string { return map[string][]string{"gateway:orders": {"refuse"}} }}
}

func TestLogsOfTrace(t *testing.T) {
	d := story()
	got, err := d.Logs(t.Context(), telemetry.Query{Filter: "trace=ab010000000000000000000000000000"})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"gateway: mine"}; !slices.Equal(bodies(got), want) {
		t.Errorf("got %q, want %q", bodies(got), want)
	}
}

// TestRemote gives the same answers over the wire as at home.
func TestRemote(t *testing.T) {
	d := story()
	r := Remote{Ask: func(ctx context.Context, verb string, q, out any) error {
		body, err := json.Marshal(q)
		if err != nil {
			return err
		}
		a, err := d.Answer(ctx, verb, body)
		if err != nil {
			return err
		}
		if body, err = json.Marshal(a); err != nil {
			return err
		}
		return json.Unmarshal(body, out)
	}}
	type desk interface {
		Traces(context.Context, telemetry.Query) (telemetry.TracePage, error)
		Trace(context.Context, string) (telemetry.Trace, error)
		Logs(context.Context, telemetry.Query) (telemetry.LogPage, error)
		Map(ctx context.Context, since, until time.Time) (telemetry.Map, error)
		Advise(context.Context, time.Time) ([]telemetry.Finding, error)
		Why(context.Context, string, time.Time) (telemetry.Reason, error)
		Metrics(context.Context, telemetry.MetricQuery) ([]telemetry.Series, error)
		Diff(ctx context.Context, a, b string) (telemetry.Diff, error)
	}
	ctx := t.Context()
	for name, ask := range map[string]func(desk) (any, error){
		"traces":  func(x desk) (any, error) { return x.Traces(ctx, telemetry.Query{}) },
		"trace":   func(x desk) (any, error) { return x.Trace(ctx, "ab") },
		"logs":    func(x desk) (any, error) { return x.Logs(ctx, telemetry.Query{}) },
		"map":     func(x desk) (any, error) { return x.Map(ctx, time.Time{}, time.Time{}) },
		"advise":  func(x desk) (any, error) { return x.Advise(ctx, time.Time{}) },
		"why":     func(x desk) (any, error) { return x.Why(ctx, "", time.Time{}) },
		"metrics": func(x desk) (any, error) { return x.Metrics(ctx, telemetry.MetricQuery{}) },
		"diff":    func(x desk) (any, error) { return x.Diff(ctx, "ab", "5m..") },
	} {
		t.Run(name, func(t *testing.T) {
			want, err := ask(d)
			if err != nil {
				t.Fatal(err)
			}
			got, err := ask(r)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		})
	}
	if _, err := d.Trace(ctx, "cd"); !errors.Is(err, ErrUnknownTrace) {
		t.Errorf("an unknown trace: %v", err)
	}
	m, _ := d.Map(ctx, time.Time{}, time.Time{})
	if len(m.Edges) != 1 || !slices.Equal(m.Edges[0].Faults, []string{"refuse"}) || m.Edges[0].Errors != 1 {
		t.Errorf("map: %+v", m.Edges)
	}
}

func TestMoment(t *testing.T) {
	for text, want := range map[string]time.Time{
		"": noon, "now": noon, "5m": noon.Add(-5 * time.Minute), "-5m": noon.Add(-5 * time.Minute), "11:58": noon.Add(-2 * time.Minute),
		"12:01:30": noon.Add(-24*time.Hour + 90*time.Second), "2026-02-01T00:00:00Z": time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC),
	} {
		got, err := Moment(text, noon)
		if err != nil || !got.Equal(want) {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"yesterday", "25:00", "5"} {
		if _, err := Moment(text, noon); err == nil {
			t.Errorf("%q was read", text)
		}
	}
	if _, _, _, err := window("1m..5m", noon); err == nil {
		t.Error("a window that ends before it begins was read")
	}
}
