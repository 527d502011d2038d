package otlp

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"msctl.dev/msctl/internal/telemetry"
)

// TestPrometheus holds /metrics to Prometheus's text format.
func TestPrometheus(t *testing.T) {
	pt := []telemetry.Point{{Value: 2.5}}
	attrs := []telemetry.Attr{{Key: "http.route", Value: "/v1/\"x\"\\\n"}, {Key: "service.instance.id", Value: "orders-1"}}
	store := &memory{last: []telemetry.Series{
		{Service: "users", Name: "http.server.requests", Type: "sum", Monoton: true, Unit: "{request}", Points: []telemetry.Point{{Value: 7}}},
		{Service: "orders", Name: "http.server.requests", Type: "sum", Monoton: true, Unit: "{request}", Doc: "How\nmany.", Attrs: attrs, Points: []telemetry.Point{{Value: 3}}},
		{Service: "orders", Name: "queue.length", Type: "sum", Points: pt},
		{Service: "orders", Name: "memory.used", Type: "gauge", Unit: "By", Points: pt},
		{Service: "orders", Name: "cpu", Type: "gauge", Unit: "1", Points: pt, Attrs: []telemetry.Attr{{Key: "a.b", Value: int64(1)}, {Key: "a_b", Value: true}, {Key: "le", Value: "x"}, {Key: "1st", Value: []any{"x"}}}},
		{Service: "orders", Name: "http.server.request.duration", Type: "histogram", Unit: "s", Scope: "otelhttp", Points: []telemetry.Point{{Value: 4, Count: 6, Bounds: []float64{0.1, 1}, Counts: []uint64{1, 2, 3}}}},
		{Service: "orders", Name: "gc", Type: "summary", Unit: "ms", Points: []telemetry.Point{{Value: 9, Count: 3, Bounds: []float64{0.5}, Values: []float64{2}}}},
		{Service: "orders", Name: "io", Type: "sum", Monoton: true, Unit: "By/s", Points: pt},
		{Service: "zzz", Name: "queue.length", Type: "histogram", Points: []telemetry.Point{{Value: 1}}},
	}}
	r := &Receiver{Store: store, Metrics: store, Edges: func() []Edge {
		return []Edge{{From: "orders", To: "payments", Protocol: "http", Requests: 12, Errors: 1, InFlight: 2, Open: 3, Sent: 100, Received: 2000, P50: time.Millisecond, P95: 2 * time.Millisecond, P99: 1500 * time.Millisecond}}
	}}
	w := httptest.NewRecorder()
	handler(t, r).ServeHTTP(w, httptest.NewRequest("GET", "http://localhost/metrics", nil))
	want := `# HELP msctl_edge_requests_total Requests, commands or connections that went over an edge.
# TYPE msctl_edge_requests_total counter
msctl_edge_requests_total{from="orders",to="payments",protocol="http"} 12
# HELP msctl_edge_errors_total Of these those that failed.
# TYPE msctl_edge_errors_total counter
msctl_edge_errors_total{from="orders",to="payments",protocol="http"} 1
# HELP msctl_edge_in_flight Requests under way.
# TYPE msctl_edge_in_flight gauge
msctl_edge_in_flight{from="orders",to="payments",protocol="http"} 2
# HELP msctl_edge_connections Open connections.
# TYPE msctl_edge_connections gauge
msctl_edge_connections{from="orders",to="payments",protocol="http"} 3
# HELP msctl_edge_sent_bytes_total Bytes from the caller.
# TYPE msctl_edge_sent_bytes_total counter
msctl_edge_sent_bytes_total{from="orders",to="payments",protocol="http"} 100
# HELP msctl_edge_received_bytes_total Bytes from the callee.
# TYPE msctl_edge_received_bytes_total counter
msctl_edge_received_bytes_total{from="orders",to="payments",protocol="http"} 2000
# HELP msctl_edge_latency_seconds Time to the answer, over the last seconds.
# TYPE msctl_edge_latency_seconds gauge
msctl_edge_latency_seconds{from="orders",to="payments",protocol="http",quantile="0.5"} 0.001
msctl_edge_latency_seconds{from="orders",to="payments",protocol="http",quantile="0.95"} 0.002
msctl_edge_latency_seconds{from="orders",to="payments",protocol="http",quantile="0.99"} 1.5
# HELP msctl_telemetry_requests_total Exports by what became of them.
# TYPE msctl_telemetry_requests_total counter
msctl_telemetry_requests_total{result="accepted"} 0
msctl_telemetry_requests_total{result="full"} 0
msctl_telemetry_requests_total{result="malformed"} 0
msctl_telemetry_requests_total{result="too_large"} 0
# HELP msctl_telemetry_rejected_total Spans, records and points dropped from accepted exports.
# TYPE msctl_telemetry_rejected_total counter
msctl_telemetry_rejected_total 0
# TYPE cpu_ratio gauge
cpu_ratio{_1st="[\"x\"]",a_b="1;true",key_le="x",service_name="orders"} 2.5
# TYPE gc_milliseconds summary
gc_milliseconds{service_name="orders",quantile="0.5"} 2
gc_milliseconds_sum{service_name="orders"} 9
gc_milliseconds_count{service_name="orders"} 3
# TYPE http_server_request_duration_seconds histogram
http_server_request_duration_seconds_bucket{otel_scope_name="otelhttp",service_name="orders",le="0.1"} 1
http_server_request_duration_seconds_bucket{otel_scope_name="otelhttp",service_name="orders",le="1"} 3
http_server_request_duration_seconds_bucket{otel_scope_name="otelhttp",service_name="orders",le="+Inf"} 6
http_server_request_duration_seconds_sum{otel_scope_name="otelhttp",service_name="orders"} 4
http_server_request_duration_seconds_count{otel_scope_name="otelhttp",service_name="orders"} 6
# HELP http_server_requests_total How\nmany.
# TYPE http_server_requests_total counter
http_server_requests_total{http_route="/v1/\"x\"\\\n",service_instance_id="orders-1",service_name="orders"} 3
http_server_requests_total{service_name="users"} 7
# TYPE io_bytes_per_second_total counter
io_bytes_per_second_total{service_name="orders"} 2.5
# TYPE memory_used_bytes gauge
memory_used_bytes{service_name="orders"} 2.5
# TYPE queue_length gauge
queue_length{service_name="orders"} 2.5
`
	if diff := cmp.Diff(want, w.Body.String()); diff != "" {
		t.Errorf("GET /metrics (-want +got)\n%s", diff)
	}
	if ct := w.Header().Get("Content-Type"); !strings.HasPrefix(ct, "text/plain; version=0.0.4") {
		t.Errorf("content type %q", ct)
	}
}

