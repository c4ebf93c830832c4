"""Each person of a held meeting is asked once, whatever comes twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from feedback.domain.asking import ANSWER_WITHIN, Attendee, HeldMeeting, requests_for

NOW = datetime(2026, 3, 3, 15, 0, tzinfo=UTC)
MENTOR = Attendee(
    participant_id=UUID(int=1), person_id=UUID(int=11), organisation_id=UUID(int=21), role="mentor", zone="Europe/Paris"
)
MENTEE = Attendee(
    participant_id=UUID(int=2), person_id=UUID(int=12), organisation_id=UUID(int=22), role="mentee", zone="Asia/Tokyo"
)
MEETING = HeldMeeting(
    program_id=UUID(int=31),
    match_id=UUID(int=32),
    meeting_id=UUID(int=33),
    started_at=NOW - timedelta(minutes=45),
    ended_at=NOW,
    attendees=(MENTOR, MENTEE),
    ask=True,
)


def identify(person_id: UUID) -> UUID:
    return UUID(int=person_id.int + 1000)


def test_both_sides_are_asked_with_two_weeks_to_answer() -> None:
    requests = requests_for(MEETING, asked=(), identify=identify, now=NOW)

    assert [request.attendee for request in requests] == [MENTOR, MENTEE]
    assert [request.request_id for request in requests] == [UUID(int=1011), UUID(int=1012)]
    assert {request.expires_at for request in requests} == {NOW + timedelta(days=14)}


def test_time_to_answer_runs_from_asking_when_that_was_late() -> None:
    late = NOW + timedelta(days=20)

    requests = requests_for(MEETING, asked=(), identify=identify, now=late)

    assert {request.expires_at for request in requests} == {late + ANSWER_WITHIN}


def test_who_was_asked_is_not_asked_again() -> None:
    requests = requests_for(MEETING, asked={MENTOR.person_id}, identify=identify, now=NOW)

    assert [request.attendee for request in requests] == [MENTEE]


def test_nobody_is_asked_where_the_terms_say_so() -> None:
    assert requests_for(replace(MEETING, ask=False), asked=(), identify=identify, now=NOW) == ()


def test_a_person_on_both_sides_is_asked_once_in_the_first_role() -> None:
    both = replace(MEETING, attendees=(MENTOR, replace(MENTEE, person_id=MENTOR.person_id)))

    requests = requests_for(both, asked=(), identify=identify, now=NOW)

    assert [request.attendee for request in requests] == [MENTOR]


def test_everybody_of_a_group_is_asked() -> None:
    mentees = tuple(
        replace(MENTEE, participant_id=UUID(int=100 + number), person_id=UUID(int=200 + number)) for number in range(6)
    )

    requests = requests_for(replace(MEETING, attendees=(MENTOR, *mentees)), asked=(), identify=identify, now=NOW)

    assert [request.attendee.person_id for request in requests] == [
        MENTOR.person_id,
        *(mentee.person_id for mentee in mentees),
    ]
