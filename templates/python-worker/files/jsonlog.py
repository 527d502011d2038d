"""JSON logs on standard output, with the keys of the fleet's other services."""

import json
import logging
import sys
from datetime import datetime, timezone

from opentelemetry import trace

import telemetry

KNOWN = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Formatter(logging.Formatter):
    """One JSON object a line: time, level, msg, what was said with extra=, trace, correlation."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, timezone.utc)
        out = {"time": at.isoformat(), "level": level(record.levelno), "msg": record.getMessage()}
        out |= {k: v for k, v in vars(record).items() if k not in KNOWN}
        if record.exc_info:
            out["err"] = self.formatException(record.exc_info)
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            out["trace"] = trace.format_trace_id(span.trace_id)
        if telemetry.correlation.get():
            out["correlation"] = telemetry.correlation.get()
        return json.dumps(out, default=str, ensure_ascii=False)


def level(n: int) -> str:
    return "WARN" if n == logging.WARNING else logging.getLevelName(n)


def start(least: str) -> None:
    """Logs from the level of that name on: debug, info, warn or error."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(Formatter())
    logging.basicConfig(level={"warn": "WARNING"}.get(least, least.upper()), handlers=[handler])
    for name in ("aio_pika", "aiormq", "nats", "aiohttp"):
        logging.getLogger(name).setLevel(logging.ERROR)
