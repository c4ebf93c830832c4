"""Finds times that fit, books series of meetings and ends them."""

from __future__ import annotations

from mentorstream_runtime.process import Parts, Runtime
from scheduling.adapters.restoring import ScheduleRestorer
from scheduling.entrypoints.consumer import DECIDED, MatchesHandler
from scheduling.entrypoints.http import build_api
from scheduling.entrypoints.timer import EndOfMeetings
from scheduling.settings import SchedulingSettings


def build(runtime: Runtime[SchedulingSettings]) -> Parts:
    """Wire scheduling together; the only place that does."""
    return Parts(
        readers={"matches": lambda: MatchesHandler(runtime.clock)},
        timers=[EndOfMeetings(runtime)],
        api=build_api(runtime),
        restorer=ScheduleRestorer(),
        rereaders={"matches": lambda: MatchesHandler(runtime.clock, DECIDED)},
    )
