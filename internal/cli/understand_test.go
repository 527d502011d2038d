package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"msctl.dev/msctl/internal/telemetry"
	"msctl.dev/msctl/internal/telemetry/insight"
)

// checkout is a trace with a failed edge.
func checkout() telemetry.Trace {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.Local)
	id := func(n byte) telemetry.SpanID { return telemetry.SpanID{n} }
	const ms = time.Millisecond
	return insight.Whole([]telemetry.Span{
		{Trace: telemetry.TraceID{1}, ID: id(1), Service: "gateway", Name: "POST /v1/orders", Kind: telemetry.Server, Start: at, Duration: 100 * ms, Edge: ":gateway"},
		{Trace: telemetry.TraceID{1}, ID: id(2), Parent: id(1), Service: "gateway", Name: "POST /orders", Kind: telemetry.Client, Start: at.Add(10 * ms), Duration: 80 * ms, Edge: "gateway:orders"},
		{Trace: telemetry.TraceID{1}, ID: id(3), Parent: id(2), Service: "orders", Name: "POST /charge", Kind: telemetry.Client, Start: at.Add(20 * ms), Duration: 60 * ms, Edge: "orders:payments",
			Status: telemetry.Failed, Message: "connection refused\x1b[2J"},
		{Trace: telemetry.TraceID{1}, ID: id(4), Parent: id(2), Service: "orders", Name: "SELECT orders", Kind: telemetry.Client, Start: at.Add(20 * ms), Duration: 5 * ms, Edge: "orders:orders-db"},
	})
}

func TestWaterfall(t *testing.T) {
	for width, want := range map[int]string{
		80: `gateway POST /v1/orders  100ms  4 spans  1 failed
01000000000000000000000000000000  2026-03-01 12:00:00.000
  → gateway  POST /v1/orders              100ms  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━
    gateway → orders  POST /orders       80.0ms     ━━━━━━━━━━━━━━━━━━━━━━━━
    ✗ orders → payments  POST /charge    60.0ms        ━━━━━━━━━━━━━━━━━━
        connection refused\x1b[2J
      orders → orders-db  SELECT orders  5.00ms        ─
`,
		40: `gateway POST /v1/orders  100ms  4 spans…
01000000000000000000000000000000  2026-…
  → gateway  POST /v1/orders      100ms
    gateway → orders  POST /or…  80.0ms
    ✗ orders → payments  POST …  60.0ms
        connection refused\x1b[2J
      orders → orders-db  SELE…  5.00ms
`,
	} {
		var b strings.Builder
		drawTrace(screen{Writer: &b, width: width}, checkout(), false)
		if d := cmp.Diff(want, b.String()); d != "" {
			t.Errorf("at %d columns: %s", width, d)
		}
		for line := range strings.Lines(b.String()) {
			if n := len([]rune(strings.TrimRight(line, "\n"))); n > width {
				t.Errorf("%d columns of %d: %s", n, width, line)
			}
		}
	}
}

// TestTraceGuessed marks what msctl only guessed, and says what the mark means where there is one.
func TestTraceGuessed(t *testing.T) {
	var b strings.Builder
	drawTrace(screen{Writer: &b, width: 80}, checkout(), false)
	if strings.Contains(b.String(), "~") {
		t.Errorf("nothing is guessed:\n%s", b.String())
	}
	guessed := checkout()
	guessed.Rows[len(guessed.Rows)-1].Guessed = true
	drawTrace(screen{Writer: &b, width: 80}, guessed, false)
	for _, want := range []string{"~ orders → orders-db  SELECT orders", guessedLegend} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in this:\n%s", want, b.String())
		}
	}
}

