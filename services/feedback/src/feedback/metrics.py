"""Metrics of feedback: name, type, meaning, in one place."""

from __future__ import annotations

from prometheus_client import Counter

ANSWERS = Counter(
    "mentorstream_feedback_answers_total",
    "Answers sent, by what became of them.",
    ["outcome"],  # accepted | repeated | answered | closed | invalid
)
