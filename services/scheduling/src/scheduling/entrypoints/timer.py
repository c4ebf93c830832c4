"""The timer: completes meetings when business time passes their end."""

from __future__ import annotations

from datetime import datetime

from mentorstream_runtime.database import transaction
from mentorstream_runtime.process import Runtime
from scheduling import metrics
from scheduling.adapters.postgres import QUERIES, load_schedule, save_schedule
from scheduling.handlers.meetings import complete_meetings
from scheduling.settings import SchedulingSettings


class EndOfMeetings:
    """Takes due meetings in order of their end. Several workers may: each looks again under the locks."""

    name = "end_of_meetings"

    def __init__(self, runtime: Runtime[SchedulingSettings]) -> None:
        self._runtime = runtime

    async def run_due(self, now: datetime) -> int:
        """Complete one batch in one transaction; returns how many were due when it looked."""
        async with transaction(self._runtime.pool) as connection:
            due = await connection.fetch(QUERIES["due_meetings"], now, self._runtime.settings.due_batch)
            if not due:
                return 0
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
        return len(due)

    async def next_due(self) -> datetime | None:
        """The earliest end of a booked meeting."""
        found: datetime | None = await self._runtime.pool.fetchval(QUERIES["next_due"])
        return found
