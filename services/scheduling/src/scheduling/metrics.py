"""Every metric of scheduling, in one place."""

from __future__ import annotations

from prometheus_client import Counter

MOVED = Counter(
    "mentorstream_scheduling_moved_total", "Occurrences booked, or meetings moved, to another time of their week."
)
SKIPPED = Counter(
    "mentorstream_scheduling_skipped_total",
    "Occurrences, or meetings of changed matches, that had no time in their week.",
)
