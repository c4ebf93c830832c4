"""The page behind a meeting's link: looking changes nothing, cancelling and moving hold for everybody."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import pytest
from tests.integration.scheduling.running import START, at_start, confirmed, ended, member
from tests.support.records import eventually

from mentorstream_events.meetings import (
    MeetingCancelled,
    MeetingCompleted,
    MeetingRescheduled,
    MeetingScheduled,
)
from mentorstream_runtime.database import organisation_scope

if TYPE_CHECKING:
    from tests.integration.scheduling.running import SchedulingService
    from tests.support.shared_servers import Database


async def meeting_of(service: SchedulingService, **people: str) -> MeetingScheduled:
    """The first meeting of a new match."""
    match = confirmed(**{role: member(role, zone=zone) for role, zone in people.items()})  # type: ignore[arg-type]
    await service.publish(at_start(match))
    return next(one for one in await service.events(MeetingScheduled) if one.match_id == match.match_id)


def offered(page: str) -> list[str]:
    return re.findall(r'type="radio" id="choice-\d+" name="start" value="([^"]+)"', page)


def instant(value: str) -> datetime:
    return datetime.fromisoformat(value).astimezone(UTC)


async def test_the_page_tells_when_and_offers_times_and_changes_nothing(service: SchedulingService) -> None:
    meeting = await meeting_of(service, mentor="Europe/London", mentee="Asia/Kathmandu")
    published = len(await service.published())
    pages = [await service.client.get(service.path(meeting, attendee=index)) for index in (0, 1, 0)]

    assert [page.status_code for page in pages] == [200] * 3
    assert "Europe/London" in pages[0].text
    assert "(UTC+00:00)" in pages[0].text
    assert "Asia/Kathmandu" in pages[1].text
    assert "(UTC+05:45)" in pages[1].text
    assert "45 minutes" in pages[0].text
    choices = offered(pages[0].text)
    assert len(choices) == 6
    assert choices == offered(pages[1].text) == offered(pages[2].text)
    for number in range(1, 7):
        assert f'<label class="choice" for="choice-{number}">' in pages[0].text
    assert "<script" not in pages[0].text
    assert pages[0].headers["cache-control"] == "no-store"
    assert len(await service.published()) == published
    assert await service.rows("SELECT FROM meeting WHERE revision > 0") == []


async def test_cancelling_holds_for_everybody_and_is_done_once(service: SchedulingService) -> None:
    meeting = await meeting_of(service)
    pages = await asyncio.gather(
        *(service.client.post(service.path(meeting, attendee=index % 2) + "/cancel") for index in range(6))
    )
    await service.settle()

    assert {page.status_code for page in pages} == {303}
    page = await service.client.get(service.path(meeting, attendee=1))
    assert "This meeting is cancelled" in page.text
    assert "<form" not in page.text
    [cancelled] = await service.events(MeetingCancelled)
    assert (cancelled.meeting_id, cancelled.revision, cancelled.reason) == (meeting.meeting_id, 1, "attendee")
    # Another one is booked, so that as many as agreed stay ahead.
    assert len(await service.events(MeetingScheduled)) == 4
    await service.advance(meeting.ends_at + timedelta(hours=1))
    assert await service.events(MeetingCompleted) == []


async def test_moving_to_an_offered_time(service: SchedulingService) -> None:
    meeting = await meeting_of(service)
    path = service.path(meeting)
    choice = offered((await service.client.get(path)).text)[1]
    pages = [await service.client.post(path + "/reschedule", data={"start": choice}) for _ in range(2)]
    await service.settle()

    assert [page.status_code for page in pages] == [303, 303]
    [moved] = await service.events(MeetingRescheduled)
    assert (moved.revision, moved.starts_at, moved.previous_starts_at) == (1, instant(choice), meeting.starts_at)
    page = await service.client.get(path)
    assert f'datetime="{moved.starts_at.isoformat()}"' in page.text
    assert choice not in offered(page.text)
    await service.advance(max(meeting.ends_at, moved.ends_at))
    assert moved.starts_at in [one.starts_at for one in await service.events(MeetingCompleted)]


async def test_a_time_that_was_taken_meanwhile_is_refused_with_others(service: SchedulingService) -> None:
    mentor = member("mentor")
    await service.publish(at_start(confirmed(mentor)), at_start(confirmed(mentor)))
    scheduled = await service.events(MeetingScheduled)
    first = scheduled[0]
    second = next(one for one in scheduled if one.match_id != first.match_id)
    both = set(offered((await service.client.get(service.path(first))).text)) & set(
        offered((await service.client.get(service.path(second))).text)
    )
    choice = min(both)
    pages = await asyncio.gather(
        *(service.client.post(service.path(one) + "/reschedule", data={"start": choice}) for one in (first, second))
    )
    await service.settle()

    assert sorted(page.status_code for page in pages) == [303, 409]
    refused = max(pages, key=lambda page: page.status_code)
    assert 'role="alert"' in refused.text
    assert "no longer free" in refused.text
    assert len(offered(refused.text)) == 6
    assert choice not in offered(refused.text)
    assert len(await service.events(MeetingRescheduled)) == 1


async def test_a_time_that_is_none(service: SchedulingService) -> None:
    meeting = await meeting_of(service)
    for start, status in (
        ("", 422),
        ("tomorrow", 422),
        ("2026-03-05T10:00", 422),  # whose ten o'clock?
        ("9999-12-31T23:59-12:00", 422),
        ("2026-03-05T02:00Z", 409),  # nobody's hours
        ("2026-02-26T10:00Z", 409),  # over
        ("2026-06-04T10:00Z", 409),  # too far off
        ("2026-03-05T10:00:30Z", 409),
    ):
        page = await service.client.post(service.path(meeting) + "/reschedule", data={"start": start})
        assert page.status_code == status
        assert "<title>Error: " in page.text
        assert len(offered(page.text)) == 6
    await service.settle()
    assert await service.events(MeetingRescheduled) == []


async def test_a_meeting_that_has_begun_or_is_over_says_so(service: SchedulingService) -> None:
    meeting = await meeting_of(service)
    path = service.path(meeting)
    await service.move_clock(meeting.starts_at)
    begun = await service.client.get(path)
    assert "has begun" in begun.text
    assert (await service.client.post(path + "/cancel")).status_code == 303
    await service.move_clock(meeting.ends_at)
    over = await service.client.get(path)
    assert "is over" in over.text
    assert (await service.client.post(path + "/reschedule", data={"start": "2026-03-12T10:00Z"})).status_code == 303
    assert "<form" not in begun.text + over.text
    assert await service.events(MeetingCancelled) == []
    assert len(await service.events(MeetingCompleted)) == 1
    await service.move_clock(meeting.ends_at + timedelta(days=8))
    assert (await service.client.get(path)).status_code == 410


async def test_a_link_of_somebody_else_opens_nothing(service: SchedulingService) -> None:
    meeting = await meeting_of(service)
    stranger = service.path(meeting, person_id=uuid4())
    elsewhere = service.path(meeting, organisation_id=uuid4())
    nothing = service.path(meeting, subject_id=uuid4())
    for path in (stranger, elsewhere, nothing, service.path(meeting) + "x", "/meetings/x"):
        assert (await service.client.get(path)).status_code == 404
        assert (await service.client.post(path + "/cancel")).status_code == 404
        assert (await service.client.post(path + "/reschedule", data={"start": "x"})).status_code == 404
    await service.settle()
    assert await service.events(MeetingCancelled) == []


async def test_a_cancelled_meeting_stays_cancelled_while_a_batch_holds_it(service: SchedulingService) -> None:
    """The consumer holds the program when the attendee cancels: the request waits, and both are done."""
    match = confirmed()
    await service.publish(at_start(match))
    meeting = (await service.events(MeetingScheduled))[0]
    holder = await asyncpg.connect(service.database.url("mentorstream_scheduling_worker"))
    try:
        batch = holder.transaction()
        await batch.start()
        await holder.execute("SELECT FROM program WHERE program_id = $1 FOR UPDATE", match.program_id)
        cancelling = asyncio.create_task(service.client.post(service.path(meeting) + "/cancel"))

        async def waits() -> bool:
            return bool(
                await service.rows(
                    "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
                )
            )

        await eventually(waits, what="the request waits for the lock")
        assert not cancelling.done()
        await batch.rollback()
        assert (await cancelling).status_code == 303
    finally:
        await holder.close()
    await service.publish(at_start(ended(match), time=START + timedelta(hours=1)))
    reasons = {one.meeting_id: one.reason for one in await service.events(MeetingCancelled)}
    assert reasons.pop(meeting.meeting_id) == "attendee"
    assert set(reasons.values()) == {"match_ended"}


async def test_the_database_has_the_last_word_on_overlaps(service: SchedulingService, database: Database) -> None:
    meeting = await meeting_of(service)
    other = await meeting_of(service)
    worker = await asyncpg.connect(database.url("mentorstream_scheduling_worker"))
    try:
        with pytest.raises(asyncpg.ExclusionViolationError):
            async with worker.transaction():
                # Not refused at once: within a transaction meetings may pass each other.
                await worker.execute(
                    "INSERT INTO meeting_attendee (meeting_id, person_id, during, active)"
                    " SELECT $1, person_id, during, true FROM meeting_attendee WHERE meeting_id = $2",
                    other.meeting_id,
                    meeting.meeting_id,
                )
    finally:
        await worker.close()


async def test_the_role_of_the_api_sees_one_organisation(service: SchedulingService) -> None:
    meeting = await meeting_of(service)
    await meeting_of(service)
    pool = service.process.runtime.api_pool
    for table in ("match", "series", "meeting", "match_organisation"):
        query = f"SELECT count(DISTINCT match_id) FROM {table}"
        assert await pool.fetchval(query) == 0
        for attendee in meeting.attendees:
            async with organisation_scope(pool, attendee.organisation_id) as connection:
                assert await connection.fetchval(query) == 1
        async with organisation_scope(pool, uuid4()) as connection:
            assert await connection.fetchval(query) == 0
    for table in ("program", "person", "meeting_attendee"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.fetch(f"SELECT FROM {table}")
