"""The figures as Prometheus metrics, computed at each scrape, for the most active programs and `other` for the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from pulse import metrics
from pulse.domain.board import Board, Figures
from pulse.domain.windows import Duration

_HOUR_SECONDS: Final = 3600.0


class PulseCollector(Collector):
    """Register it while the process runs. Shows nothing until `complete` says that the figures are whole."""

    def __init__(
        self, board: Board, clock: Callable[[], float], complete: Callable[[], bool], *, program_limit: int
    ) -> None:
        self._board = board
        self._clock = clock
        self._complete = complete
        self._program_limit = program_limit

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """The families without samples: what the registry asks for when this is registered."""
        return _families().values()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The families with the figures of now."""
        families = _families()
        families[metrics.FACTS].add_metric([], self._board.size())
        if not self._complete():
            return families.values()
        now = self._clock()
        self._board.forget(now)
        programs = self._board.most_active(now)
        families[metrics.PROGRAMS].add_metric([], len(programs))
        total = self._board.figures(now)
        for measure, duration in _durations(total):
            _add_duration(families[metrics.DURATION], families[metrics.SAMPLES], [measure], duration)
        if total.feedback.share is not None:
            families[metrics.FEEDBACK].add_metric([], total.feedback.share)
        for topic, types in total.events_per_minute.items():
            for name, rate in types.items():
                families[metrics.RATE].add_metric([topic, name], rate)
        for program_id in programs[: self._program_limit]:
            _add_program(families, str(program_id), self._board.figures(now, [program_id]))
        rest = programs[self._program_limit :]
        if rest:
            _add_program(families, "other", self._board.figures(now, rest))
        return families.values()


def _families() -> dict[str, GaugeMetricFamily]:
    return {name: GaugeMetricFamily(name, meaning, labels=labels) for name, (meaning, labels) in metrics.GAUGES.items()}


def _durations(figures: Figures) -> Iterator[tuple[str, Duration]]:
    yield "time_to_match", figures.time_to_match
    yield "match_to_scheduled", figures.match_to_scheduled
    yield "match_to_meeting", figures.match_to_meeting
    yield "time_to_answer", figures.feedback.time_to_answer


def _add_duration(
    family: GaugeMetricFamily, samples: GaugeMetricFamily, labels: Sequence[str], duration: Duration
) -> None:
    samples.add_metric(labels, duration.samples)
    for statistic in ("mean", "p50", "p90"):
        hours = getattr(duration, f"{statistic}_hours")
        if hours is not None:
            family.add_metric([*labels, statistic], hours * _HOUR_SECONDS)


def _add_program(families: dict[str, GaugeMetricFamily], program: str, figures: Figures) -> None:
    for measure, duration in _durations(figures):
        _add_duration(
            families[metrics.PROGRAM_DURATION], families[metrics.PROGRAM_SAMPLES], [program, measure], duration
        )
    if figures.feedback.share is not None:
        families[metrics.PROGRAM_FEEDBACK].add_metric([program], figures.feedback.share)
    families[metrics.PROGRAM_WAITING].add_metric([program], figures.waiting)
    families[metrics.PROGRAM_NOTIFICATIONS].add_metric([program, "sent"], figures.notifications_sent)
    families[metrics.PROGRAM_NOTIFICATIONS].add_metric([program, "failed"], figures.notifications_failed)
    rate = sum(rate for types in figures.events_per_minute.values() for rate in types.values())
    families[metrics.PROGRAM_RATE].add_metric([program], rate)
