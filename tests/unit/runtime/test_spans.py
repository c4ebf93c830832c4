"""Spans where they are asked for: a request's goes on with the caller's trace, a batch's is linked to its events'."""

from __future__ import annotations

import subprocess
import sys

ASKED_FOR = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from mentorstream_runtime.tracing import batch_span, current_traceparent, request_span

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
incoming = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
with request_span("POST", incoming) as traceparent:
    assert traceparent[3:35] == "a" * 32 and traceparent != incoming, traceparent
    assert current_traceparent() == traceparent
with batch_span("matches", lambda: [traceparent, None, traceparent, "nonsense"]):
    pass
request, batch = exporter.get_finished_spans()
assert format(request.context.span_id, "016x") == traceparent[36:52]
assert format(request.parent.span_id, "016x") == "b" * 16
assert [link.context.span_id for link in batch.links] == [request.context.span_id]
print("spans", request.name, batch.name)
"""
NOT_ASKED_FOR = """
from mentorstream_runtime.tracing import batch_span, request_span

def never():
    raise AssertionError("asked for the traces of a batch that nobody sees")

incoming = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
with request_span("GET", incoming) as traceparent, batch_span("matches", never):
    assert traceparent == incoming
with request_span("GET", "nonsense") as traceparent:
    assert traceparent.startswith("00-") and len(traceparent) == 55
print("no spans")
"""


def run(program: str) -> str:
    """In a process of its own: a provider can be set once only."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_request_and_a_batch_have_spans_that_belong_together() -> None:
    assert run(ASKED_FOR) == "spans POST request matches process"


def test_without_a_provider_only_the_trace_context_travels() -> None:
    assert run(NOT_ASKED_FOR) == "no spans"
