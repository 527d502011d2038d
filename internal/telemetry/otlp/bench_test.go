package otlp

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tpb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"msctl.dev/msctl/internal/telemetry"
)

// blind takes everything and looks at nothing: what is left is the cost of the receiver.
type blind struct{}

func (blind) IngestTraces([]byte) (telemetry.Result, error) { return telemetry.Result{}, nil }
func (blind) IngestLogs([]byte) (telemetry.Result, error)   { return telemetry.Result{}, nil }

// batch is a request of as many spans as SDKs send at once.
func batch(b *testing.B) []byte {
	var spans []*tpb.Span
	for range 512 {
		spans = append(spans, &tpb.Span{TraceId: bytes.Repeat([]byte{1}, 16), SpanId: bytes.Repeat([]byte{2}, 8), Name: "GET /v1/orders/{id}"})
	}
	body, err := proto.Marshal(&tracepb.ExportTraceServiceRequest{ResourceSpans: []*tpb.ResourceSpans{{ScopeSpans: []*tpb.ScopeSpans{{Spans: spans}}}}})
	if err != nil {
		b.Fatal(err)
	}
	return body
}

func BenchmarkReceive(b *testing.B) {
	body := batch(b)
	r := &Receiver{Store: blind{}, HTTP: listenLoopback(b), GRPC: listenLoopback(b)}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	defer func() {
		cancel()
		<-ended
	}()
	b.Run("http", func(b *testing.B) {
		client := &http.Client{}
		defer client.CloseIdleConnections()
		for b.Loop() {
			res, err := client.Post("http://"+r.HTTP.Addr().String()+"/v1/traces", asProto, bytes.NewReader(body))
			if err != nil {
				b.Fatal(err)
			}
			io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/512, "ns/span")
	})
	b.Run("grpc", func(b *testing.B) {
		conn := dial(b, r.GRPC.Addr().String())
		for b.Loop() {
			if err := conn.Invoke(ctx, "/"+signals[traces].service+"/Export", &body, new(mem.Buffer), forceRaw()); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/512, "ns/span")
	})
}
