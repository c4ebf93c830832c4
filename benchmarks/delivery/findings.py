"""What one run found: cases, ratios, and lines that tell of them. It makes no number up: what is missing, raises."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from .bed import Timing

AIMS: Final[Mapping[str, str]] = {
    "mentorstream_over_faust_stock": "≥ 15",
    "one_worker_over_limit": "≥ 0.75",
    "two_workers_over_limit": "≥ 0.85",
    "latency_p99_over_floor": "≤ 5",
    "intake_batches_over_bare_fastapi": "≥ 5",
    "intake_singles_over_bare_fastapi": "≥ 0.5",
    "cost_per_event_1m_over_10k": "≤ 1.2",
    "idle_share_of_a_core": "≤ 0.02",
}
"""Each ratio that a whole run has, and what it should be."""
_LEAST_SEEN: Final = 100


class Findings:
    """Gathers what is found, and says each of it at once."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.cases: list[dict[str, Any]] = []
        self.ratios: dict[str, float] = {}

    def rate(self, subject: str, stage: str, timings: Sequence[Timing], **more: object) -> float:
        """A case with a rate: the median of the turns. Returns events a second. Raises ValueError without events."""
        if not timings or min(timing.events for timing in timings) <= 0:
            raise ValueError(f"{subject}, {stage}: nothing was measured")
        middle = sorted(timings, key=lambda timing: timing.rate)[len(timings) // 2]
        self.cases.append({"subject": subject, "stage": stage, **_of(middle), "turns": len(timings), **more})
        self.say(f"{subject}, {stage}: {middle.rate:.0f} events/s, {middle.memory_mebibytes:.0f} MiB")
        return statistics.median(timing.rate for timing in timings)

    def latency(self, subject: str, stage: str, seconds: Sequence[float], **more: object) -> float:
        """A case with latencies. Returns the p99 in ms. Raises ValueError for so few that there is no p99."""
        if len(seconds) < _LEAST_SEEN:
            raise ValueError(f"{subject}, {stage}: {len(seconds)} were seen, too few for a 99th percentile")
        cuts = statistics.quantiles(seconds, n=100)
        p50, p99 = 1000 * cuts[49], 1000 * cuts[98]
        case = {"p50_ms": round(p50, 2), "p99_ms": round(p99, 2), "seen": len(seconds)}
        self.cases.append({"subject": subject, "stage": stage, **case, **more})
        self.say(f"{subject}, {stage}: p50 {p50:.1f} ms, p99 {p99:.1f} ms of {len(seconds)}")
        return p99

    def memory(self, subject: str, stage: str, mebibytes: float, **more: object) -> None:
        """A case of memory only."""
        self.cases.append({"subject": subject, "stage": stage, "memory_mebibytes": round(mebibytes), **more})
        self.say(f"{subject}, {stage}: {mebibytes:.0f} MiB")

    def idle(self, service: str, share: float) -> None:
        """A case of a service that has nothing to do: which share of a core it takes."""
        self.cases.append(
            {"subject": "mentorstream", "stage": f"{service} idle", "percent_of_a_core": round(100 * share, 2)}
        )
        self.say(f"mentorstream, {service} idle: {share:.2%} of a core")

    def ratio(self, name: str, value: float) -> None:
        """One of the ratios. Raises ValueError for what is none."""
        if name not in AIMS or not math.isfinite(value) or value <= 0:
            raise ValueError(f"{name} cannot be {value}")
        self.ratios[name] = value
        self.say(f"{name}: {value:.3g} ({AIMS[name]})")

    def missing(self) -> list[str]:
        """Ratios of a whole run that were not found."""
        return [name for name in AIMS if name not in self.ratios]


def _of(timing: Timing) -> dict[str, Any]:
    def per_thousand(seconds: float) -> float:
        return round(1000 * seconds / timing.events, 4)

    return {
        "events": timing.events,
        "events_per_second": round(timing.rate),
        "cpu_seconds_per_1000": per_thousand(timing.cpu.total),
        "cpu_seconds_per_1000_by_part": {
            "workers": per_thousand(timing.cpu.workers),
            "database": per_thousand(timing.cpu.database),
            "broker": per_thousand(timing.cpu.broker),
        },
        "memory_mebibytes": round(timing.memory_mebibytes),
    }
