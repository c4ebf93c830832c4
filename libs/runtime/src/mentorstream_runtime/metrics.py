"""Every metric of the runtime: name, type, meaning, in one place. A service declares its own in its `metrics.py`."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)

RECORDS = Counter(
    "mentorstream_records_total",
    "Records taken from a topic, by what became of them.",
    ["topic", "outcome"],  # handled | skipped | repeated | dead
)
LAG = Gauge(
    "mentorstream_consumer_lag_records", "Records of an owned partition not yet committed.", ["topic", "partition"]
)
BATCH_RECORDS = Histogram(
    "mentorstream_batch_records",
    "Records in a committed batch.",
    ["topic"],
    buckets=(1, 10, 100, 500, 1000, 2000, 4000),
)
BATCH_SECONDS = Histogram(
    "mentorstream_batch_seconds", "Time from the lock to the commit of a batch.", ["topic"], buckets=_SECONDS
)
BATCH_RETRIES = Counter(
    "mentorstream_batch_retries_total",
    "Batches tried again.",
    ["topic", "why"],  # infrastructure | conflict | failure
)
FENCED = Counter("mentorstream_fenced_total", "Batches dropped because another process owns the partition.", ["topic"])
CLAIMS = Counter("mentorstream_partition_claims_total", "Partitions taken over by this process.", ["topic"])
SEQUENCE_GAPS = Counter(
    "mentorstream_sequence_gaps_total", "Events missing before one that arrived.", ["topic", "source"]
)
HALTED = Gauge("mentorstream_consumer_halted", "1 while the consumer waits for an operator.", ["reason"])
DEAD_LETTERS = Counter("mentorstream_dead_letters_total", "Records put aside.", ["topic", "reason"])
OUTBOX_DEPTH = Gauge("mentorstream_outbox_depth", "Events decided and not yet acknowledged by the broker.")
OUTBOX_AGE_SECONDS = Gauge("mentorstream_outbox_age_seconds", "Age of the oldest event in the outbox.")
PUBLISHED = Counter("mentorstream_published_total", "Events acknowledged by the broker.", ["topic"])
RELAY_FAILURES = Counter("mentorstream_relay_failures_total", "Publishing attempts that failed.", ["error"])
RELAY_LANES = Gauge("mentorstream_relay_lanes", "Outbox lanes held by this process.")
TIMER_RUNS = Counter("mentorstream_timer_items_total", "Due items taken by a timer.", ["timer"])
TIMER_FAILURES = Counter("mentorstream_timer_failures_total", "Timer runs that failed.", ["timer", "error"])
HTTP_SECONDS = Histogram(
    "mentorstream_http_seconds", "Time to answer a request.", ["method", "route", "status"], buckets=_SECONDS
)
LOOP_DELAY_SECONDS = Histogram(
    "mentorstream_loop_delay_seconds", "How late the event loop ran what was due.", buckets=_SECONDS
)
HOST_CLOCK_OFFSET_SECONDS = Gauge(
    "mentorstream_host_clock_offset_seconds", "How far this host's clock is ahead of the database's."
)
READY = Gauge("mentorstream_ready", "1 while the process is ready for work.")
