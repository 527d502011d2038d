package otlp

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	logspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"msctl.dev/msctl/internal/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a store that decodes with the official structs and keeps everything.
type memory struct {
	mu      sync.Mutex
	full    bool // refuse with ErrFull
	answer  telemetry.Result
	traces  []*tracepb.ExportTraceServiceRequest
	logs    []*logspb.ExportLogsServiceRequest
	metrics []*metricspb.ExportMetricsServiceRequest
	last    []telemetry.Series
	got     chan struct{} // one token for each accepted request, when it is not nil
}

func take[T proto.Message](m *memory, into *[]T, req T, body []byte) (telemetry.Result, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.full {
		return telemetry.Result{}, telemetry.ErrFull
	}
	if err := proto.Unmarshal(body, req); err != nil {
		return telemetry.Result{}, err
	}
	*into = append(*into, req)
	if m.got != nil {
		m.got <- struct{}{}
	}
	return m.answer, nil
}

func (m *memory) IngestTraces(b []byte) (telemetry.Result, error) {
	return take(m, &m.traces, new(tracepb.ExportTraceServiceRequest), b)
}

func (m *memory) IngestLogs(b []byte) (telemetry.Result, error) {
	return take(m, &m.logs, new(logspb.ExportLogsServiceRequest), b)
}

func (m *memory) IngestMetrics(b []byte) (telemetry.Result, error) {
	return take(m, &m.metrics, new(metricspb.ExportMetricsServiceRequest), b)
}

func (m *memory) Last(time.Time) []telemetry.Series { return m.last }

func (m *memory) setFull(full bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.full = full
}

// run starts a receiver on loopback and ends it with the test.
func run(t *testing.T, r *Receiver) (httpAddr, grpcAddr string) {
	t.Helper()
	r.HTTP, r.GRPC = listenLoopback(t), listenLoopback(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("run receiver: %v", err)
			}
		case <-time.After(30 * time.Second):
			t.Error("receiver did not end")
		}
	})
	return r.HTTP.Addr().String(), r.GRPC.Addr().String()
}

func listenLoopback(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}
