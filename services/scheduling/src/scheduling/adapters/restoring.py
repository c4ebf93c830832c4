"""Scheduling after its database went back, or after the broker was replaced: facts into rows, and rows into facts.

What people asked for by HTTP and what the clock ended is on no topic that scheduling reads, so a restored database
takes it over from scheduling's own facts. The matches themselves are read again, for what those do not tell: see
`on_match_decided`. Plans and books nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

import asyncpg
import msgspec

from mentorstream_events import Event, Value, derived_id
from mentorstream_events.meetings import (
    MeetingAttendeesChanged,
    MeetingCancelled,
    MeetingCompleted,
    MeetingRescheduled,
    MeetingScheduled,
    SeriesBlocked,
    SeriesClosed,
    SeriesPlanned,
)
from mentorstream_events.values import Attendee, Terms
from mentorstream_runtime.outbox import Cause, Outgoing
from mentorstream_runtime.restore import Restorer
from scheduling.domain.values import Slot
from scheduling.handlers.announcing import (
    meeting_cancelled,
    meeting_completed,
    meeting_rescheduled,
    meeting_scheduled,
    series_planned,
)
from scheduling.handlers.schedule import Meeting, Series

from .postgres import QUERIES, meeting_of, read_match

if TYPE_CHECKING:
    from mentorstream_runtime.database import Connection

_DAY: Final = 1440
_NUMBERS: Final = 5000  # more meetings than any series has
_PORTION: Final = 200
_STATUS: Final[dict[type[Value], Literal["scheduled", "cancelled", "completed"]]] = {
    MeetingScheduled: "scheduled",
    MeetingRescheduled: "scheduled",
    MeetingAttendeesChanged: "scheduled",
    MeetingCancelled: "cancelled",
    MeetingCompleted: "completed",
}


class ScheduleRestorer(Restorer):
    """Facts into rows, rows into facts."""

    decides_again = False

    async def take_over(self, connection: Connection, events: Sequence[Event[Any]]) -> None:
        """Series and meetings as these facts tell them, each later than what is known."""
        for event in events:
            data = event.data
            await connection.execute(QUERIES["take_over_program"], data.program_id, event.time)
            if not isinstance(data, SeriesClosed):
                await self._know_match(connection, data.program_id, data.match_id, data.attendees)
            if isinstance(data, SeriesPlanned):
                await self._plan(connection, data)
            elif isinstance(data, SeriesBlocked):
                await connection.execute(
                    QUERIES["take_over_blocked"], data.match_id, data.reason, data.longest_common_minutes
                )
            elif isinstance(data, SeriesClosed):
                await connection.execute(QUERIES["take_over_closed"], data.series_id)
                if data.reason == "match_ended":
                    await connection.execute(QUERIES["take_over_ended"], data.match_id)
            else:
                await self._book(connection, data)

    async def current_facts(self, connection: Connection) -> AsyncIterator[Sequence[Outgoing]]:
        """Series that run, meetings that are booked, and how those of the last weeks ended."""
        incarnation = await connection.fetchval("SELECT incarnation FROM outbox_incarnation")
        rows = await connection.fetch(QUERIES["current_series"])
        for start in range(0, len(rows), _PORTION):
            yield await self._facts_of(connection, incarnation, rows[start : start + _PORTION])

    async def _know_match(
        self, connection: Connection, program_id: UUID, match_id: UUID, attendees: Sequence[Attendee]
    ) -> None:
        stored = [{**msgspec.to_builtins(attendee), "hours": []} for attendee in attendees]
        terms = msgspec.json.encode(Terms()).decode()
        await connection.execute(
            QUERIES["take_over_match"], match_id, program_id, terms, msgspec.json.encode(stored).decode()
        )
        visible = sorted({attendee.organisation_id for attendee in attendees})
        await connection.execute(QUERIES["save_match_organisations"], [match_id] * len(visible), visible)

    async def _plan(self, connection: Connection, data: SeriesPlanned) -> None:
        if data.first_day is None:
            return  # from before it was told: the match is planned anew when it changes
        number = next(n for n in count() if derived_id("series", data.match_id, n) == data.series_id)
        days = (data.weekday - 1 - (data.first_day + 3)) % 7
        await connection.execute(QUERIES["close_others"], data.match_id, data.series_id)
        await connection.execute(
            QUERIES["take_over_series"],
            data.match_id,
            data.series_id,
            data.zone,
            data.first_day,
            days * _DAY + data.start_minute,
            data.cadence_days,
            data.meeting_minutes,
        )
        await connection.execute(QUERIES["take_over_planned"], data.match_id, number + 1)

    async def _book(
        self,
        connection: Connection,
        data: MeetingScheduled | MeetingRescheduled | MeetingAttendeesChanged | MeetingCancelled | MeetingCompleted,
    ) -> None:
        known = await connection.fetchrow(QUERIES["find_meeting"], data.meeting_id)
        if known is not None:
            number, revision = known["number"], known["revision"]
        else:
            found = (n for n in range(_NUMBERS) if derived_id("meeting", data.series_id, n) == data.meeting_id)
            number, revision = next(found, -1), 0
            if number < 0:
                raise LookupError(f"meeting {data.meeting_id} is none of series {data.series_id}")
        if not isinstance(data, MeetingCompleted):
            revision = data.revision
        told = await connection.fetchval(
            QUERIES["take_over_meeting"],
            data.meeting_id,
            data.series_id,
            data.match_id,
            data.program_id,
            number,
            revision,
            data.starts_at,
            data.ends_at,
            _STATUS[type(data)],
        )
        persons = [attendee.person_id for attendee in data.attendees]
        if told is not None:
            await connection.execute(QUERIES["drop_uninvited"], data.meeting_id, persons)
            await connection.execute(QUERIES["take_over_attendees"], data.meeting_id, persons)
        await connection.execute(QUERIES["take_over_number"], data.series_id, number)

    async def _facts_of(
        self, connection: Connection, incarnation: int, rows: Sequence[asyncpg.Record]
    ) -> list[Outgoing]:
        facts: list[Outgoing] = []
        meetings: dict[UUID, list[Meeting]] = {}
        matches = list({row["match_id"] for row in rows})
        for row in await connection.fetch(QUERIES["current_meetings"], matches):
            meetings.setdefault(row["series_id"], []).append(meeting_of(row))
        for row in rows:
            match, now = await read_match(connection, row["match_id"]), row["now"]
            cause = Cause(id=f"republished:{incarnation}:{row['series_id']}")
            slot = Slot(**{name: row[name] for name in Slot.__dataclass_fields__})
            series = Series(series_id=row["series_id"], match_id=row["match_id"], slot=slot, active=row["active"])
            booked = meetings.get(series.series_id, [])
            if series.active and booked:
                facts.append(series_planned(cause, match, series, booked[0].starts_at, now=now))
            for meeting in booked:
                if meeting.status == "cancelled":
                    facts.append(meeting_cancelled(cause, match, meeting, "replanned", now=now))
                elif meeting.status == "completed":
                    facts.append(meeting_completed(cause, match, meeting, now=now))
                elif meeting.revision:
                    facts.append(meeting_rescheduled(cause, match, meeting, meeting.starts_at, now=now))
                else:
                    facts.append(meeting_scheduled(cause, match, meeting, now=now))
        return facts
