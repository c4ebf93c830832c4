"""Series on real servers: planned, blocked, replanned, ended, kept up over clock changes, and the same at a replay."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4
from zoneinfo import ZoneInfo

import asyncpg
import msgspec
import pytest
from tests.integration.scheduling.running import (
    START,
    at_start,
    changed,
    confirmed,
    ended,
    member,
    running_scheduling,
)
from tests.support.records import eventually
from tests.support.services import set_clock

from mentorstream_events import derived_id
from mentorstream_events.meetings import (
    MeetingCancelled,
    MeetingCompleted,
    MeetingScheduled,
    SeriesBlocked,
    SeriesClosed,
    SeriesPlanned,
)
from mentorstream_events.values import Terms, WeeklyHours
from mentorstream_runtime.database import transaction
from mentorstream_runtime.errors import is_conflict
from scheduling.entrypoints.consumer import MatchesHandler

if TYPE_CHECKING:
    from tests.integration.scheduling.running import SchedulingService
    from tests.support.shared_servers import Database

    from mentorstream_local.stack import Servers

SUNDAY_NIGHT = (WeeklyHours(weekday=7, start_minute=0, end_minute=240),)


async def test_a_match_is_planned_and_one_without_common_time_says_why(service: SchedulingService) -> None:
    good = confirmed()
    bad = confirmed(member("mentor", hours=SUNDAY_NIGHT), program_id=good.program_id)
    await service.publish(at_start(good), at_start(bad))

    assert [type(item.data) for item in await service.published()] == [
        SeriesPlanned,
        *[MeetingScheduled] * 3,
        SeriesBlocked,
    ]
    [series] = await service.events(SeriesPlanned)
    meetings = await service.events(MeetingScheduled)
    assert series.zone == "Europe/Berlin"
    assert series.first_starts_at == meetings[0].starts_at >= START + timedelta(days=2)
    assert [attendee.role for attendee in meetings[0].attendees] == ["mentor", "mentee"]
    [blocked] = await service.events(SeriesBlocked)
    assert (blocked.match_id, blocked.reason, blocked.longest_common_minutes) == (bad.match_id, "no_common_hours", 0)
    assert {item.time for item in await service.published()} == {START}


async def test_a_blocked_match_is_tried_again_and_a_changed_one_moves(service: SchedulingService) -> None:
    match = confirmed(member("mentor", hours=SUNDAY_NIGHT))
    await service.publish(at_start(match))
    tuesdays = (WeeklyHours(weekday=2, start_minute=540, end_minute=720),)
    free = msgspec.structs.replace(match.mentor, availability=tuesdays)
    await service.publish(at_start(changed(match, free), time=START + timedelta(hours=1)))
    [first] = await service.events(SeriesPlanned)
    assert first.weekday == 2

    fridays = (WeeklyHours(weekday=5, start_minute=540, end_minute=720),)
    moved = msgspec.structs.replace(match.mentor, availability=fridays)
    await service.publish(at_start(changed(match, moved), time=START + timedelta(hours=2)))
    [closed] = await service.events(SeriesClosed)
    assert (closed.series_id, closed.reason) == (first.series_id, "replanned")
    [_, second] = await service.events(SeriesPlanned)
    assert second.weekday == 5
    cancelled = await service.events(MeetingCancelled)
    assert {(one.revision, one.reason) for one in cancelled} == {(1, "replanned")}
    assert len(cancelled) == 3


async def test_local_time_stays_over_the_clock_changes_of_spring(service: SchedulingService) -> None:
    """America changes on 8 March, Europe on 29 March: each series keeps its reference zone's local time."""
    zones = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
    matches = [confirmed(member("mentor", zone=zone), member("mentee", zone=zone)) for zone in zones]
    pair = confirmed(
        member("mentor", zone="Europe/Berlin", hours=_every_day(8, 20)),
        member("mentee", zone="America/New_York", hours=_every_day(7, 19)),
        terms=Terms(cadence_days=7, local_time_of="mentor"),
    )
    matches.append(pair)
    await service.publish(*map(at_start, matches))
    await service.leap(START + timedelta(weeks=7), timedelta(weeks=1))

    series = {one.match_id: one for one in await service.events(SeriesPlanned)}
    completed = await service.events(MeetingCompleted)
    for match, zone in zip(matches, (*zones, "Europe/Berlin"), strict=True):
        held = [one for one in completed if one.match_id == match.match_id]
        assert len(held) == 7
        shown = [_wall(one.starts_at, zone) for one in held]
        planned = series[match.match_id]
        assert {(at.isoweekday(), at.hour * 60 + at.minute) for at in shown} == {
            (planned.weekday, planned.start_minute)
        }
        assert [later - earlier for earlier, later in itertools.pairwise(shown)] == [timedelta(days=7)] * 6
        assert all(one.terms == match.terms for one in held)
    # The offset between the two sides was another one in between, so one side's local time moved.
    hours = {_wall(one.starts_at, "America/New_York").hour for one in completed if one.match_id == pair.match_id}
    assert len(hours) == 2
    assert await service.rows("SELECT FROM dead_letter") == []


