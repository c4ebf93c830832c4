"""Intake's own metrics: name, type, meaning."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

REQUESTS = Counter(
    "mentorstream_intake_requests_total",
    "Partners' requests, by what became of them.",
    ["outcome"],  # accepted | repeated | malformed | invalid | forbidden | conflict
)
ERASURES = Counter("mentorstream_intake_erasures_total", "People erased.")
DENIED = Counter("mentorstream_intake_denied_total", "HTTP requests without a valid key or signature.")
IMPORT_ROWS = Histogram(
    "mentorstream_intake_import_rows", "Rows of an import.", buckets=(1, 10, 100, 1000, 5000, 10_000, 20_000)
)
