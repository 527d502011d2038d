package otlp

import (
	"encoding/json"
	"strconv"

	logspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"msctl.dev/msctl/internal/telemetry"
)

// signal is one of the three things that OTLP carries.
type signal int

const (
	traces signal = iota
	logs
	metrics
)

var signals = [...]struct {
	path     string // of OTLP/HTTP
	service  string // of OTLP/gRPC
	rejected string // field of the partial success, in JSON
	request  func() proto.Message
}{
	traces: {"/v1/traces", "opentelemetry.proto.collector.trace.v1.TraceService", "rejectedSpans",
		func() proto.Message { return new(tracepb.ExportTraceServiceRequest) }},
	logs: {"/v1/logs", "opentelemetry.proto.collector.logs.v1.LogsService", "rejectedLogRecords",
		func() proto.Message { return new(logspb.ExportLogsServiceRequest) }},
	metrics: {"/v1/metrics", "opentelemetry.proto.collector.metrics.v1.MetricsService", "rejectedDataPoints",
		func() proto.Message { return new(metricspb.ExportMetricsServiceRequest) }},
}

// answer encodes an Export…ServiceResponse. The three have the same numbers: partial_success is 1, in it
// the rejected count 1 and the message 2.
func answer(res telemetry.Result) []byte {
	if res.Rejected == 0 && res.Err == "" {
		return nil
	}
	var partial []byte
	if res.Rejected != 0 {
		partial = protowire.AppendTag(partial, 1, protowire.VarintType)
		partial = protowire.AppendVarint(partial, uint64(res.Rejected))
	}
	partial = protowire.AppendTag(partial, 2, protowire.BytesType)
	partial = protowire.AppendString(partial, res.Err)
	return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), partial)
}

// answerJSON is answer for senders of JSON.
func answerJSON(sig signal, res telemetry.Result) []byte {
	if res.Rejected == 0 && res.Err == "" {
		return []byte("{}")
	}
	b, _ := json.Marshal(map[string]any{"partialSuccess": map[string]string{
		signals[sig].rejected: strconv.FormatInt(res.Rejected, 10), "errorMessage": res.Err,
	}})
	return b
}
