"""The schedule in PostgreSQL: what a transaction loads under its locks, and how what was decided is written back.

Locks first, in one order for everybody: program rows, then person rows, each by id. All reads that a decision rests on
come after them. Each table is read once and written once, whatever the number of events.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import asyncpg
import msgspec

import scheduling
from mentorstream_events.values import Terms
from mentorstream_runtime.database import columns_of, load_queries
from scheduling.domain.values import Attendee, NoSlot, Slot
from scheduling.handlers.schedule import Match, Meeting, Schedule, Series

if TYPE_CHECKING:
    from mentorstream_runtime.database import Connection

QUERIES: Final[Mapping[str, str]] = load_queries(scheduling.__file__)
_MEETING_COLUMNS: Final = (
    "meeting_id",
    "series_id",
    "match_id",
    "program_id",
    "number",
    "revision",
    "starts_at",
    "ends_at",
    "status",
)


async def load_schedule(
    connection: Connection,
    *,
    programs: Collection[UUID],
    matches: Collection[UUID],
    persons: Collection[UUID] = (),
    not_before: datetime,
) -> Schedule:
    """Lock the programs, and everybody in the matches and in `persons`; load what is known of them.

    `persons` are those who may get a new series; their other series are loaded too.
    """
    program_ids = sorted(programs)
    await connection.execute(QUERIES["add_programs"], program_ids)
    program_rows = await connection.fetch(QUERIES["lock_programs"], program_ids)
    # A match is written under its program's lock only, so what is read from here on stays true.
    known = await _load_matches(connection, matches)
    person_ids = sorted({*persons, *(person_id for match in known for person_id in match.persons)})
    await connection.execute(QUERIES["add_persons"], person_ids)
    await connection.execute(QUERIES["lock_persons"], person_ids)
    regular = await connection.fetch(QUERIES["load_regular"], person_ids) if persons else []
    return await _load(connection, program_rows, known, person_ids, not_before, regular)


async def read_schedule(connection: Connection, *, program_id: UUID, match_id: UUID, not_before: datetime) -> Schedule:
    """What is known of one match, without any lock: for looking, never for deciding."""
    program_rows = await connection.fetch(QUERIES["read_program"], program_id)
    known = await _load_matches(connection, [match_id])
    person_ids = sorted({person_id for match in known for person_id in match.persons})
    return await _load(connection, program_rows, known, person_ids, not_before)


async def _load_matches(connection: Connection, match_ids: Collection[UUID]) -> list[Match]:
    return [_match(row) for row in await connection.fetch(QUERIES["load_matches"], list(match_ids))]


async def _load(
    connection: Connection,
    program_rows: Sequence[asyncpg.Record],
    known: Sequence[Match],
    person_ids: Sequence[UUID],
    not_before: datetime,
    regular: Sequence[asyncpg.Record] = (),
) -> Schedule:
    match_ids = [match.match_id for match in known]
    series_rows = await connection.fetch(QUERIES["load_series"], match_ids) if known else []
    meeting_rows = await connection.fetch(QUERIES["load_meetings"], match_ids) if known else []
    held_rows = await connection.fetch(QUERIES["load_held"], match_ids) if known else []
    booking_rows = await connection.fetch(QUERIES["load_bookings"], person_ids)
    return Schedule(
        programs=[(row["program_id"], row["now"]) for row in program_rows],
        matches=known,
        series=[_series(row) for row in series_rows],
        meetings=[meeting_of(row) for row in meeting_rows],
        held=[(row["match_id"], row["held"]) for row in held_rows],
        bookings=[(row["person_id"], row["meeting_id"], row["starts_at"], row["ends_at"]) for row in booking_rows],
        regular=[(row["person_id"], _series(row), row["ends_at"], row["lacking"]) for row in regular],
        not_before=not_before,
    )


async def save_schedule(connection: Connection, schedule: Schedule) -> None:
    """Write what changed, one statement for each table and kind of change."""
    if schedule.changed_programs:
        await connection.execute(
            QUERIES["save_programs"], list(schedule.changed_programs), list(schedule.changed_programs.values())
        )
    await _save_matches(connection, list(schedule.changed_matches.values()))
    await _save_series(connection, list(schedule.changed_series.values()))
    await _save_meetings(connection, schedule)


async def read_match(connection: Connection, match_id: UUID) -> Match:
    """One match that is known, without any lock."""
    (match,) = await _load_matches(connection, [match_id])
    return match


def attendees_of(stored: Any) -> tuple[Attendee, ...]:
    """The attendees of a match as its row has them."""
    return msgspec.convert(stored, tuple[Attendee, ...])


async def _save_matches(connection: Connection, matches: list[Match]) -> None:
    if not matches:
        return
    rows: list[tuple[Any, ...]] = [
        (
            match.match_id,
            match.program_id,
            match.status,
            match.ends_at,
            msgspec.json.encode(match.terms).decode(),
            msgspec.json.encode(match.attendees).decode(),
            msgspec.json.encode(match.former).decode(),
            match.series_count,
            match.blocked and match.blocked.reason,
            match.blocked and match.blocked.longest_common_minutes,
        )
        for match in matches
    ]
    await connection.execute(QUERIES["save_matches"], *columns_of(rows, 10))
    visible: list[tuple[Any, ...]] = [
        (match.match_id, organisation_id)
        for match in matches
        for organisation_id in sorted({attendee.organisation_id for attendee in match.attendees})
    ]
    await connection.execute(QUERIES["save_match_organisations"], *columns_of(visible, 2))


async def _save_series(connection: Connection, series: list[Series]) -> None:
    if not series:
        return
    rows: list[tuple[Any, ...]] = [
        (
            one.series_id,
            one.match_id,
            one.slot.zone,
            one.slot.first_day,
            one.slot.minute,
            one.slot.cadence_days,
            one.slot.meeting_minutes,
            one.next_number,
            one.active,
        )
        for one in series
    ]
    await connection.execute(QUERIES["save_series"], *columns_of(rows, 9))


async def _save_meetings(connection: Connection, schedule: Schedule) -> None:
    new: list[Meeting] = []
    known: list[Meeting] = []
    for meeting in schedule.changed_meetings.values():
        (new if meeting.meeting_id in schedule.new_meetings else known).append(meeting)
    if new:
        await connection.copy_records_to_table(
            "meeting",
            records=[tuple(getattr(meeting, column) for column in _MEETING_COLUMNS) for meeting in new],
            columns=_MEETING_COLUMNS,
        )
        await _invite(connection, new)
    if known:
        rows: list[tuple[Any, ...]] = [
            (meeting.meeting_id, meeting.revision, meeting.starts_at, meeting.ends_at, meeting.status)
            for meeting in known
        ]
        ids, revisions, starts, ends, statuses = columns_of(rows, 5)
        await connection.execute(QUERIES["update_meetings"], ids, revisions, starts, ends, statuses)
        await connection.execute(
            QUERIES["update_attendees"], ids, starts, ends, [status == "scheduled" for status in statuses]
        )
    others = [meeting for meeting in known if meeting.meeting_id in schedule.meetings_of_others]
    if others:
        await connection.execute(QUERIES["drop_attendees"], [meeting.meeting_id for meeting in others])
        await _invite(connection, others)


async def _invite(connection: Connection, meetings: Sequence[Meeting]) -> None:
    await connection.copy_records_to_table(
        "meeting_attendee",
        records=[
            # A Range ends before its upper bound; a bare tuple includes it, and meetings back to back would meet.
            (
                meeting.meeting_id,
                person_id,
                asyncpg.Range(meeting.starts_at, meeting.ends_at),
                meeting.status == "scheduled",
            )
            for meeting in meetings
            for person_id in sorted(meeting.persons)
        ],
        columns=("meeting_id", "person_id", "during", "active"),
    )


def meeting_of(row: asyncpg.Record) -> Meeting:
    """A meeting as its row has it, with who is invited."""
    return Meeting(**{**row, "persons": frozenset(row["persons"])})


def _match(row: asyncpg.Record) -> Match:
    blocked = None
    if row["blocked_reason"] is not None:
        blocked = NoSlot(reason=row["blocked_reason"], longest_common_minutes=row["longest_common_minutes"])
    return Match(
        match_id=row["match_id"],
        program_id=row["program_id"],
        status=row["status"],
        ends_at=row["ends_at"],
        terms=msgspec.convert(row["terms"], Terms),
        attendees=attendees_of(row["attendees"]),
        former=attendees_of(row["former"]),
        series_count=row["series_count"],
        blocked=blocked,
        awaits_details=row["awaits_details"],
    )


def _series(row: asyncpg.Record) -> Series:
    return Series(
        series_id=row["series_id"],
        match_id=row["match_id"],
        slot=Slot(
            zone=row["zone"],
            first_day=row["first_day"],
            minute=row["minute"],
            cadence_days=row["cadence_days"],
            meeting_minutes=row["meeting_minutes"],
        ),
        next_number=row["next_number"],
    )