async def test_meetings_go_on_until_the_end_of_the_match(service: SchedulingService) -> None:
    match = confirmed(weeks=5)
    await service.publish(at_start(match))
    await service.advance(START + timedelta(weeks=8))
    completed = await service.events(MeetingCompleted)
    assert len(completed) == 5
    assert max(one.ends_at for one in completed) <= match.ends_at
    assert {one.meeting_id for one in completed} == {one.meeting_id for one in await service.events(MeetingScheduled)}
    # Each was told at its own end: business time went from one to the next.
    assert [item.time for item in await service.published() if isinstance(item.data, MeetingCompleted)] == [
        one.ends_at for one in completed
    ]


async def test_the_end_of_a_match_cancels_its_meetings(service: SchedulingService) -> None:
    match = confirmed()
    await service.publish(at_start(match))
    await service.publish(at_start(ended(match), time=START + timedelta(days=1)))
    await service.advance(START + timedelta(weeks=8))
    assert {one.reason for one in await service.events(MeetingCancelled)} == {"match_ended"}
    assert len(await service.events(MeetingCancelled)) == 3
    assert [one.reason for one in await service.events(SeriesClosed)] == ["match_ended"]
    assert await service.events(MeetingCompleted) == []


async def test_a_replay_changes_nothing(servers: Servers, database: Database, topic_prefix: str) -> None:
    match = confirmed()
    events = [at_start(match), at_start(confirmed(program_id=match.program_id)), at_start(confirmed())]
    async with running_scheduling(servers, database, topic_prefix) as service:
        await service.publish(*events)
        await service.leap(START + timedelta(weeks=3), timedelta(weeks=1))
        before = await service.published()
        state = await _state(service)
        await service.publish(*events)  # repeats, with the same sequence numbers
        assert await service.published() == before

    async with running_scheduling(servers, database, topic_prefix) as service:
        await service.rows("UPDATE consumer_position SET next_offset = 0")
    async with running_scheduling(servers, database, topic_prefix) as service:
        assert await service.published() == before
        assert await _state(service) == state


async def test_what_makes_no_sense_is_put_aside_and_the_rest_goes_on(service: SchedulingService) -> None:
    match = confirmed()
    nowhere = confirmed(member("mentor", zone="Mars/Olympus"), program_id=match.program_id)
    await service.publish(at_start(nowhere), at_start(ended(nowhere)), at_start(match), at_start(match))
    letters = await service.rows("SELECT reason FROM dead_letter ORDER BY partition, record_offset")
    assert [row["reason"] for row in letters] == ["bad_availability", "unknown_match"]
    # A match that is confirmed again, as `republish` does, is planned once.
    assert [one.match_id for one in await service.events(SeriesPlanned)] == [match.match_id]


async def test_two_programs_of_one_person_on_two_workers(
    servers: Servers, database: Database, topic_prefix: str
) -> None:
    """The mentor is in many programs at once; whoever plans second sees what the first one booked."""
    person_id = uuid4()
    async with running_scheduling(servers, database, topic_prefix, workers=2) as service:
        # Ids that do not change from run to run: their programs are on all partitions, so both workers have some.
        matches = [
            confirmed(member("mentor", person_id=person_id), program_id=derived_id("program", number))
            for number in range(12)
        ]
        await service.publish(*map(at_start, matches))
        await service.leap(START + timedelta(weeks=3), timedelta(weeks=1))
        handled = [process.consumer.processed for process in (service.process, *service.others) if process.consumer]
        assert len(await service.events(SeriesPlanned)) + len(await service.events(SeriesBlocked)) == 12
        assert len(await service.events(SeriesPlanned)) >= 10
        assert await service.rows("SELECT FROM dead_letter") == []
        taken = sorted((one.starts_at, one.ends_at) for one in await service.events(MeetingScheduled))
    assert all(handled)
    assert len(taken) > 12 * 3
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(taken))


