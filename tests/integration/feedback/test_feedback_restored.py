"""The database of feedback went back: answers are known but for their texts, and nobody is asked again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tests.support.feedback_service import FeedbackService, completed_meeting, running_feedback
from tests.support.notifications_service import known
from tests.support.records import T0, event
from tests.support.services import set_clock, settings_for
from tests.support.set_back import run_to_end, set_back

from feedback.bootstrap import build
from feedback.settings import FeedbackSettings
from mentorstream_events.feedback import FeedbackSubmitted, MatchAtRisk
from mentorstream_events.people import PersonErased
from mentorstream_events.registrations import RematchRequested
from mentorstream_events.values import Terms
from mentorstream_runtime.process import Process

if TYPE_CHECKING:
    from tests.support.shared_servers import Database

    from mentorstream_events.meetings import MeetingCompleted
    from mentorstream_local.stack import Servers

# Everything that feedback knows, but for texts and whose wish another match was.
STATE = {
    "program": "SELECT * FROM program ORDER BY program_id",
    "person": "SELECT * FROM person ORDER BY person_id",
    "match": "SELECT * FROM match ORDER BY match_id",
    "match_organisation": "SELECT * FROM match_organisation ORDER BY match_id, organisation_id",
    "request": "SELECT * FROM request ORDER BY request_id",
    "response": "SELECT request_id, organisation_id, took_place, rating, submitted_at FROM response ORDER BY 1",
    "match_signal": "SELECT * FROM match_signal ORDER BY meeting_id, signal",
    "rematch_request": "SELECT * FROM rematch_request ORDER BY match_id, participant_id",
    "consumer_position": "SELECT topic, partition, next_offset FROM consumer_position WHERE topic <> 'people'"
    " ORDER BY partition",
}


async def test_answers_are_taken_over_and_nobody_is_asked_again(
    servers: Servers, database: Database, topic_prefix: str
) -> None:
    first, later = completed_meeting(), completed_meeting(ends_at=T0 + timedelta(days=1))
    # Of a match that is known, with other terms; and one about which nobody is to be asked.
    second = completed_meeting(
        attendees=first.attendees,
        program_id=first.program_id,
        match_id=first.match_id,
        ends_at=T0 + timedelta(days=7),
        terms=Terms(low_rating=3),
    )
    silent = completed_meeting(terms=Terms(ask_feedback=False))
    async with running_feedback(servers, database, topic_prefix) as service:
        people = [one for each in (first, later, silent) for one in each.attendees]
        await service.publish(*(event(known(one.person_id, "Ada")) for one in people))
        await service.ask(first)
    async with set_back(servers, database), running_feedback(servers, database, topic_prefix) as service:
        await _go_on(service, first, second, later, silent)
        before = {name: await service.rows(query) for name, query in STATE.items()}
        told = await service.published() + await service.published("registrations")
    await set_clock(database, T0 + timedelta(days=8))
    settings = settings_for(
        FeedbackSettings, servers, database, topic_prefix, service="feedback", clock="driven", lane_lease_seconds=1.0
    )
    for _ in range(2):  # the second time changes nothing
        await run_to_end(Process("feedback", settings, build, mode="restore"))
    async with running_feedback(servers, database, topic_prefix) as service:
        await service.settle()
        for name, query in STATE.items():
            assert await service.rows(query) == before[name], name
        assert await service.published() + await service.published("registrations") == told
        # Who had not answered may, and sees when the meeting was; who had answered may not again.
        mentor, mentee = await service.ask(later)
        page = await service.client.get(service.path(mentor))
        assert "08:15 to 09:00 (Europe/Paris)" in page.text
        assert (await service.answer(mentor, took_place="yes", rating="4")).status_code == 200
        await service.answer(mentee, took_place="yes", rating="4")
        await service.settle()
        assert [
            each.role for each in await service.events(FeedbackSubmitted) if each.meeting_id == later.meeting_id
        ] == [
            "mentee",
            "mentor",
        ]


async def _go_on(
    service: FeedbackService,
    first: MeetingCompleted,
    second: MeetingCompleted,
    later: MeetingCompleted,
    silent: MeetingCompleted,
) -> None:
    mentor, mentee = await service.ask(first)
    await service.answer(mentor, took_place="yes", rating="5", went_well="We laughed.")
    await set_clock(service.database, T0 + timedelta(days=8))
    mentor, mentee = await service.ask(second)
    await service.answer(mentee, took_place="yes", rating="2", wants_rematch="yes")
    await service.answer(mentor, took_place="no")
    assert await service.ask(silent) == []
    mentor, mentee = await service.ask(later)
    await service.answer(mentee, took_place="yes", rating="4")
    await service.publish(event(PersonErased(person_id=first.attendees[1].person_id)))
    assert await service.events(MatchAtRisk)
    assert await service.events(RematchRequested, "registrations")
