package jaeger

import (
	"context"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"msctl.dev/msctl/internal/telemetry"
)

var update = flag.Bool("update", false, "write the golden files anew")

var start = time.Date(2026, 3, 4, 12, 0, 0, 123456789, time.UTC)

// spans are two traces of a shop: an order that reaches the database and a queue, and one that fails.
func spans() []telemetry.Span {
	order, failed := telemetry.TraceID{15: 0xaa}, telemetry.TraceID{0: 1, 15: 0xbb}
	resource := []telemetry.Attr{{Key: "service.name", Value: "orders"}, {Key: "host.name", Value: "laptop"}}
	return []telemetry.Span{
		{Trace: order, ID: telemetry.SpanID{7: 1}, Service: "gateway", Instance: "gateway-1", Name: "POST /v1/orders", Kind: telemetry.Server, Start: start, Duration: 250*time.Millisecond + 1500, Status: telemetry.OK,
			Attrs: []telemetry.Attr{{Key: "http.response.status_code", Value: int64(201)}, {Key: "user.id", Value: "u-42"}}},
		{Trace: order, ID: telemetry.SpanID{7: 2}, Parent: telemetry.SpanID{7: 1}, Service: "orders", Name: "POST /v1/orders", Kind: telemetry.Server, Start: start.Add(time.Millisecond), Duration: 200 * time.Millisecond, Scope: "otelhttp", Resource: resource,
			Attrs: []telemetry.Attr{{Key: "big", Value: int64(1) << 60}, {Key: "cached", Value: false}, {Key: "ratio", Value: 0.25}, {Key: "raw", Value: []byte{1, 2}}, {Key: "tags", Value: []any{"a", int64(1)}}},
			Links: []telemetry.Link{{Trace: failed, Span: telemetry.SpanID{7: 9}}}},
		{Trace: order, ID: telemetry.SpanID{7: 3}, Parent: telemetry.SpanID{7: 2}, Service: "orders", Name: "INSERT orders", Kind: telemetry.Client, Start: start.Add(2 * time.Millisecond), Duration: 40 * time.Millisecond, Edge: "orders:orders-db", Resource: resource,
			Attrs: []telemetry.Attr{{Key: "db.system.name", Value: "postgresql"}, {Key: "db.query.text", Value: `insert into "orders"`}}},
		{Trace: failed, ID: telemetry.SpanID{7: 9}, Service: "orders", Name: "consume orders", Kind: telemetry.Consumer, Start: start.Add(time.Second), Duration: 3 * time.Second, Status: telemetry.Failed, Message: "no stock", Resource: resource,
			Events: []telemetry.SpanEvent{{Time: start.Add(2 * time.Second), Name: "exception", Attrs: []telemetry.Attr{{Key: "exception.message", Value: "no stock"}}}}},
	}
}

func shop(t *testing.T) *Handler {
	t.Helper()
	store, err := telemetry.Open(t.TempDir(), telemetry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.AddSpans(spans()); err != nil {
		t.Fatal(err)
	}
	return &Handler{
		Store: store,
		Now:   func() time.Time { return start.Add(time.Minute) },
		Map: func(context.Context, time.Time, time.Time) (telemetry.Map, error) {
			return telemetry.Map{Edges: []telemetry.MapEdge{
				{From: "", To: "gateway", RED: telemetry.RED{Count: 9}},
				{From: "gateway", To: "orders", RED: telemetry.RED{Count: 2}},
				{From: "orders", To: "orders-db", RED: telemetry.RED{Count: 5}},
				{From: "orders", To: "payments", Declared: true},
			}}, nil
		},
	}
}

func get(h http.Handler, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
	return w
}

// TestGolden holds each answer to what Jaeger's UI and Grafana read.
func TestGolden(t *testing.T) {
	h := shop(t)
	for name, target := range map[string]string{
		"services":         "/api/services",
		"operations-names": "/api/services/orders/operations",
		"operations":       "/api/operations?service=orders",
		"operations-kind":  "/api/operations?service=orders&spanKind=client",
		"trace":            "/api/traces/aa",
		"trace-missing":    "/api/traces/0123456789abcdef0123456789abcdef",
		"trace-bad":        "/api/traces/xyz",
		"traces-ids":       "/api/traces?traceID=010000000000000000000000000000bb&traceID=cc",
		"traces-none":      "/api/traces?service=nobody",
		"traces-refused":   "/api/traces",
		"dependencies":     "/api/dependencies?endTs=1772625600000&lookback=3600000",
	} {
		t.Run(name, func(t *testing.T) {
			sep := "?"
			if strings.Contains(target, "?") {
				sep = "&"
			}
			w := get(h, target+sep+"prettyPrint=true")
			if w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("content type %q", w.Header().Get("Content-Type"))
			}
			file := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(file, w.Body.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), w.Body.String()); diff != "" {
				t.Errorf("GET %s (-want +got)\n%s", target, diff)
			}
		})
	}
}

