"""The timer: completes meetings when business time passes their end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import structlog

from mentorstream_runtime.database import transaction
from mentorstream_runtime.errors import is_conflict, is_infrastructure
from mentorstream_runtime.process import Runtime
from scheduling import metrics
from scheduling.adapters.postgres import QUERIES, load_schedule, save_schedule
from scheduling.handlers.meetings import complete_meetings
from scheduling.settings import SchedulingSettings

log = structlog.get_logger(__name__)


class EndOfMeetings:
    """Takes due meetings in order of their end. Several workers may: each looks again under the locks."""

    name = "end_of_meetings"

    def __init__(self, runtime: Runtime[SchedulingSettings]) -> None:
        self._runtime = runtime

    async def run_due(self, now: datetime) -> int:
        """Complete one batch in one transaction; returns how many were due when it looked.

        A batch that fails by a fault of our own is taken one by one, so that one meeting does not hold up all others;
        it stays due, and is tried again with the next batch.
        """
        due = await self._runtime.pool.fetch(QUERIES["due_meetings"], now, self._runtime.settings.due_batch)
        if not due:
            return 0
        try:
            await self._complete(due, now)
        except Exception as error:
            if is_infrastructure(error) or is_conflict(error) or len(due) == 1:
                raise
            return await self._complete_apart(due, now)
        return len(due)

    async def _complete_apart(self, due: Sequence[asyncpg.Record], now: datetime) -> int:
        completed = 0
        for row in due:
            try:
                await self._complete([row], now)
                completed += 1
            except Exception as error:
                if is_infrastructure(error):
                    raise
                log.exception("meeting_not_completed", meeting_id=str(row["meeting_id"]))
        return completed

    async def _complete(self, due: Sequence[asyncpg.Record], now: datetime) -> None:
        async with transaction(self._runtime.pool) as connection:
            schedule = await load_schedule(
                connection,
                programs={row["program_id"] for row in due},
                matches={row["match_id"] for row in due},
                not_before=now,
            )
            announced = complete_meetings((row["meeting_id"] for row in due), schedule, now=now)
            await save_schedule(connection, schedule)
            await self._runtime.write(connection, announced)
        metrics.MOVED.inc(schedule.moved)
        metrics.SKIPPED.inc(schedule.skipped)

    async def next_due(self) -> datetime | None:
        """The earliest end of a booked meeting."""
        found: datetime | None = await self._runtime.pool.fetchval(QUERIES["next_due"])
        return found
