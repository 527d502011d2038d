"""Traces and metrics over OTLP, and W3C trace context through messages in any case."""

import contextlib
import contextvars
import os
import time
from dataclasses import replace
from typing import Callable, Iterator

from opentelemetry import metrics, propagate, trace

import message
from message import Broker, Message

correlation: contextvars.ContextVar[str] = contextvars.ContextVar("correlation", default="")

tracer = trace.get_tracer("push")
duration = metrics.get_meter("push").create_histogram("messaging.process.duration", "s")


def start() -> Callable[[], None]:
    """Sends spans and metrics to OTEL_EXPORTER_OTLP_ENDPOINT. Returns what sends the rest.

    Where nobody listens the SDK is not even loaded.
    """
    off = os.environ.get("OTEL_SDK_DISABLED") == "true"
    if off or not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        return lambda: None
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    quiet()
    spans = TracerProvider()
    spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=3)))
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(timeout=3), 10_000)
    meters = MeterProvider(metric_readers=[reader])
    trace.set_tracer_provider(spans)
    metrics.set_meter_provider(meters)

    def stop() -> None:
        spans.shutdown()
        meters.shutdown(timeout_millis=1000)
    return stop


def quiet() -> None:
    """A receiver that is away is no news."""
    import logging

    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)


@contextlib.contextmanager
def processing(queue: str, m: Message) -> Iterator[None]:
    """Works under the trace and correlation id that the message carries."""
    token = correlation.set(m.header.get(message.HEADER_CORRELATION, ""))
    begun = time.monotonic()
    try:
        with tracer.start_as_current_span(
            "process " + queue, propagate.extract(m.header), trace.SpanKind.CONSUMER, describe(m)
        ):
            yield
    finally:
        duration.record(time.monotonic() - begun, {"messaging.destination.name": queue})
        correlation.reset(token)


async def publish(broker: Broker, m: Message) -> None:
    """Publishes under the trace and correlation id of the work that is being done."""
    with tracer.start_as_current_span("publish " + m.key, kind=trace.SpanKind.PRODUCER,
                                      attributes=describe(m)):
        header = {**m.header, message.HEADER_ID: m.id}
        if correlation.get():
            header[message.HEADER_CORRELATION] = correlation.get()
        propagate.inject(header)
        await broker.publish(replace(m, header=header))


def describe(m: Message) -> dict[str, str]:
    return {
        "messaging.destination.name": m.exchange,
        "messaging.routing_key": m.key,
        "messaging.message.id": m.id,
        "correlation.id": m.header.get(message.HEADER_CORRELATION, ""),
    }
