"""Metrics of pulse: name, type, meaning, in one place. The figures are computed when they are scraped."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter

UNDECODABLE = Counter(
    "mentorstream_pulse_undecodable_total", "Records that contradict their contract, skipped.", ["topic", "reason"]
)
FAILURES = Counter("mentorstream_pulse_failures_total", "Events that raised while they were counted.", ["topic"])

# Gauges of the collector: name -> (meaning, labels). `program` is a program id, or `other` for all beyond the limit.
DURATION: Final = "mentorstream_pulse_duration_seconds"
SAMPLES: Final = "mentorstream_pulse_samples"
FEEDBACK: Final = "mentorstream_pulse_feedback_ratio"
RATE: Final = "mentorstream_pulse_events_per_minute"
PROGRAM_DURATION: Final = "mentorstream_pulse_program_duration_seconds"
PROGRAM_SAMPLES: Final = "mentorstream_pulse_program_samples"
PROGRAM_FEEDBACK: Final = "mentorstream_pulse_program_feedback_ratio"
PROGRAM_WAITING: Final = "mentorstream_pulse_program_waiting"
PROGRAM_NOTIFICATIONS: Final = "mentorstream_pulse_program_notifications"
PROGRAM_RATE: Final = "mentorstream_pulse_program_events_per_minute"
PROGRAMS: Final = "mentorstream_pulse_programs"
FACTS: Final = "mentorstream_pulse_facts"

# measure: time_to_match | match_to_scheduled | match_to_meeting | time_to_answer; statistic: mean | p50 | p90
GAUGES: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    DURATION: ("How long it took, over all programs, in the window.", ("measure", "statistic")),
    SAMPLES: ("How many of them there were.", ("measure",)),
    FEEDBACK: ("Share of the window's feedback requests that were answered, over all programs.", ()),
    RATE: ("Events a minute of business time, over all programs.", ("topic", "type")),
    PROGRAM_DURATION: ("How long it took in a program, in the window.", ("program", "measure", "statistic")),
    PROGRAM_SAMPLES: ("How many of them there were in a program.", ("program", "measure")),
    PROGRAM_FEEDBACK: ("Share of the window's feedback requests of a program that were answered.", ("program",)),
    PROGRAM_WAITING: ("Mentees of a program without a match now.", ("program",)),
    PROGRAM_NOTIFICATIONS: ("Notifications of a program in the window.", ("program", "outcome")),
    PROGRAM_RATE: ("Events a minute of business time in a program.", ("program",)),
    PROGRAMS: ("Programs that pulse knows.", ()),
    FACTS: ("Facts and samples in memory.", ()),
}
