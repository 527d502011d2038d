package otlp

import (
	"context"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"msctl.dev/msctl/internal/telemetry"
	"msctl.dev/msctl/internal/telemetry/jaeger"
)

// TestWhole sends with OpenTelemetry's exporters to a receiver on the real stores, and finds what was sent
// by search, in Jaeger's API and in /metrics.
func TestWhole(t *testing.T) {
	dir := t.TempDir()
	store, err := telemetry.Open(dir, telemetry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	readings := telemetry.OpenMetrics(filepath.Join(dir, "metrics"), telemetry.MetricOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	go func() { ended <- store.Run(ctx) }()
	go func() { ended <- readings.Run(ctx) }()
	defer func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}()
	httpAddr, grpcAddr := run(t, &Receiver{Store: store, Metrics: readings, Handler: &jaeger.Handler{Store: store}})
	for _, transport := range []string{"http gzip", "grpc"} {
		spans, records, metrics := exporters(t, transport, httpAddr, grpcAddr)
		send(t, spans, records, metrics)
	}

	page, err := store.Search(ctx, telemetry.Query{Filter: `name="GET /v1/orders" user.id=u-42`})
	if err != nil || len(page.Traces) != 2 {
		t.Errorf("found %d traces, %v, want 2", len(page.Traces), err)
	}
	logs, err := store.Logs(ctx, telemetry.Query{Filter: "placed"})
	if err != nil || len(logs.Logs) != 2 {
		t.Errorf("found %d log records, %v, want 2", len(logs.Logs), err)
	}
	client := &http.Client{Timeout: 20 * time.Second}
	defer client.CloseIdleConnections()
	for path, want := range map[string]string{
		"/api/traces?service=" + page.Traces[0].Service: `"user.id"`,
		"/api/services": page.Traces[0].Service,
		"/metrics":      "orders_total{",
	} {
		res, err := client.Get("http://" + httpAddr + path)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != 200 || !strings.Contains(string(b), want) {
			t.Errorf("GET %s: %d %.300s, want %s in it", path, res.StatusCode, b, want)
		}
	}
}
