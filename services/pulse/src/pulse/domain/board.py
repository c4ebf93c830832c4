"""All programs and their figures. Pure: the time is an argument or the newest event's, and nothing is read or written.

Refuses nothing; forgets programs of which nothing was heard within the horizon.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from pulse.domain.program import ProgramPulse, Spans
from pulse.domain.windows import Duration, summarise

_SWEEPS_A_WINDOW: Final = 28


@dataclass(frozen=True, slots=True)
class Feedback:
    """Requests of the window, by when they were asked: how many were answered since, their share, how fast."""

    requested: int
    submitted: int
    share: float | None
    time_to_answer: Duration


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one program, or of several together.

    `time_to_match`: from a mentee's first registration to their first match; `match_to_scheduled` and
    `match_to_meeting`: from a match to its first meeting booked, and held. `waiting`: mentees without a match now.
    `events_per_minute`: by topic and type.
    """

    time_to_match: Duration
    match_to_scheduled: Duration
    match_to_meeting: Duration
    feedback: Feedback
    waiting: int
    notifications_sent: int
    notifications_failed: int
    events_per_minute: Mapping[str, Mapping[str, float]]


class Board:
    """The pulse of every program."""

    def __init__(self, spans: Spans) -> None:
        self.spans = spans
        self.newest_at = 0.0
        self._programs: dict[UUID, ProgramPulse] = {}
        self._swept_at = 0.0

    def note(self, program_id: UUID, kind: tuple[str, str], at: float, now: float) -> ProgramPulse | None:
        """Count an event of a kind, (topic, type). Its program; None where the event is beyond the horizon."""
        if at <= now - self.spans.horizon_seconds:
            return None
        self.newest_at = max(self.newest_at, at)
        self.forget(now)
        program = self._programs.get(program_id)
        if program is None:
            program = self._programs[program_id] = ProgramPulse(self.spans)
        program.count(kind, at, now)
        return program

    def forget(self, now: float) -> None:
        """Drop what left the windows, now and then: it costs a look at everything."""
        if now - self._swept_at < self.spans.window_seconds / _SWEEPS_A_WINDOW:
            return
        self._swept_at = now
        self._programs = {key: program for key, program in self._programs.items() if not program.forget(now)}

    def most_active(self, now: float) -> list[UUID]:
        """The programs, those with the most events in the window first."""
        totals = {key: program.events.total(now) for key, program in self._programs.items()}
        return sorted(totals, key=lambda key: (-totals[key], key))

    def size(self) -> int:
        """Facts and samples held."""
        return sum(program.size() for program in self._programs.values())

    def __contains__(self, program_id: object) -> bool:
        return program_id in self._programs

    def __len__(self) -> int:
        return len(self._programs)

    def figures(self, now: float, program_ids: Iterable[UUID] | None = None) -> Figures:
        """The figures of these programs together; of all where none are named. Raises KeyError for an unknown one."""
        programs = list(
            self._programs.values() if program_ids is None else map(self._programs.__getitem__, program_ids)
        )
        start = now - self.spans.window_seconds
        return Figures(
            time_to_match=summarise(each.time_to_match.since(start) for each in programs),
            match_to_scheduled=summarise(each.match_to_scheduled.since(start) for each in programs),
            match_to_meeting=summarise(each.match_to_held.since(start) for each in programs),
            feedback=_feedback(programs, now, start),
            waiting=sum(each.waiting(now) for each in programs),
            notifications_sent=sum(each.sent.total(now) for each in programs),
            notifications_failed=sum(each.failed.total(now) for each in programs),
            events_per_minute=self._rates(programs, now),
        )

    def _rates(self, programs: Collection[ProgramPulse], now: float) -> dict[str, dict[str, float]]:
        totals: dict[tuple[str, str], int] = {}
        for program in programs:
            for kind, counts in program.by_kind.items():
                totals[kind] = totals.get(kind, 0) + counts.total(now)
        rates: dict[str, dict[str, float]] = {}
        for (topic, name), total in sorted(totals.items()):
            if total:
                rates.setdefault(topic, {})[name] = total / (self.spans.rate_seconds / 60)
        return rates


def _feedback(programs: Collection[ProgramPulse], now: float, start: float) -> Feedback:
    answers = summarise(each.answers.since(start) for each in programs)
    requested = answers.samples + sum(each.unanswered(now) for each in programs)
    return Feedback(requested, answers.samples, answers.samples / requested if requested else None, answers)
