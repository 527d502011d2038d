package telemetry

import (
	"context"
	"slices"
	"testing"
	"time"
)

// open opens a store in a folder of its own and runs it until the test ends.
func open(t *testing.T, o Options) *Store {
	t.Helper()
	s, err := Open(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s
}

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// call is a small trace: a gateway that calls orders, which asks a database and fails.
func call(n byte, at time.Time) []Span {
	id := TraceID{0xaa, 15: n}
	return []Span{
		{Trace: id, ID: SpanID{7: 1}, Service: "gateway", Instance: "gateway-1", Name: "GET /v1/orders", Kind: Server, Start: at, Duration: 90 * time.Millisecond,
			Attrs: []Attr{{"http.route", "/v1/orders"}, {"http.response.status_code", int64(500)}, {"user.id", "u-42"}}},
		{Trace: id, ID: SpanID{7: 2}, Parent: SpanID{7: 1}, Service: "gateway", Name: "GET", Kind: Client, Start: at.Add(time.Millisecond), Duration: 80 * time.Millisecond, Edge: "gateway:orders"},
		{Trace: id, ID: SpanID{7: 3}, Parent: SpanID{7: 2}, Service: "orders", Name: "GET /orders", Kind: Server, Start: at.Add(2 * time.Millisecond), Duration: 70 * time.Millisecond,
			Status: Failed, Message: "no such order", Events: []SpanEvent{{Time: at, Name: "exception", Attrs: []Attr{{"exception.message", "Lost Row"}}}}},
	}
}

func TestSearch(t *testing.T) {
	s := open(t, Options{})
	for n := range byte(5) {
		spans := call(n+1, noon.Add(time.Duration(n)*time.Second))
		spans[1].Attrs = []Attr{{"url.template", "/orders"}}
		if err := s.AddSpans(spans); err != nil {
			t.Fatal(err)
		}
	}
	for filter, want := range map[string]int{
		"":                             5,
		"service=orders status=error":  5,
		"service=gateway status=error": 0,
		"user.id=u-42 duration>85ms":   5,
		"user.id=u-42 duration>95ms":   0,
		"http.response.status_code>=500 -service=orders": 5,
		"edge=gateway:orders":                            5,
		"trace.spans=3 kind=client":                      5,
		"trace.spans>3":                                  0,
		"trace.errors=1 status=error":                    5,
		`"lost row"`:                                     5,
		"nothing":                                        0,
		"message:order":                                  5,
		"trace=aa000000000000000000000000000003":         1,
		"http.route=/v1/orders service=gateway":          5,
		"http.route=/orders edge=gateway:orders":         5,
		"http.route~^/orders http.route!~^/v1":           5,
		"http.route!=/orders kind=client":                0,
		"-http.route=* kind=client":                      0,
		"http.route=/none":                               0,
	} {
		page, err := s.Search(t.Context(), Query{Filter: filter})
		if err != nil || len(page.Traces) != want {
			t.Errorf("%s: found %d, %v, want %d", filter, len(page.Traces), err, want)
		}
	}
	page, err := s.Search(t.Context(), Query{Filter: "nothing"})
	if err != nil || page.Kept != 15 || !slices.Contains(page.Keys, "http.route") || slices.Contains(page.Keys, reserved[className]) {
		t.Errorf("nothing found among %d spans, keys %q, %v", page.Kept, page.Keys, err)
	}
	page, err = s.Search(t.Context(), Query{Limit: 2})
	if err != nil || len(page.Traces) != 2 || !page.Truncated || page.Traces[0].ID[15] != 5 {
		t.Fatalf("first page %+v, %v", page, err)
	}
	page, err = s.Search(t.Context(), Query{Limit: 3, Cursor: page.Next})
	if err != nil || len(page.Traces) != 3 || page.Truncated || page.Traces[0].ID[15] != 3 {
		t.Fatalf("second page %+v, %v", page, err)
	}
	l := page.Traces[0]
	if l.Service != "gateway" || l.Name != "GET /v1/orders" || l.Spans != 3 || l.Errors != 1 || l.Duration != 90*time.Millisecond || len(l.Services) != 2 {
		t.Errorf("line %+v", l)
	}
}

func TestSpansComeBack(t *testing.T) {
	s := open(t, Options{})
	want := call(9, noon)
	if err := s.AddSpans(want); err != nil {
		t.Fatal(err)
	}
	got, err := s.Spans(t.Context(), want[0].Trace)
	if err != nil || len(got) != 3 {
		t.Fatalf("got %d spans, %v", len(got), err)
	}
	compareSpans(t, got, want)
	id, err := s.FindTrace(t.Context(), "aa00")
	if err != nil || id != want[0].Trace {
		t.Errorf("found %v, %v", id, err)
	}
}

func TestLogs(t *testing.T) {
	s := open(t, Options{})
	var logs []Log
	for i := range 10 {
		logs = append(logs, Log{Time: noon.Add(time.Duration(i/3) * time.Second), Service: "orders", Instance: "orders-1", Severity: Severity(1 + i*2), Body: "line " + string(rune('0'+i)),
			Trace: TraceID{1}, Attrs: []Attr{{"n", int64(i)}}, Printed: i%2 == 0})
	}
	if err := s.AddLogs(logs); err != nil {
		t.Fatal(err)
	}
	var seen []string
	for q := (Query{Limit: 3, Sort: "oldest"}); ; {
		page, err := s.Logs(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range page.Logs {
			seen = append(seen, l.Body)
		}
		if q.Cursor = page.Next; page.Next == "" {
			break
		}
	}
	if len(seen) != 10 || seen[0] != "line 0" || seen[9] != "line 9" {
		t.Errorf("paged through %q", seen)
	}
	for filter, want := range map[string]int{"level>=error": 2, "n>7": 2, "printed=true": 5, `"LINE 3"`: 1, "service=orders": 10, "trace=01000000000000000000000000000000": 10} {
		page, err := s.Logs(t.Context(), Query{Filter: filter})
		if err != nil || len(page.Logs) != want {
			t.Errorf("%s: found %d, %v, want %d", filter, len(page.Logs), err, want)
		}
	}
}
