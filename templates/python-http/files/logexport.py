"""Logs over OTLP, beside those on standard output."""

import logging
from contextvars import ContextVar
from typing import Callable

from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

KNOWN = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
SEVERITY = {logging.DEBUG: SeverityNumber.DEBUG, logging.INFO: SeverityNumber.INFO, logging.WARNING: SeverityNumber.WARN,
            logging.ERROR: SeverityNumber.ERROR, logging.CRITICAL: SeverityNumber.FATAL}


def start(correlation: ContextVar[str]) -> Callable[[], None]:
    """Sends what is logged from now on. Returns what sends the rest."""
    provider = LoggerProvider()
    provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(timeout=3)))
    handler = Handler(provider, correlation)
    logging.getLogger().addHandler(handler)

    def stop() -> None:
        logging.getLogger().removeHandler(handler)
        provider.shutdown()
    return stop


class Handler(logging.Handler):
    """Sends a record with what was said with extra=, its trace, and its correlation id."""

    def __init__(self, provider: LoggerProvider, correlation: ContextVar[str]) -> None:
        super().__init__()
        self.provider, self.correlation = provider, correlation

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith("opentelemetry"):  # else a failed export would be exported
            return
        about = {k: v if isinstance(v, (str, bool, int, float)) else str(v) for k, v in vars(record).items() if k not in KNOWN}
        if record.exc_info:
            about["exception.stacktrace"] = logging.Formatter().formatException(record.exc_info)
        if self.correlation.get():
            about["correlation.id"] = self.correlation.get()
        self.provider.get_logger(record.name).emit(
            timestamp=int(record.created * 1e9), severity_number=SEVERITY.get(record.levelno, SeverityNumber.UNSPECIFIED),
            severity_text="WARN" if record.levelno == logging.WARNING else record.levelname,
            body=record.getMessage(), attributes=about)
