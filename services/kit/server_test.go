package kit

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"go.opentelemetry.io/otel"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// TestRoute gives a span the route that the service's own mux found, not that of the mux around it.
func TestRoute(t *testing.T) {
	spans, before := tracetest.NewSpanRecorder(), otel.GetTracerProvider()
	otel.SetTracerProvider(sdk.NewTracerProvider(sdk.WithSpanProcessor(spans)))
	defer otel.SetTracerProvider(before)
	app := testApp(t, io.Discard, nil)
	app.Traced = true
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", func(http.ResponseWriter, *http.Request) {})
	h := app.Handler(mux)
	for _, path := range []string{"/orders/7", "/nowhere"} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
	}
	want := []struct{ name, route string }{{"GET /orders/{id}", "/orders/{id}"}, {"GET", ""}}
	for i, s := range spans.Ended() {
		got := ""
		for _, a := range s.Attributes() {
			if a.Key == "http.route" {
				got = a.Value.AsString()
			}
		}
		if s.Name() != want[i].name || got != want[i].route {
			t.Errorf("got span %q with route %q, want %v", s.Name(), got, want[i])
		}
	}
	if n := len(spans.Ended()); n != len(want) {
		t.Errorf("got %d spans", n)
	}
}
