package otlp

import (
	"context"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	otellog "go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/trace"
)

// TestSDK sends spans, records and metrics with OpenTelemetry's own exporters, over each transport.
func TestSDK(t *testing.T) {
	for _, transport := range []string{"http", "http gzip", "grpc", "grpc gzip"} {
		t.Run(transport, func(t *testing.T) {
			store := &memory{}
			r := &Receiver{Store: store, Metrics: store}
			httpAddr, grpcAddr := run(t, r)
			spans, records, readings := exporters(t, transport, httpAddr, grpcAddr)
			send(t, spans, records, readings)

			if n := len(store.traces); n != 1 {
				t.Fatalf("%d requests of spans, want 1", n)
			}
			span := store.traces[0].ResourceSpans[0].ScopeSpans[0].Spans[0]
			if span.Name != "GET /v1/orders" || len(span.TraceId) != 16 || span.Attributes[0].Value.GetStringValue() != "u-42" {
				t.Errorf("span arrived as %v", span)
			}
			if len(store.logs) != 1 || store.logs[0].ResourceLogs[0].ScopeLogs[0].LogRecords[0].Body.GetStringValue() != "order placed" {
				t.Errorf("records arrived as %v", store.logs)
			}
			if len(store.metrics) == 0 || store.metrics[0].ResourceMetrics[0].ScopeMetrics[0].Metrics[0].Name != "orders" {
				t.Errorf("metrics arrived as %v", store.metrics)
			}
			if c := r.Counts(); c.Requests < 3 || c.Malformed != 0 || c.Full != 0 {
				t.Errorf("counts %+v, want at least 3 requests and nothing refused", c)
			}
		})
	}
}

func exporters(t *testing.T, transport, httpAddr, grpcAddr string) (trace.SpanExporter, log.Exporter, metric.Exporter) {
	t.Helper()
	ctx := t.Context()
	var tc otlptrace.Client
	var records log.Exporter
	var readings metric.Exporter
	var err1, err2 error
	switch transport {
	case "http", "http gzip":
		zip := transport == "http gzip"
		tz, lz, mz := otlptracehttp.NoCompression, otlploghttp.NoCompression, otlpmetrichttp.NoCompression
		if zip {
			tz, lz, mz = otlptracehttp.GzipCompression, otlploghttp.GzipCompression, otlpmetrichttp.GzipCompression
		}
		tc = otlptracehttp.NewClient(otlptracehttp.WithInsecure(), otlptracehttp.WithEndpoint(httpAddr), otlptracehttp.WithCompression(tz))
		records, err1 = otlploghttp.New(ctx, otlploghttp.WithInsecure(), otlploghttp.WithEndpoint(httpAddr), otlploghttp.WithCompression(lz))
		readings, err2 = otlpmetrichttp.New(ctx, otlpmetrichttp.WithInsecure(), otlpmetrichttp.WithEndpoint(httpAddr), otlpmetrichttp.WithCompression(mz))
	default:
		to, lo, mo := []otlptracegrpc.Option{otlptracegrpc.WithInsecure(), otlptracegrpc.WithEndpoint(grpcAddr)},
			[]otlploggrpc.Option{otlploggrpc.WithInsecure(), otlploggrpc.WithEndpoint(grpcAddr)},
			[]otlpmetricgrpc.Option{otlpmetricgrpc.WithInsecure(), otlpmetricgrpc.WithEndpoint(grpcAddr)}
		if transport == "grpc gzip" {
			to, lo, mo = append(to, otlptracegrpc.WithCompressor("gzip")), append(lo, otlploggrpc.WithCompressor("gzip")), append(mo, otlpmetricgrpc.WithCompressor("gzip"))
		}
		tc = otlptracegrpc.NewClient(to...)
		records, err1 = otlploggrpc.New(ctx, lo...)
		readings, err2 = otlpmetricgrpc.New(ctx, mo...)
	}
	spans, err := otlptrace.New(ctx, tc)
	if err != nil || err1 != nil || err2 != nil {
		t.Fatal(err, err1, err2)
	}
	return spans, records, readings
}

// send uses each exporter once and shuts it down.
func send(t *testing.T, spans trace.SpanExporter, records log.Exporter, readings metric.Exporter) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tp := trace.NewTracerProvider(trace.WithBatcher(spans))
	_, span := tp.Tracer("test").Start(ctx, "GET /v1/orders")
	span.SetAttributes(attribute.String("user.id", "u-42"))
	span.End()
	lp := log.NewLoggerProvider(log.WithProcessor(log.NewBatchProcessor(records)))
	var rec otellog.Record
	rec.SetBody(attribute.StringValue("order placed"))
	lp.Logger("test").Emit(ctx, rec)
	mp := metric.NewMeterProvider(metric.WithReader(metric.NewPeriodicReader(readings)))
	counter, err := mp.Meter("test").Int64Counter("orders")
	if err != nil {
		t.Fatal(err)
	}
	counter.Add(ctx, 3)
	for _, shut := range []func(context.Context) error{tp.Shutdown, lp.Shutdown, mp.Shutdown} {
		if err := shut(ctx); err != nil {
			t.Errorf("shut provider down: %v", err)
		}
	}
}
