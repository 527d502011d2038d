package cli

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"msctl.dev/msctl/internal/proxy"
	"msctl.dev/msctl/internal/telemetry"
)

// shelf is a store that remembers its batches, and may be full.
type shelf struct {
	mu      sync.Mutex
	batches [][]telemetry.Span
	full    bool
}

func (s *shelf) AddSpans(spans []telemetry.Span) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full {
		return telemetry.ErrFull
	}
	s.batches = append(s.batches, spans)
	return nil
}

// TestRecorder checks that calls are stored soon, some at a time, and at the end all of them.
func TestRecorder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := newRecorder(strings.ToLower), &shelf{}
		ctx, cancel := context.WithCancel(t.Context())
		var ended sync.WaitGroup
		ended.Go(func() { r.run(ctx, s) })
		for range 3 {
			r.record(proxy.Call{From: "web", To: "api"})
		}
		time.Sleep(callsDelay + time.Millisecond)
		synctest.Wait()
		if len(s.batches) != 1 || len(s.batches[0]) != 3 {
			t.Fatalf("got %d batches", len(s.batches))
		}
		for range callsAtOnce + 10 {
			r.record(proxy.Call{From: "web", To: "api"})
		}
		synctest.Wait()
		cancel()
		ended.Wait()
		if len(s.batches) != 3 || len(s.batches[1]) != callsAtOnce || len(s.batches[2]) != 10 {
			t.Errorf("got %d batches", len(s.batches))
		}
		for range callsWaiting + 5 {
			r.record(proxy.Call{})
		}
		if got := r.dropped.Load(); got != 5 {
			t.Errorf("%d dropped, want 5", got)
		}
		s.full = true
		r.run(ctx, s)
		if got := r.dropped.Load(); got != 5+callsWaiting {
			t.Errorf("%d dropped by a full store, want %d", got, 5+callsWaiting)
		}
	})
}

// TestSpan checks what becomes of a call.
func TestSpan(t *testing.T) {
	r := newRecorder(func(s string) string { return strings.ReplaceAll(s, "canary", "***") })
	start := time.Unix(1000, 0)
	call := proxy.Call{
		From: "web", To: "api", Protocol: "http", Unit: "api-2", Trace: [16]byte{1}, Span: [8]byte{2}, Parent: [8]byte{3}, Inferred: true,
		Name: "GET /canary", Start: start, Duration: time.Second, Code: 503, Err: "HTTP 503", Sent: 10, Received: 20,
		Attrs: []proxy.Attr{{Key: "http.response.status_code", Value: "503"}, {Key: "url.path", Value: "/canary"}}, Faults: []string{"latency 1s"},
	}
	want := telemetry.Span{
		Trace: telemetry.TraceID{1}, ID: telemetry.SpanID{2}, Parent: telemetry.SpanID{3}, Service: "web", Name: "GET /***",
		Kind: telemetry.Client, Start: start, Duration: time.Second, Status: telemetry.Failed, Message: "HTTP 503", Edge: "web:api", Scope: "msctl",
		Attrs: []telemetry.Attr{
			{Key: "peer.service", Value: "api"}, {Key: "network.protocol.name", Value: "http"},
			{Key: "http.response.status_code", Value: int64(503)}, {Key: "url.path", Value: "/***"}, {Key: "msctl.unit", Value: "api-2"},
			{Key: "msctl.sent", Value: int64(10)}, {Key: "msctl.received", Value: int64(20)}, {Key: "msctl.inferred", Value: true},
			{Key: "msctl.faults", Value: "latency 1s"},
		},
	}
	if diff := cmp.Diff(want, r.span(call)); diff != "" {
		t.Errorf("span (-want +got):\n%s", diff)
	}
	call.From = ""
	if got := r.span(call); got.Service != "api" || got.Kind != telemetry.Server || got.Edge != ":api" || got.Instance != "api-2" {
		t.Errorf("from outside: %+v", got)
	}
}
