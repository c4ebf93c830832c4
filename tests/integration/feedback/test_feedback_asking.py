"""Held meetings become requests: one for each attendee, however often and in whatever company they arrive."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec
from tests.support.feedback_service import attendee, completed_meeting, running_feedback
from tests.support.records import T0, event, publish

from mentorstream_events.feedback import FeedbackRequested
from mentorstream_events.values import Terms

if TYPE_CHECKING:
    from tests.support.feedback_service import FeedbackService
    from tests.support.shared_servers import Database

    from mentorstream_local.stack import Servers


async def test_each_attendee_is_asked_once(service: FeedbackService) -> None:
    pair = completed_meeting()
    group = completed_meeting(attendees=[attendee("mentor"), *(attendee("mentee") for _ in range(4))])
    silent = completed_meeting(terms=Terms(ask_feedback=False))

    await service.publish(*(event(meeting) for meeting in (pair, group, silent)))

    requested = await service.events(FeedbackRequested)
    expected = Counter((meeting.meeting_id, each.person_id) for meeting in (pair, group) for each in meeting.attendees)
    assert Counter((request.meeting_id, request.person_id) for request in requested) == expected
    assert {request.expires_at for request in requested} == {T0 + timedelta(days=14)}
    stored = await service.rows("SELECT request_id, organisation_id FROM request")
    assert {(row["request_id"], row["organisation_id"]) for row in stored} == {
        (request.request_id, request.organisation_id) for request in requested
    }


async def test_a_meeting_that_comes_again_asks_nobody_again(service: FeedbackService) -> None:
    meeting = completed_meeting()
    first = event(meeting)
    await service.publish(first, event(meeting))  # another event about it, in the same batch or the next

    await service.publish(first, event(meeting, time=T0 + timedelta(days=1)))

    assert len(await service.events(FeedbackRequested)) == 2


async def test_a_replay_from_the_start_changes_nothing(servers: Servers, database: Database, topic_prefix: str) -> None:
    program_id = uuid4()
    meetings = [completed_meeting(program_id=program_id) for _ in range(20)]
    async with running_feedback(servers, database, topic_prefix) as service:
        await service.publish(*(event(meeting) for meeting in meetings))
        before = await service.rows("SELECT * FROM request ORDER BY request_id")
        await service.rows("UPDATE consumer_position SET next_offset = 0 WHERE topic = 'meetings' RETURNING topic")

    async with running_feedback(servers, database, topic_prefix) as service:
        await service.settle()

        assert await service.rows("SELECT * FROM request ORDER BY request_id") == before
        assert len(await service.events(FeedbackRequested)) == 40


async def test_an_empty_database_asks_the_same_with_the_same_ids(
    servers: Servers, database: Database, topic_prefix: str
) -> None:
    async with running_feedback(servers, database, topic_prefix) as service:
        await service.publish(*(event(completed_meeting()) for _ in range(5)))
        before = await service.rows("SELECT * FROM request ORDER BY request_id")
        await service.rows("DELETE FROM request RETURNING 1")
        await service.rows("DELETE FROM sequence_seen RETURNING 1")
        await service.rows("UPDATE consumer_position SET next_offset = 0 WHERE topic = 'meetings' RETURNING topic")

    async with running_feedback(servers, database, topic_prefix) as service:
        await service.settle()

        assert await service.rows("SELECT * FROM request ORDER BY request_id") == before


async def test_a_match_of_another_program_is_put_aside(service: FeedbackService) -> None:
    meeting = completed_meeting()
    stray = completed_meeting(match_id=meeting.match_id)
    moved = msgspec.structs.replace(meeting, match_id=uuid4())

    await service.publish(event(meeting))
    await service.publish(event(stray), event(moved))

    assert len(await service.events(FeedbackRequested)) == 2
    letters = await service.rows("SELECT reason FROM dead_letter ORDER BY reason")
    assert [row["reason"] for row in letters] == ["wrong_match", "wrong_program"]


async def test_the_programs_time_never_goes_back(service: FeedbackService) -> None:
    program_id = uuid4()
    late = completed_meeting(program_id=program_id, ends_at=T0 + timedelta(days=3))
    early = completed_meeting(program_id=program_id, ends_at=T0 + timedelta(days=1))

    await service.publish(event(late, time=late.ends_at), event(early, time=early.ends_at))

    requested = await service.events(FeedbackRequested)
    assert {request.expires_at for request in requested} == {T0 + timedelta(days=17)}


async def test_two_workers_share_the_work_and_ask_each_person_once(
    service: FeedbackService, servers: Servers, database: Database, topic_prefix: str
) -> None:
    meetings = [completed_meeting() for _ in range(60)]
    async with running_feedback(servers, database, topic_prefix, instance="another"):
        await publish(servers.kafka_bootstrap, topic_prefix, [event(meeting) for meeting in meetings])
        await publish(servers.kafka_bootstrap, topic_prefix, [event(meeting) for meeting in meetings])
        await service.settle()

    requested = await service.events(FeedbackRequested)
    assert Counter((request.meeting_id, request.person_id) for request in requested) == Counter(
        (meeting.meeting_id, each.person_id) for meeting in meetings for each in meeting.attendees
    )
