"""Trace context: carried from a request through every event that follows from it; spans only where asked for.

The W3C `traceparent` travels whether or not OpenTelemetry exports anything, so that logs of one story can be joined.
"""

from __future__ import annotations

import contextvars
import re
import secrets
from typing import Final

from .settings import ProcessSettings

_TRACEPARENT: Final = re.compile(r"^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$")
_current: contextvars.ContextVar[str | None] = contextvars.ContextVar("traceparent", default=None)


def current_traceparent() -> str | None:
    """The trace context of the request under way."""
    return _current.get()


def begin_trace(incoming: str | None) -> str:
    """Go on with the caller's trace, or begin one. Returns the traceparent now in force."""
    if incoming is None or not _TRACEPARENT.match(incoming):
        incoming = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
    _current.set(incoming)
    return incoming


def start_tracing(service: str, settings: ProcessSettings) -> None:
    """Export spans by OTLP over HTTP, configured by the standard OTEL_* variables. Does nothing unless asked for."""
    if not settings.tracing:
        return
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": f"mentorstream-{service}"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