// TestPrometheusPorts checks that edges to two ports of one callee are one series: Prometheus refuses two of
// the same labels.
func TestPrometheusPorts(t *testing.T) {
	r := &Receiver{Store: &memory{}, Edges: func() []Edge {
		return []Edge{
			{From: "orders", To: "bus", Protocol: "tcp", Requests: 1, Sent: 10, P95: time.Second},
			{From: "orders", To: "bus", Protocol: "tcp", Requests: 2, Sent: 20, P95: time.Millisecond},
		}
	}}
	w := httptest.NewRecorder()
	handler(t, r).ServeHTTP(w, httptest.NewRequest("GET", "http://localhost/metrics", nil))
	const labels = `{from="orders",to="bus",protocol="tcp"`
	for _, line := range []string{"msctl_edge_requests_total" + labels + "} 3\n", "msctl_edge_latency_seconds" + labels + `,quantile="0.95"} 1` + "\n"} {
		if strings.Count(w.Body.String(), line) != 1 {
			t.Errorf("not once %q in\n%s", line, w.Body)
		}
	}
}

// TestPrometheusDropped tells what was lost.
func TestPrometheusDropped(t *testing.T) {
	r := &Receiver{Store: &memory{}, Dropped: func() Dropped { return Dropped{Edges: 3, Store: 4} }}
	w := httptest.NewRecorder()
	handler(t, r).ServeHTTP(w, httptest.NewRequest("GET", "http://localhost/metrics", nil))
	for _, line := range []string{`msctl_telemetry_dropped_total{at="edges"} 3`, `msctl_telemetry_dropped_total{at="store"} 4`} {
		if !strings.Contains(w.Body.String(), line+"\n") {
			t.Errorf("no %s in\n%s", line, w.Body)
		}
	}
}
