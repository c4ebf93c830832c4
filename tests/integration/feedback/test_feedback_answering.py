"""Answers over HTTP: stored once, acted upon once, refused when late or forged."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx
from tests.support.feedback_service import attendee, completed_meeting
from tests.support.records import T0

from mentorstream_events.feedback import FeedbackSubmitted, MatchAtRisk
from mentorstream_events.registrations import RematchRequested
from mentorstream_events.values import Terms
from mentorstream_runtime.links import Purpose

if TYPE_CHECKING:
    from tests.support.feedback_service import FeedbackService

GOOD = {"took_place": "yes", "rating": "5", "went_well": "We laughed.", "to_change": ""}


async def test_the_form_tells_when_the_meeting_was_and_changes_nothing(service: FeedbackService) -> None:
    mentor, _ = await service.ask()

    for _ in range(2):
        page = await service.client.get(service.path(mentor))

        assert page.status_code == 200
        assert "Monday 9 March 2026, 08:15 to 09:00 (Europe/Paris)" in page.text
        assert "until Monday 23 March 2026, 09:00 (Europe/Paris)" in page.text
    assert await service.rows("SELECT FROM response") == []


async def test_an_answer_is_stored_and_published_without_its_texts(service: FeedbackService) -> None:
    mentor, mentee = await service.ask()

    page = await service.answer(mentee, **GOOD)
    await service.settle()

    assert page.status_code == 200
    assert "Thank you" in page.text
    assert "We laughed." in page.text
    submitted = await service.events(FeedbackSubmitted)
    assert [(each.request_id, each.rating, each.took_place, each.role) for each in submitted] == [
        (mentee.request_id, 5, True, "mentee")
    ]
    assert await service.events(MatchAtRisk) == []
    rows = await service.rows("SELECT request_id, answered_at FROM request ORDER BY answered_at NULLS LAST")
    assert [(row["request_id"], row["answered_at"]) for row in rows] == [
        (mentee.request_id, T0),
        (mentor.request_id, None),
    ]


async def test_the_same_answer_again_is_fine_and_another_comes_too_late(service: FeedbackService) -> None:
    _, mentee = await service.ask()
    await service.answer(mentee, **GOOD)

    again = await service.answer(mentee, **GOOD)
    changed = await service.answer(mentee, **{**GOOD, "rating": "1", "wants_rematch": "yes"})
    incomplete = await service.answer(mentee, rating="1")
    opened = await service.client.get(service.path(mentee))
    await service.settle()

    assert (again.status_code, changed.status_code, incomplete.status_code, opened.status_code) == (200, 409, 409, 200)
    for page in (again, changed, incomplete, opened):
        assert "You have already answered" in page.text
        assert "5: Very good" in page.text
    assert len(await service.events(FeedbackSubmitted)) == 1
    assert await service.events(MatchAtRisk) == []
    assert await service.events(RematchRequested, "registrations") == []


async def test_answers_sent_at_once_are_one(service: FeedbackService) -> None:
    _, mentee = await service.ask()
    low = {"took_place": "yes", "rating": "1", "wants_rematch": "yes"}

    same = await asyncio.gather(*(service.answer(mentee, **low) for _ in range(6)))
    await service.settle()

    assert {page.status_code for page in same} == {200}
    assert sum("Thank you" in page.text for page in same) == 1
    assert len(await service.events(FeedbackSubmitted)) == 1
    assert len(await service.events(MatchAtRisk)) == 1
    assert len(await service.events(RematchRequested, "registrations")) == 1


async def test_of_different_answers_sent_at_once_one_counts(service: FeedbackService) -> None:
    _, mentee = await service.ask()

    pages = await asyncio.gather(
        *(service.answer(mentee, took_place="yes", rating=str(rating)) for rating in range(1, 6))
    )
    await service.settle()

    assert sorted(page.status_code for page in pages) == [200, 409, 409, 409, 409]
    [submitted] = await service.events(FeedbackSubmitted)
    assert all(f"{submitted.rating}: " in page.text for page in pages)


async def test_both_sides_in_trouble_are_told_once_for_each_sign(service: FeedbackService) -> None:
    meeting = completed_meeting()
    mentor, mentee = await service.ask(meeting)
    await service.answer(mentor, took_place="yes", rating="2")
    await service.answer(mentee, took_place="yes", rating="1")
    following = completed_meeting(program_id=meeting.program_id, match_id=meeting.match_id, attendees=meeting.attendees)
    mentor, mentee = await service.ask(following)
    await service.answer(mentor, took_place="no", rating="1")
    await service.answer(mentee, took_place="yes", rating="2")
    await service.settle()

    risks = await service.events(MatchAtRisk)
    assert [(risk.meeting_id, risk.signal) for risk in risks] == [
        (meeting.meeting_id, "low_rating"),
        (following.meeting_id, "not_held"),
        (following.meeting_id, "low_rating"),
    ]
    concerned = {each.organisation_id for each in meeting.attendees}
    assert all(set(risk.organisation_ids) == concerned for risk in risks)
    assert {risk.match_id for risk in risks} == {meeting.match_id}


async def test_the_terms_of_the_match_say_what_is_low(service: FeedbackService) -> None:
    _, strict = await service.ask(completed_meeting(terms=Terms(low_rating=4)))
    _, lenient = await service.ask(completed_meeting(terms=Terms(low_rating=1)))

    await service.answer(strict, took_place="yes", rating="4")
    await service.answer(lenient, took_place="yes", rating="2")
    await service.settle()

    assert [risk.match_id for risk in await service.events(MatchAtRisk)] == [strict.match_id]


async def test_another_match_is_asked_for_once_by_each_participant(service: FeedbackService) -> None:
    meeting = completed_meeting()
    following = completed_meeting(program_id=meeting.program_id, match_id=meeting.match_id, attendees=meeting.attendees)
    for held in (meeting, following):
        for request in await service.ask(held):
            await service.answer(request, **GOOD, wants_rematch="yes")
    await service.settle()

    wishes = await service.events(RematchRequested, "registrations")
    assert [(wish.participant_id, wish.match_id) for wish in wishes] == [
        (each.participant_id, meeting.match_id) for each in meeting.attendees
    ]


async def test_what_is_missing_is_said_with_what_was_entered(service: FeedbackService) -> None:
    _, mentee = await service.ask()

    page = await service.answer(mentee, rating="3", went_well="<b>ours & yours</b>", to_change="x" * 2001)

    assert page.status_code == 422
    assert '<a href="#took_place-yes">Choose whether the meeting took place.</a>' in page.text
    assert '<a href="#to_change">Shorten what to change to 2000 characters; it has 2001.</a>' in page.text
    assert "&lt;b&gt;ours &amp; yours&lt;/b&gt;</textarea>" in page.text
    assert 'value="3" required checked>' in page.text
    assert await service.rows("SELECT FROM response") == []


async def test_a_link_ends_with_its_request(service: FeedbackService) -> None:
    mentor, mentee = await service.ask()
    await service.answer(mentor, **GOOD)
    paths = [service.path(mentor), service.path(mentee)]

    await service.move_clock(T0 + timedelta(days=14) - timedelta(seconds=1))
    before = [await service.client.get(path) for path in paths]
    await service.move_clock(T0 + timedelta(days=14))
    after = [await service.client.get(path) for path in paths]
    late = await service.client.post(paths[1], data=GOOD)

    assert [page.status_code for page in before] == [200, 200]
    assert [page.status_code for page in (*after, late)] == [410, 410, 410]
    assert "This link is no longer valid" in late.text
    assert "We laughed." not in after[0].text


async def test_a_link_that_says_something_else_leads_nowhere(service: FeedbackService) -> None:
    mentor, mentee = await service.ask()
    good = service.path(mentee)
    forged = [
        good[:-2] + ("A" if good[-2] != "A" else "B") + good[-1],  # the last character has bits that carry nothing
        "/feedback/nonsense",
        service.path(mentee, person_id=mentor.person_id),
        service.path(mentee, organisation_id=mentor.organisation_id),
        service.path(mentee, person_id=uuid4()),
        service.path(mentee, organisation_id=uuid4()),
    ]

    for path in forged:
        for page in (await service.client.get(path), await service.client.post(path, data=GOOD)):
            assert page.status_code == 404
            assert "This link is not valid" in page.text
    assert await service.rows("SELECT FROM response") == []


async def test_a_link_for_another_purpose_leads_nowhere(service: FeedbackService) -> None:
    _, mentee = await service.ask()
    purposes: tuple[Purpose, ...] = ("meeting", "proposal", "unsubscribe")

    for purpose in purposes:
        token = service.process.runtime.links.sign(
            purpose,
            organisation_id=mentee.organisation_id,
            subject_id=mentee.request_id,
            person_id=mentee.person_id,
            expires_at=mentee.expires_at,
        )
        assert (await service.client.get(f"/feedback/{token}")).status_code == 404


async def test_files_and_bodies_of_another_kind_are_refused(service: FeedbackService) -> None:
    _, mentee = await service.ask()

    pages: list[httpx.Response] = [
        await service.client.post(service.path(mentee), data=GOOD, files={"went_well": b"\x00\x01"}),
        await service.client.post(service.path(mentee), json=GOOD),
        await service.client.post(service.path(mentee), data={f"field{number}": "x" for number in range(100)}),
        await service.client.post(service.path(mentee)),
    ]

    assert all(400 <= page.status_code < 500 for page in pages)
    assert await service.rows("SELECT FROM response") == []


async def test_a_group_has_as_many_answers_as_people(service: FeedbackService) -> None:
    meeting = completed_meeting(attendees=[attendee("mentor"), *(attendee("mentee") for _ in range(3))])

    for request in await service.ask(meeting):
        assert (await service.answer(request, **GOOD)).status_code == 200
    await service.settle()

    submitted = await service.events(FeedbackSubmitted)
    assert {each.participant_id for each in submitted} == {each.participant_id for each in meeting.attendees}
