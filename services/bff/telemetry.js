// Traces and metrics over OTLP, and W3C trace context through requests in any case.

import { ROOT_CONTEXT, SpanKind, SpanStatusCode, context, createContextKey, metrics, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core';

const correlationKey = createContextKey('correlation');
const exportTimeout = 3000; // ms; what a receiver misses is gone, and nobody waits for it

let requests; // histogram, once telemetry has started
let calls;

/**
 * Sends spans and metrics to OTEL_EXPORTER_OTLP_ENDPOINT, and resolves to what sends the rest. Where
 * nobody listens the SDK is not even loaded, and a caller's trace passes through.
 */
export async function start() {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new CompositePropagator({
    propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()],
  }));
  const off = process.env.OTEL_SDK_DISABLED === 'true' || !process.env.OTEL_EXPORTER_OTLP_ENDPOINT;
  const stop = off ? async () => {} : await load();
  const meter = metrics.getMeter('bff');
  requests = meter.createHistogram('http.server.request.duration', { unit: 's' });
  calls = meter.createHistogram('http.client.request.duration', { unit: 's' });
  meter.createObservableGauge('process.memory.usage', { unit: 'By' })
    .addCallback((r) => r.observe(process.memoryUsage.rss()));
  return stop;
}

async function load() {
  const [spans, traces, points, measures, resources] = await Promise.all([
    import('@opentelemetry/sdk-trace-base'), import('@opentelemetry/exporter-trace-otlp-proto'),
    import('@opentelemetry/sdk-metrics'), import('@opentelemetry/exporter-metrics-otlp-proto'),
    import('@opentelemetry/resources'),
  ]);
  const resource = resources.resourceFromAttributes({ 'service.name': 'bff' })
    .merge(resources.detectResources({ detectors: [resources.envDetector] }));
  const tracing = new spans.BasicTracerProvider({ resource, spanProcessors: [
    new spans.BatchSpanProcessor(new traces.OTLPTraceExporter({ timeoutMillis: exportTimeout })),
  ] });
  const metering = new points.MeterProvider({ resource, readers: [
    new points.PeriodicExportingMetricReader({ exportIntervalMillis: 10_000, exportTimeoutMillis: exportTimeout,
      exporter: new measures.OTLPMetricExporter({ timeoutMillis: exportTimeout }) }),
  ] });
  trace.setGlobalTracerProvider(tracing);
  metrics.setGlobalMeterProvider(metering);
  return () => Promise.race([
    Promise.allSettled([tracing.shutdown(), metering.shutdown()]),
    new Promise((done) => setTimeout(done, 1000).unref()),
  ]);
}

/** The correlation id of the request that is worked on, or undefined. */
export const correlation = () => context.active().getValue(correlationKey);

/** Works on a request under the trace that it carries. work returns the answer's status. */
export async function serving(req, route, id, work) {
  const from = propagation.extract(ROOT_CONTEXT, req.headers).setValue(correlationKey, id);
  const about = { 'http.request.method': req.method, 'http.route': route, 'correlation.id': id };
  const begun = performance.now();
  return inSpan(`${req.method} ${route}`, SpanKind.SERVER, about, from, async (span) => {
    const status = await work();
    span.setAttribute('http.response.status_code', status);
    if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
    requests?.record((performance.now() - begun) / 1000,
      { 'http.request.method': req.method, 'http.route': route, 'http.response.status_code': status });
  });
}

/** Calls a service: work is given the headers that carry the trace, and returns the answer. */
export async function calling(service, url, work) {
  const about = { 'http.request.method': 'GET', 'url.full': url, 'server.address': new URL(url).hostname,
    'server.port': Number(new URL(url).port), 'peer.service': service };
  const begun = performance.now();
  return inSpan('GET', SpanKind.CLIENT, about, context.active(), async (span) => {
    let status = 0;
    try {
      const headers = {};
      propagation.inject(context.active(), headers);
      const answer = await work(headers);
      status = answer.status;
      span.setAttribute('http.response.status_code', status);
      if (status >= 400) span.setStatus({ code: SpanStatusCode.ERROR });
      return answer;
    } finally {
      calls?.record((performance.now() - begun) / 1000, { 'peer.service': service, 'http.response.status_code': status });
    }
  });
}

function inSpan(name, kind, attributes, parent, work) {
  return trace.getTracer('bff').startActiveSpan(name, { kind, attributes }, parent, async (span) => {
    try {
      return await work(span);
    } catch (err) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: String(err) });
      throw err;
    } finally {
      span.end();
    }
  });
}
