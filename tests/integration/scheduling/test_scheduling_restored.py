"""The database of scheduling went back: what was decided since is as it was, and nothing of it is told again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec
from tests.integration.scheduling.running import (
    START,
    SchedulingService,
    at_start,
    changed,
    confirmed,
    ended,
    member,
    running_scheduling,
)
from tests.support.services import set_clock, settings_for
from tests.support.set_back import run_to_end, set_back

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
from mentorstream_events.values import Terms, WeeklyHours
from mentorstream_runtime.process import Process
from scheduling.bootstrap import build
from scheduling.settings import SchedulingSettings

if TYPE_CHECKING:
    from tests.support.shared_servers import Database

    from mentorstream_events.matches import MatchConfirmed
    from mentorstream_local.stack import Servers

TUESDAYS = (WeeklyHours(weekday=2, start_minute=540, end_minute=720),)
FRIDAYS = (WeeklyHours(weekday=5, start_minute=540, end_minute=720),)
NIGHTS = (WeeklyHours(weekday=7, start_minute=0, end_minute=240),)
# Everything that scheduling knows. Who may see a match is written as it is met, so it is put in order.
STATE = {
    "program": "SELECT * FROM program ORDER BY program_id",
    "match": "SELECT * FROM match ORDER BY match_id",
    "match_organisation": "SELECT * FROM match_organisation ORDER BY match_id, organisation_id",
    "series": "SELECT * FROM series ORDER BY series_id",
    "meeting": "SELECT * FROM meeting ORDER BY meeting_id",
    "meeting_attendee": "SELECT * FROM meeting_attendee WHERE active ORDER BY meeting_id, person_id",
    "consumer_position": "SELECT topic, partition, next_offset FROM consumer_position ORDER BY partition",
}


async def test_what_was_decided_since_is_taken_over_and_not_decided_anew(
    servers: Servers, database: Database, topic_prefix: str
) -> None:
    moves, widens = confirmed(), confirmed(member("mentor", hours=NIGHTS))
    circle = msgspec.structs.replace(confirmed(), mentees=(member("mentee"), member("mentee")))
    async with running_scheduling(servers, database, topic_prefix) as service:
        await service.publish(*map(at_start, (moves, widens, circle)))
    async with set_back(servers, database), running_scheduling(servers, database, topic_prefix) as service:
        await _go_on(service, moves, widens, circle)
        now = await service.process.runtime.clock.now()
        before = {name: await service.rows(query) for name, query in STATE.items()}
        told = await service.published()
    await set_clock(database, now)
    for _ in range(2):  # the second time changes nothing
        await _restore(servers, database, topic_prefix)
    async with running_scheduling(servers, database, topic_prefix) as service:
        for name, query in STATE.items():
            assert await service.rows(query) == before[name], name
        assert await service.published() == told
        # Life goes on: meetings take place, and the next ones are booked.
        await service.advance(now + timedelta(weeks=2))
        news = [one.data for one in await service.published() if one not in told]
        held = {one.match_id for one in news if isinstance(one, MeetingCompleted)}
        assert {moves.match_id, widens.match_id} <= held


async def _go_on(
    service: SchedulingService, moves: MatchConfirmed, widens: MatchConfirmed, circle: MatchConfirmed
) -> None:
    """Every fact that there is, in an order in which deciding again would come to something else."""
    # Hours change twice, and somebody else takes a time in between that would have been chosen.
    await service.publish(at_start(changed(moves, msgspec.structs.replace(moves.mentor, availability=TUESDAYS))))
    await service.publish(at_start(confirmed(moves.mentor)))
    await service.publish(at_start(changed(moves, msgspec.structs.replace(moves.mentor, availability=FRIDAYS))))
    # One that had no common hours gets some; one that had some loses them; one is over before it met.
    await service.publish(at_start(changed(widens, member("mentor", person_id=widens.mentor.person_id))))
    narrows, over = confirmed(), confirmed()
    await service.publish(at_start(narrows), at_start(over))
    await service.publish(at_start(changed(narrows, msgspec.structs.replace(narrows.mentor, availability=NIGHTS))))
    await service.publish(at_start(ended(over)))
    # A circle that is known and one that is new: members come and go while a meeting is under way.
    new = msgspec.structs.replace(
        confirmed(terms=Terms(cadence_days=7, meetings_total=6)), mentees=(member("mentee"), member("mentee"))
    )
    await service.publish(at_start(new))
    for each in (circle, new):
        [first, second, *_] = await _meetings(service, each)
        during = max(first.starts_at + timedelta(minutes=5), await service.process.runtime.clock.now())
        await service.advance(during)
        others = msgspec.structs.replace(
            changed(each, each.mentor), mentees=(each.mentees[1], member("mentee")), reason="members"
        )
        await service.publish(at_start(others, time=during))
        # One of them cannot come; the mentor moves a meeting, and cancels another.
        declining = next(
            index for index, one in enumerate(second.attendees) if one.person_id == each.mentees[1].person_id
        )
        assert (await service.client.post(service.path(second, attendee=declining) + "/cancel")).status_code == 303
        await service.settle()
    [*_, third] = await _meetings(service, circle)
    page = (await service.client.get(service.path(third))).text
    choice = page.split('name="start" value="')[1].split('"')[0]
    assert (await service.client.post(service.path(third) + "/reschedule", data={"start": choice})).status_code == 303
    [*_, third] = await _meetings(service, moves)
    assert (await service.client.post(service.path(third) + "/cancel")).status_code == 303
    await service.settle()
    await service.advance(START + timedelta(weeks=2))
    # It ends while others are booked, and a match of the same mentor begins.
    now = await service.process.runtime.clock.now()
    await service.publish(at_start(ended(circle), time=now))
    await service.publish(at_start(confirmed(circle.mentor, program_id=circle.program_id), time=now))
    for kind in (
        SeriesPlanned,
        SeriesBlocked,
        SeriesClosed,
        MeetingScheduled,
        MeetingRescheduled,
        MeetingAttendeesChanged,
        MeetingCancelled,
        MeetingCompleted,
    ):
        assert await service.events(kind), kind


async def test_a_dead_letter_is_one_again(servers: Servers, database: Database, topic_prefix: str) -> None:
    good = confirmed()
    bad = msgspec.structs.replace(confirmed(program_id=good.program_id), mentees=(good.mentor,), mentor=good.mentor)
    async with running_scheduling(servers, database, topic_prefix):
        pass
    async with set_back(servers, database), running_scheduling(servers, database, topic_prefix) as service:
        await service.publish(at_start(bad), at_start(good), at_start(ended(confirmed(program_id=uuid4()))))
        query = "SELECT record_offset, partition, reason, detail FROM dead_letter ORDER BY reason"
        letters, told = await service.rows(query), await service.published()
    assert [letter["reason"] for letter in letters] == ["same_person", "unknown_match"]
    await set_clock(database, START)
    await _restore(servers, database, topic_prefix)
    async with running_scheduling(servers, database, topic_prefix) as service:
        assert await service.rows(query) == letters
        assert await service.published() == told


async def _meetings(service: SchedulingService, match: MatchConfirmed) -> list[MeetingScheduled]:
    """What is booked for a match now, as it was first told, in order of time."""
    rows = await service.rows(
        "SELECT meeting_id FROM meeting WHERE match_id = $1 AND status = 'scheduled'", match.match_id
    )
    booked = {row["meeting_id"] for row in rows}
    found = [one for one in await service.events(MeetingScheduled) if one.meeting_id in booked]
    return sorted(found, key=lambda one: one.starts_at)


async def _restore(servers: Servers, database: Database, topic_prefix: str) -> int:
    settings = settings_for(
        SchedulingSettings,
        servers,
        database,
        topic_prefix,
        service="scheduling",
        clock="driven",
        lane_lease_seconds=1.0,
    )
    return await run_to_end(Process("scheduling", settings, build, mode="restore"))
