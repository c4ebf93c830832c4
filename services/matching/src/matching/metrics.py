"""Metrics of matching: name, type, meaning, in one place.

The gauges by program are read from the pools in memory when somebody scrapes, so they cost nothing in between, and a
program that moved to another process is gone from here with its pool.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Protocol
from weakref import WeakSet

from prometheus_client import REGISTRY, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from matching.domain.pool import Pool

DECISION_SECONDS = Histogram(
    "mentorstream_matching_decision_seconds",
    "Time to decide one event, of every sixteenth event.",
    ["event"],
    buckets=(0.00001, 0.00003, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0),
)
ROUNDS = Counter(
    "mentorstream_matching_rounds_total",
    "Rounds, by what came of them; drafted ones once more when they are published or discarded.",
    ["outcome"],  # applied | drafted | gated | discarded | published | failed
)
ROUND_GAP = Histogram(
    "mentorstream_matching_round_gap",
    "Share of the upper bound that may be missing from a round's value.",
    buckets=(0.0, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0),
)
SOLVE_SECONDS = Histogram(
    "mentorstream_matching_solve_seconds",
    "Time to solve a round, from its stored input to its answer.",
    buckets=(0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0),
)
SOLVER_FAILURES = Counter(
    "mentorstream_matching_solver_failures_total", "Attempts to solve a round that failed, by error.", ["error"]
)
ANSWERS = Counter(
    "mentorstream_matching_answers_total",
    "Answers to proposals, by what became of them.",
    ["outcome"],  # accept | decline | repeated | closed | invalid
)

COORDINATOR_REQUESTS = Counter(
    "mentorstream_matching_coordinator_requests_total",
    "What coordinators asked for, by kind.",
    ["kind"],  # end | rematch | run | publish | discard | request_mentors
)
COORDINATORS_DENIED = Counter(
    "mentorstream_matching_coordinators_denied_total", "Requests and logins of coordinators without a valid key."
)
CHOICES = Counter(
    "mentorstream_matching_choices_total",
    "Lists of mentors that mentees handed in on their page, by what became of them.",
    ["outcome"],  # taken | repeated | closed | invalid
)


class Holder(Protocol):
    """Something that holds pools in memory."""

    def pools(self) -> Iterable[Pool]:
        """The pools it holds now."""
        ...


class PoolCollector(Collector):
    """Waiting mentees, free places and live matches of every program in memory."""

    def __init__(self) -> None:
        self.holders: WeakSet[Holder] = WeakSet()

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """The families without samples."""
        yield from self._families()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One sample of each family for each program."""
        waiting, free, live = families = self._families()
        for holder in list(self.holders):
            for pool in list(holder.pools()):
                program = [str(pool.program.program_id)]
                waiting.add_metric(program, len(pool.waiting))
                free.add_metric(program, int(pool.facts.free.sum()))
                live.add_metric(program, len(pool.matches))
        yield from families

    @staticmethod
    def _families() -> tuple[GaugeMetricFamily, GaugeMetricFamily, GaugeMetricFamily]:
        return (
            GaugeMetricFamily("mentorstream_matching_waiting_mentees", "Mentees without a mentor.", labels=["program"]),
            GaugeMetricFamily(
                "mentorstream_matching_free_places", "Places that mentors have left.", labels=["program"]
            ),
            GaugeMetricFamily(
                "mentorstream_matching_live_matches", "Proposals and running matches.", labels=["program"]
            ),
        )


POOLS: Final = PoolCollector()
REGISTRY.register(POOLS)
