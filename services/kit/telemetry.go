package kit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/contrib/instrumentation/runtime"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// telemetry is where traces, metrics and logs go.
type telemetry struct {
	on   bool
	logs slog.Handler // nil when off
	stop func(context.Context) error
}

// exportTimeout bounds one export. Nothing is retried: what a local receiver misses is gone, and a
// service never waits for it.
const exportTimeout = 3 * time.Second

// startTelemetry sends traces, metrics and logs to OTEL_EXPORTER_OTLP_ENDPOINT (http/protobuf).
// Where that is not set only the propagation of a caller's trace remains, and it costs nothing.
func startTelemetry(ctx context.Context, name string, env Env) (telemetry, error) {
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(
		propagation.TraceContext{}, propagation.Baggage{}))
	endpoint := strings.TrimRight(env("OTEL_EXPORTER_OTLP_ENDPOINT"), "/")
	if endpoint == "" || env("OTEL_SDK_DISABLED") == "true" {
		return telemetry{stop: func(context.Context) error { return nil }}, nil
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {})) // a receiver that is away is no news
	res, err := newResource(name, env)
	if err != nil {
		return telemetry{}, err
	}
	traces, err := newTracer(ctx, endpoint, res)
	if err != nil {
		return telemetry{}, err
	}
	metrics, err := newMeter(ctx, endpoint, res)
	if err != nil {
		return telemetry{}, err
	}
	logs, err := newLogs(ctx, endpoint, res)
	if err != nil {
		return telemetry{}, err
	}
	return telemetry{
		on:   true,
		logs: otelslog.NewHandler(name, otelslog.WithLoggerProvider(logs)),
		stop: func(ctx context.Context) error {
			return errors.Join(traces.Shutdown(ctx), metrics.Shutdown(ctx), logs.Shutdown(ctx))
		},
	}, nil
}

func newResource(name string, env Env) (*resource.Resource, error) {
	attrs := []attribute.KeyValue{attribute.String("service.name", name)}
	for pair := range strings.SplitSeq(env("OTEL_RESOURCE_ATTRIBUTES"), ",") {
		key, value, ok := strings.Cut(pair, "=")
		if pair != "" && !ok {
			return nil, fmt.Errorf("read OTEL_RESOURCE_ATTRIBUTES: %q is not key=value", pair)
		}
		if ok {
			attrs = append(attrs, attribute.String(strings.TrimSpace(key), strings.TrimSpace(value)))
		}
	}
	return resource.Merge(resource.Default(), resource.NewSchemaless(attrs...))
}

func newTracer(ctx context.Context, endpoint string, res *resource.Resource) (
	*sdktrace.TracerProvider, error) {
	exp, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint+"/v1/traces"),
		otlptracehttp.WithTimeout(exportTimeout),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{}))
	if err != nil {
		return nil, fmt.Errorf("make trace exporter: %w", err)
	}
	p := sdktrace.NewTracerProvider(sdktrace.WithResource(res), sdktrace.WithBatcher(exp)) // OTEL_BSP_SCHEDULE_DELAY says how soon
	otel.SetTracerProvider(p)
	return p, nil
}

func newMeter(ctx context.Context, endpoint string, res *resource.Resource) (
	*sdkmetric.MeterProvider, error) {
	exp, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(endpoint+"/v1/metrics"),
		otlpmetrichttp.WithTimeout(exportTimeout),
		otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{}))
	if err != nil {
		return nil, fmt.Errorf("make metric exporter: %w", err)
	}
	p := sdkmetric.NewMeterProvider(sdkmetric.WithResource(res), sdkmetric.WithReader(
		sdkmetric.NewPeriodicReader(exp, sdkmetric.WithInterval(10*time.Second))))
	otel.SetMeterProvider(p)
	return p, runtime.Start(runtime.WithMeterProvider(p))
}

func newLogs(ctx context.Context, endpoint string, res *resource.Resource) (
	*sdklog.LoggerProvider, error) {
	exp, err := otlploghttp.New(ctx, otlploghttp.WithEndpointURL(endpoint+"/v1/logs"),
		otlploghttp.WithTimeout(exportTimeout), otlploghttp.WithRetry(otlploghttp.RetryConfig{}))
	if err != nil {
		return nil, fmt.Errorf("make log exporter: %w", err)
	}
	return sdklog.NewLoggerProvider(sdklog.WithResource(res),
		sdklog.WithProcessor(sdklog.NewBatchProcessor(exp))), nil
}
