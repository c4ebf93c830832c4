"""Trace context: carried from a request through every event that follows from it; spans only where asked for.

The W3C `traceparent` travels whether or not OpenTelemetry exports anything, so that logs of one story can be joined.
"""

from __future__ import annotations

import contextlib
import contextvars
import itertools
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from opentelemetry import trace
from opentelemetry.trace import Link, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from .settings import ProcessSettings

_TRACEPARENT: Final = re.compile(r"^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$")
_PROPAGATOR: Final = TraceContextTextMapPropagator()
_LINKS: Final = 100
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


@contextlib.contextmanager
def request_span(method: str, incoming: str | None) -> Iterator[str]:
    """The trace of one request, with a span of its own where spans are asked for. Gives the traceparent in force."""
    traceparent = begin_trace(incoming)
    if not _enabled():
        yield traceparent
        return
    with _tracer().start_as_current_span(
        f"{method} request", context=_PROPAGATOR.extract({"traceparent": traceparent}), kind=SpanKind.SERVER
    ):
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier)
        yield begin_trace(carrier.get("traceparent", traceparent))


@contextlib.contextmanager
def batch_span(topic: str, traceparents: Callable[[], Iterable[str | None]]) -> Iterator[None]:
    """A span around one batch, linked to the traces of its events (at most a hundred of them). Free when off."""
    if not _enabled():
        yield
        return
    distinct = itertools.islice(dict.fromkeys(text for text in traceparents() if text), _LINKS)
    contexts = [
        trace.get_current_span(_PROPAGATOR.extract({"traceparent": text})).get_span_context() for text in distinct
    ]
    links = [Link(context) for context in contexts if context.is_valid]
    with _tracer().start_as_current_span(f"{topic} process", kind=SpanKind.CONSUMER, links=links):
        yield


def start_tracing(service: str, settings: ProcessSettings) -> None:
    """Export spans by OTLP over HTTP, configured by the standard OTEL_* variables. Does nothing unless asked for."""
    if not settings.tracing:
        return
    # Loaded only where it is used: the exporter brings a client and a protocol of its own.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": f"mentorstream-{service}"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


def _enabled() -> bool:
    """Whether somebody set a provider: until then the API's own one makes spans that nobody sees."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def _tracer() -> trace.Tracer:
    return trace.get_tracer("mentorstream")