async def test_meetings_follow_each_other_without_a_gap(service: SchedulingService) -> None:
    mentor = member("mentor", hours=_every_day(9, 12))
    before, after = (
        tuple(WeeklyHours(weekday=2, start_minute=start, end_minute=start + 45) for start in starts)
        for starts in ([600], [645])
    )
    await service.publish(
        at_start(confirmed(mentor, member("mentee", hours=before))),
        at_start(confirmed(mentor, member("mentee", hours=after))),
    )
    meetings = sorted(await service.events(MeetingScheduled), key=lambda meeting: meeting.starts_at)
    assert len(meetings) == 6
    assert [first.ends_at for first in meetings[::2]] == [second.starts_at for second in meetings[1::2]]


async def test_a_booking_made_behind_the_locks_aborts_the_batch(service: SchedulingService) -> None:
    """Nobody does so, but if: the constraint refuses the commit, and deciding again sees the booking."""
    await service.publish(at_start(confirmed()))
    [other, *_] = await service.events(MeetingScheduled)
    batch = [at_start(confirmed())]
    pool = service.process.runtime.pool

    async def decide(handler: MatchesHandler, *, meanwhile: bool) -> MeetingScheduled:
        async with transaction(pool) as connection:
            await handler.load(connection, batch)
            [_, first, *_] = [one.data for one in handler.decide(batch[0])]
            assert isinstance(first, MeetingScheduled)
            if meanwhile:
                await pool.execute(
                    "INSERT INTO meeting_attendee (meeting_id, person_id, during, active)"
                    " VALUES ($1, $2, tstzrange($3, $4), true)",
                    other.meeting_id,
                    first.attendees[0].person_id,
                    first.starts_at + timedelta(minutes=20),
                    first.ends_at + timedelta(minutes=20),
                )
            await handler.flush(connection)
        return first

    handler = MatchesHandler(service.process.runtime.clock)
    with pytest.raises(asyncpg.ExclusionViolationError) as refused:
        await decide(handler, meanwhile=True)
    assert is_conflict(refused.value)
    handler.settled(committed=False)
    first = await decide(handler, meanwhile=False)
    handler.settled(committed=True)
    [row] = await service.rows("SELECT starts_at FROM meeting WHERE meeting_id = $1", first.meeting_id)
    assert row["starts_at"] == first.starts_at


async def test_a_meeting_that_cannot_be_completed_holds_up_no_other(service: SchedulingService) -> None:
    broken, sound = confirmed(), confirmed()
    await service.publish(at_start(broken), at_start(sound))
    first = min(one.ends_at for one in await service.events(MeetingScheduled))
    # As if a newer time zone database no longer had the zone.
    await service.rows(
        "UPDATE match SET attendees = jsonb_set(attendees, '{0,zone}', '\"Mars/Olympus\"') WHERE match_id = $1",
        broken.match_id,
    )
    await set_clock(service.database, first + timedelta(hours=3))

    async def completed() -> bool:
        return [one.match_id for one in await service.events(MeetingCompleted)] == [sound.match_id]

    await eventually(completed, what="the other meeting is completed")
    [row] = await service.rows("SELECT count(*) FROM meeting WHERE status = 'completed'")
    assert row["count"] == 1


def _every_day(first_hour: int, last_hour: int) -> tuple[WeeklyHours, ...]:
    return tuple(
        WeeklyHours(weekday=day, start_minute=first_hour * 60, end_minute=last_hour * 60) for day in range(1, 8)
    )


def _wall(instant: datetime, zone: str) -> datetime:
    return instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


async def _state(service: SchedulingService) -> list[list[asyncpg.Record]]:
    return [
        await service.rows(f"SELECT * FROM {table} ORDER BY 1, 2")
        for table in ("program", "match", "match_organisation", "series", "meeting", "meeting_attendee")
    ] + [await service.rows("SELECT person_id FROM person ORDER BY 1")]
