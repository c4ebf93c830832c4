"""`GET /v1/pulse`: the figures as JSON. They speak of programs by id only, never of people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import FastAPI, Query

from mentorstream_runtime.http import Problem, create_app, unavailable
from pulse.domain.board import Board, Figures
from pulse.entrypoints.reader import Reader
from pulse.settings import PulseSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One program."""

    program_id: UUID
    figures: Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """All figures at `as_of`, in business time. `program_count` is how many there are, shown or not."""

    as_of: datetime
    window_days: float
    rate_minutes: int
    program_count: int
    total: Figures
    programs: list[Program]


def build_api(settings: PulseSettings, board: Board, reader: Reader, clock: Callable[[], float]) -> FastAPI:
    """The application: one route."""
    app = create_app(
        settings,
        title="Mentorstream pulse",
        description="Live figures per program over windows of business time, derived from the topics and disposable.",
    )

    @app.get(
        "/v1/pulse",
        summary="Figures per program and in total",
        responses={
            404: {"description": "Nothing was heard of this program."},
            503: {"description": "The topics are still being read; the figures would be wrong."},
        },
    )
    async def show(
        program: Annotated[UUID | None, Query(description="Only this program; the total is then its own.")] = None,
        limit: Annotated[int, Query(ge=0, le=1000, description="Most programs to show, the most active first.")] = 200,
    ) -> Pulse:
        """The figures now. Durations are in hours and null where nothing was measured."""
        if not reader.caught_up():
            raise unavailable("The figures are being rebuilt from the topics.")
        now = clock()
        board.forget(now)
        if program is not None and program not in board:
            raise Problem(404, "No such program", "Nothing was heard of this program within the horizon.")
        shown = board.most_active(now)[:limit] if program is None else [program]
        return Pulse(
            as_of=datetime.fromtimestamp(now, UTC),
            window_days=settings.window_days,
            rate_minutes=settings.rate_minutes,
            program_count=len(board),
            total=board.figures(now, None if program is None else shown),
            programs=[Program(program_id=each, figures=board.figures(now, [each])) for each in shown],
        )

    return app
