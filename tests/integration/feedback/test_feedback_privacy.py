"""Texts stay where they are, are seen by nobody else, and go when they must."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg
import pytest
from tests.support.feedback_service import completed_meeting
from tests.support.records import T0, event, eventually

from mentorstream_events.feedback import FeedbackRequested
from mentorstream_events.people import PersonErased
from mentorstream_runtime.database import open_pool, organisation_scope

if TYPE_CHECKING:
    from tests.support.feedback_service import FeedbackService

SECRET = "zanzibar-4711"
ANSWER = {"took_place": "yes", "rating": "1", "went_well": f"{SECRET} one", "to_change": f"{SECRET} two"}
TEXTS = "SELECT went_well, to_change, rating FROM response"


async def test_texts_are_in_no_event_and_no_log(
    service: FeedbackService, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    mentor, mentee = await service.ask()
    await service.answer(mentee, **ANSWER, wants_rematch="yes")
    await service.answer(mentee, **ANSWER)
    await service.answer(mentee, **{**ANSWER, "rating": "3"})
    await service.answer(mentor, **{**ANSWER, "rating": ""})
    await service.settle()

    published = await service.everything_published()
    assert b"mentorstream.feedback.submitted.v1" in published
    assert SECRET.encode() not in published
    printed = capfd.readouterr()
    assert SECRET not in printed.out + printed.err + caplog.text
    metrics = await service.client.get(service.process.metrics_url + "/metrics")
    assert SECRET not in metrics.text


async def test_the_other_side_sees_nothing_of_an_answer(service: FeedbackService) -> None:
    mentor, mentee = await service.ask()
    await service.answer(mentee, **ANSWER)

    page = await service.client.get(service.path(mentor))

    assert page.status_code == 200
    assert SECRET not in page.text
    assert "already" not in page.text


async def test_an_organisation_sees_its_own_rows_only(service: FeedbackService) -> None:
    mentor, mentee = await service.ask()
    await service.ask()
    await service.answer(mentee, **ANSWER)
    await service.answer(mentor, took_place="yes", rating="5")
    pool = await open_pool(service.database.url("mentorstream_feedback_api"), size=1, application_name="test")
    async with pool:
        for own in (mentor, mentee):
            async with organisation_scope(pool, own.organisation_id) as connection:
                for table in ("request", "response"):
                    rows = await connection.fetch(f"SELECT request_id FROM {table}")
                    assert [row["request_id"] for row in rows] == [own.request_id]
                for table in ("match", "match_signal"):
                    rows = await connection.fetch(f"SELECT match_id FROM {table}")
                    assert [row["match_id"] for row in rows] == [mentor.match_id]
        async with pool.acquire() as connection:
            for table in ("request", "response", "match", "match_signal", "match_organisation"):
                assert await connection.fetch(f"SELECT FROM {table}") == []
            for table in ("person", "program", "rematch_request"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.fetch(f"SELECT FROM {table}")
            for change in ("DELETE FROM response", "UPDATE request SET role = 'mentor'"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(change)


async def test_an_erased_persons_texts_go_and_their_rating_stays(service: FeedbackService) -> None:
    mentor, mentee = await service.ask()
    await service.answer(mentee, **ANSWER)
    await service.answer(mentor, **ANSWER)

    await service.publish(event(PersonErased(person_id=mentee.person_id)))

    texts = await service.rows("SELECT request_id, went_well, to_change, rating FROM response")
    assert {row["request_id"]: tuple(row)[1:] for row in texts} == {
        mentee.request_id: (None, None, 1),
        mentor.request_id: (ANSWER["went_well"], ANSWER["to_change"], 1),
    }


async def test_an_erased_person_can_answer_no_more(service: FeedbackService) -> None:
    meeting = completed_meeting()
    _, mentee = await service.ask(meeting)
    # Also about a meeting that was still on its way when they were erased.
    await service.publish(event(PersonErased(person_id=mentee.person_id)))
    following = completed_meeting(program_id=meeting.program_id, match_id=meeting.match_id, attendees=meeting.attendees)
    _, later = await service.ask(following)

    for request in (mentee, later):
        assert (await service.answer(request, **ANSWER)).status_code == 410
    assert await service.rows("SELECT FROM response") == []
    # So an erasure that is read again, as a replay does, changes nothing.
    assert (
        await service.rows(
            "SELECT FROM request WHERE person_id = $1 AND expires_at > meeting_ended_at", mentee.person_id
        )
        == []
    )


async def test_links_of_an_erased_person_show_nothing_any_more(service: FeedbackService) -> None:
    mentor, mentee = await service.ask()
    await service.answer(mentee, **ANSWER)
    await service.publish(event(PersonErased(person_id=mentee.person_id)))
    await service.settle()

    assert (await service.client.get(service.path(mentee))).status_code == 410
    assert (await service.client.get(service.path(mentor))).status_code == 200


async def test_an_answer_and_an_erasure_at_once_leave_no_text(service: FeedbackService) -> None:
    requests: list[FeedbackRequested] = []
    for _ in range(5):
        requests += await service.ask()
    erasures = [event(PersonErased(person_id=request.person_id)) for request in requests]

    await asyncio.gather(service.publish(*erasures), *(service.answer(request, **ANSWER) for request in requests))
    await service.settle()

    rows = await service.rows(TEXTS)
    assert {(row["went_well"], row["to_change"]) for row in rows} <= {(None, None)}


async def test_texts_end_with_their_retention(service: FeedbackService) -> None:
    mentor, mentee = await service.ask()
    await service.answer(mentor, **ANSWER)
    await service.move_clock(T0 + timedelta(days=7))
    await service.answer(mentee, **ANSWER)

    await service.move_clock(T0 + timedelta(days=365))

    await eventually(lambda: _has_text(service, {mentee.request_id}), what="the older texts are deleted")
    quiescence = (await service.client.get(service.process.metrics_url + "/quiescence")).json()
    assert quiescence["next_due"] == (T0 + timedelta(days=7 + 365)).isoformat()

    await service.move_clock(T0 + timedelta(days=372))

    await eventually(lambda: _has_text(service, set()), what="all texts are deleted")
    assert [row["rating"] for row in await service.rows(TEXTS)] == [1, 1]
    quiescence = (await service.client.get(service.process.metrics_url + "/quiescence")).json()
    assert quiescence["next_due"] is None


async def _has_text(service: FeedbackService, expected: set[UUID]) -> bool:
    rows = await service.rows("SELECT request_id FROM response WHERE went_well IS NOT NULL OR to_change IS NOT NULL")
    return {row["request_id"] for row in rows} == expected