func TestTraceQuery(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	o := traceOptions{service: "orders", op: "POST /v1/orders x", status: "error", min: 200 * time.Millisecond, attrs: []string{"user.id=u 1"}, since: "5m", sort: "duration", limit: 7}
	got, err := o.query([]string{"a=b", "OR", "c=d"}, now)
	want := telemetry.Query{
		Filter: `(a=b OR c=d) (service=orders OR peer.service=orders) name="POST /v1/orders x" status=error duration>=200ms user.id="u 1"`,
		Since:  now.Add(-5 * time.Minute), Limit: 7, Sort: "duration",
	}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v %s", err, d)
	}
	o = traceOptions{status: "ok", sort: "time", limit: 1}
	if got, err := o.query(nil, now); got.Filter != "trace.errors=0" || err != nil {
		t.Errorf("of status ok: %q, %v", got.Filter, err)
	}
	for name, o := range map[string]traceOptions{
		"status": {status: "bad", sort: "time", limit: 1}, "sort": {sort: "x", limit: 1}, "limit": {sort: "time"},
		"attr": {attrs: []string{"x"}, sort: "time", limit: 1}, "since": {since: "x", sort: "time", limit: 1},
		"negative": {since: "-5m", sort: "time", limit: 1},
	} {
		if _, err := o.query(nil, now); exitCode(err) != exitUsage {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMapTable(t *testing.T) {
	var b strings.Builder
	mapTable(screen{Writer: &b, width: 80}, telemetry.Map{Edges: []telemetry.MapEdge{
		{From: "", To: "gateway", Protocol: "http", RED: telemetry.RED{Count: 90, Rate: 1.5, P50: 3 * time.Millisecond, P95: 20 * time.Millisecond}, Declared: true, Seen: true},
		{From: "gateway", To: "orders", Protocol: "http", RED: telemetry.RED{Count: 10, Errors: 2, Rate: 0.2, P50: time.Millisecond, P95: 2 * time.Millisecond}, Declared: true, Seen: true, Faults: []string{"latency 300ms"}},
		{From: "gateway", To: "users", Protocol: "http", Declared: true},
		{From: "orders", To: "stock", RED: telemetry.RED{Count: 1, P50: 1, P95: 1}, Seen: true},
		{From: "notifications", To: "notify-db", Protocol: "sqlite", RED: telemetry.RED{Count: 1, P50: 1, P95: 1}, Declared: true, Seen: true, Direct: "a file"},
	}})
	want := `FROM           TO         CALLS      RATE   ERRORS     P95  NOTE
(outside)      gateway       90     1.5/s           20.0ms
gateway        orders        10  12.0/min  2 (20%)  2.00ms  fault: latency 300ms
gateway        users                                        not seen
orders         stock          1                        1ns  not in stack.yaml
notifications  notify-db      1                        1ns  direct
`
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
}

// TestMetricsTable groups by service, and lets the attributes give way on a terminal but not in a pipe.
func TestMetricsTable(t *testing.T) {
	gauge := func(service, name string, v float64, attrs ...telemetry.Attr) telemetry.Series {
		return telemetry.Series{Service: service, Name: name, Type: "gauge", Attrs: attrs, Points: []telemetry.Point{{Value: 0}, {Value: v}}}
	}
	series := []telemetry.Series{
		gauge("users", "up", 1), gauge("orders", "queue.length", 3),
		gauge("orders", "http.server.active_requests", 12, telemetry.Attr{Key: "http.request.method", Value: "GET"}, telemetry.Attr{Key: "http.route", Value: "/v1/orders/{id}"}),
		{Service: "users", Name: "empty"},
	}
	for name, c := range map[string]struct {
		s    screen
		want string
	}{
		"terminal": {screen{terminal: true, width: 80}, `SERVICE  METRIC                       LAST  TREND
orders   http.server.active_requests    12  ▁█
           http.request.method=GET http.route=/v1/orders/{id}
         queue.length                    3  ▁█
users    up                              1  ▁█
`},
		"pipe": {screen{width: unlimited}, `SERVICE  METRIC                       LAST  TREND  ATTRIBUTES
orders   http.server.active_requests    12  ▁█     http.request.method=GET http.route=/v1/orders/{id}
orders   queue.length                    3  ▁█
users    up                              1  ▁█
`},
	} {
		var b strings.Builder
		c.s.Writer = &b
		metricsTable(c.s, series)
		if d := cmp.Diff(c.want, b.String()); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestSparkline(t *testing.T) {
	for want, v := range map[string][]float64{"▁▄█": {0, 1, 2}, "██": {3, 3}, "▁▁": {0, 0}, "": nil, "▃█": {9, 1, 3}} {
		if got := sparkline(v, len([]rune(want))); got != want {
			t.Errorf("%v: got %s, want %s", v, got, want)
		}
	}
}