func TestStatus(t *testing.T) {
	h := shop(t)
	for target, want := range map[string]int{
		"/api/services": 200, "/api/traces/aa": 200, "/api/traces/cc": 404, "/api/traces/xyz": 400,
		"/api/traces": 400, "/api/operations": 400, "/api/nothing": 404,
		"/api/traces?service=a&limit=x": 400, "/api/traces?service=a&limit=-1": 400, "/api/traces?service=a&start=x": 400,
		"/api/traces?service=a&minDuration=5": 400, "/api/traces?service=a&minDuration=2s&maxDuration=1s": 400,
		"/api/traces?service=a&tags={": 400, "/api/traces?service=a&tag=x": 400, "/api/traces?service=a&lookback=x": 400,
		"/api/traces?service=%ff": 400, "/api/traces?service=" + strings.Repeat("a", 5000): 400,
		"/api/dependencies?endTs=x": 400, "/api/dependencies?lookback=-1": 400,
	} {
		if w := get(h, target); w.Code != want {
			t.Errorf("GET %.80s: %d %s, want %d", target, w.Code, w.Body, want)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/api/services", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d, want 405", w.Code)
	}
}

// TestSearch: each parameter of a search finds the traces that it should.
func TestSearch(t *testing.T) {
	h := shop(t)
	for _, c := range []struct{ query, want string }{
		{"service=orders", "both"}, {"service=gateway", "aa"}, {"service=orders&operation=consume+orders", "bb"}, {"service=orders&operation=all", "both"},
		{"service=gateway&operation=consume+orders", ""},
		{`service=orders&tags={"error":"true"}`, "bb"}, {`service=orders&tags={"error":true}`, "bb"}, {"service=orders&tags=error%3Dtrue", "bb"}, {"service=orders&tags=error", "bb"}, {"service=orders&tag=error:true", "bb"},
		{`service=orders&tags={"otel.status_code":"ERROR"}`, "bb"}, {`service=orders&tags={"span.kind":"consumer"}`, "bb"}, {`service=orders&tags={"otel.scope.name":"otelhttp"}`, "aa"},
		{`service=gateway&tags={"http.response.status_code":"201"}`, "aa"}, {`service=gateway&tags={"http.response.status_code":201}`, "aa"}, {`service=gateway&tags={"http.response.status_code":"200"}`, ""},
		{"service=orders&tags=" + url.QueryEscape(`db.system.name=postgresql db.query.text="insert into \"orders\""`), "aa"},
		{"service=orders&tags=" + url.QueryEscape(`host.name=laptop`), "both"},
		{"service=orders&minDuration=1.2s", "bb"}, {"service=orders&maxDuration=100ms", "aa"}, {"service=orders&minDuration=50us&maxDuration=1s", "aa"},
		{"service=orders&limit=1", "bb"},
		{"service=orders&start=1772625600500000&end=1772625602000000", "bb"}, {"service=orders&end=1772625600500000&lookback=1h", "aa"}, {"service=orders&end=1772625600500000&lookback=custom", "aa"},
		{"service=orders&start=1772625605000000", ""}, {"traceID=aa&traceID=010000000000000000000000000000bb", "both"},
	} {
		w := get(h, "/api/traces?"+strings.ReplaceAll(c.query, `"`, "%22"))
		var res struct {
			Data []struct {
				TraceID string
			}
		}
		if err := json.Unmarshal(w.Body.Bytes(), &res); err != nil || w.Code != 200 {
			t.Errorf("%s: %d %s %v", c.query, w.Code, w.Body, err)
			continue
		}
		got := ""
		for _, d := range res.Data {
			got += d.TraceID[30:]
		}
		if got == "aabb" || got == "bbaa" {
			got = "both"
		}
		if got != c.want {
			t.Errorf("%s found %q, want %q", c.query, got, c.want)
		}
	}
}

// counting counts how often it is looked through.
type counting struct {
	Store
	since []time.Time
}

func (c *counting) ScanKeys(ctx context.Context, since, until time.Time, keys []string, fn func(*telemetry.Span) bool) error {
	c.since = append(c.since, since)
	return c.Store.ScanKeys(ctx, since, until, keys, fn)
}

// TestNames: services are remembered; only what is new is looked at, and all of it now and then.
func TestNames(t *testing.T) {
	h := shop(t)
	now := start.Add(time.Minute)
	h.Now = func() time.Time { return now }
	store := &counting{Store: h.Store}
	h.Store = store
	for _, step := range []time.Duration{0, time.Second, 2 * time.Second, 4 * time.Minute, 2 * time.Minute} {
		now = now.Add(step)
		if w := get(h, "/api/services"); !strings.Contains(w.Body.String(), "gateway") {
			t.Fatalf("after %v: %s", step, w.Body)
		}
	}
	first := start.Add(time.Minute)
	want := []time.Time{{}, first.Add(-late), first.Add(3*time.Second - late), {}}
	if diff := cmp.Diff(want, store.since); diff != "" {
		t.Errorf("looked since (-want +got)\n%s", diff)
	}
}

// FuzzQuery: no parameters break the handler, and a filter that it writes is one.
func FuzzQuery(f *testing.F) {
	f.Add(`service=a&tags={"a":"b\\\"c"}&tag=x:y&minDuration=1s`)
	f.Add(`service="&operation=\&tags=a="b c" d=e f`)
	store, err := telemetry.Open(f.TempDir(), telemetry.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest(http.MethodGet, "/api/traces", nil)
		r.URL.RawQuery = query
		w := httptest.NewRecorder()
		(&Handler{Store: store}).ServeHTTP(w, r)
		if w.Code != 200 && w.Code != 400 {
			t.Errorf("%q: %d %s", query, w.Code, w.Body)
		}
	})
}
