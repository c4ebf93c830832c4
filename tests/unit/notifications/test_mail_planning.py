"""Which fact makes which mail to whom, as plain values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from notifications.domain import planning
from notifications.domain.mail import CALENDAR, COURTESY, Mail, Occasion
from notifications.domain.planning import Agreed, Recipient, Slot

NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)
PROGRAM, MATCH, MEETING, PARTICIPANT, REQUEST = (UUID(int=number) for number in range(1, 6))
OCCASION = Occasion(cause_id="event-1", program_id=PROGRAM, time=NOW)
MENTOR = Recipient(person_id=UUID(int=11), organisation_id=UUID(int=21), role="mentor", zone="Europe/Paris")
MENTEES = [
    Recipient(person_id=UUID(int=12), organisation_id=UUID(int=22), role="mentee", zone="Asia/Tokyo"),
    Recipient(person_id=UUID(int=13), organisation_id=UUID(int=23), role="mentee", zone="America/Lima"),
]
EVERYBODY = [MENTOR, *MENTEES]
SLOT = Slot(
    meeting_id=MEETING, revision=3, starts_at=NOW + timedelta(days=5), ends_at=NOW + timedelta(days=5, minutes=45)
)


def receivers(mails: list[Mail]) -> list[UUID]:
    return [mail.person_id for mail in mails]


def test_a_match_is_told_to_every_side_with_the_names_of_the_others() -> None:
    mails = planning.match(
        OCCASION, MATCH, EVERYBODY, Agreed(cadence_days=14, meeting_minutes=45, weeks=26, ends_at=NOW)
    )

    assert receivers(mails) == [member.person_id for member in EVERYBODY]
    for mail in mails:
        assert mail.person_id not in mail.mentions
        assert {mail.person_id, *mail.mentions} == {member.person_id for member in EVERYBODY}
    assert len({mail.key for mail in mails}) == len(mails)


def test_a_proposal_goes_to_the_mentor_only_and_dies_with_its_date() -> None:
    mail = planning.proposal(OCCASION, MATCH, MENTOR, MENTEES, NOW + timedelta(days=7))

    assert mail.person_id == MENTOR.person_id
    assert mail.mentions == tuple(mentee.person_id for mentee in MENTEES)
    assert mail.expires_at == NOW + timedelta(days=7)


def test_only_mentees_are_told_that_they_wait_once_for_each_waiting() -> None:
    first = planning.waiting(OCCASION, PARTICIPANT, MENTEES[0], NOW, {"next_round"})
    again = planning.waiting(OCCASION, PARTICIPANT, MENTEES[0], NOW, {"capacity"})
    later = planning.waiting(OCCASION, PARTICIPANT, MENTEES[0], NOW + timedelta(days=30), ())

    assert planning.waiting(OCCASION, PARTICIPANT, MENTOR, NOW, ()) is None
    assert first is not None
    assert again is not None
    assert later is not None
    assert first.key == again.key
    assert first.key != later.key
    assert [each.params["why"] for each in (first, again, later)] == ["next_round", "nobody_fits", "nobody_fits"]


def test_a_round_that_leaves_somebody_over_is_told_where_that_is_news() -> None:
    def news(first: str | None, rule: str) -> str | None:
        word = planning.waiting(OCCASION, PARTICIPANT, MENTEES[0], NOW, {rule})
        assert word is not None
        found = planning.left_over(word, first)
        return None if found is None else found.key.removeprefix(word.key)

    rules = ("next_round", "capacity", "awaits_circle", "better_used_elsewhere")
    again = ":left_over"
    assert [news("next_round", rule) for rule in rules] == [None, again, again, again]
    assert [news("nobody_fits", rule) for rule in rules] == [None, None, again, again]
    assert [news(None, rule) for rule in rules] == [None, None, again, again]
    assert [news("places_gone", rule) for rule in rules] == [None] * 4


def test_choosing_is_asked_once_for_each_list() -> None:
    first, repeated, again, back = (
        planning.choose_mentors(OCCASION, PARTICIPANT, MENTEES[0], since, lists)
        for since, lists in ((NOW, 0), (NOW, 0), (NOW, 1), (NOW + timedelta(days=30), 0))
    )

    assert first.key == repeated.key
    assert len({first.key, again.key, back.key}) == 3
    assert [each.params["again"] for each in (first, again, back)] == [False, True, False]
    assert not first.courtesy
    assert first.expires_at == first.params["answer_by"] == NOW + timedelta(days=planning.CHOICE_DAYS)


@pytest.mark.parametrize("plan", [planning.invitation, planning.cancellation])
def test_calendar_mails_carry_their_revision_and_their_receivers_zone(plan: object) -> None:
    mails = plan(OCCASION, EVERYBODY, SLOT)  # type: ignore[operator]

    assert receivers(mails) == [attendee.person_id for attendee in EVERYBODY]
    assert [mail.params["zone"] for mail in mails] == [attendee.zone for attendee in EVERYBODY]
    assert {mail.revision for mail in mails} == {SLOT.revision}
    assert {mail.subject_id for mail in mails} == {MEETING}
    assert {mail.expires_at for mail in mails} == {SLOT.ends_at}, "an invitation to a past meeting helps nobody"


def test_an_invitation_and_a_cancellation_of_one_revision_are_the_same_mail() -> None:
    invited = planning.invitation(OCCASION, EVERYBODY, SLOT)
    cancelled = planning.cancellation(OCCASION, EVERYBODY, SLOT)

    assert [mail.key for mail in invited] == [mail.key for mail in cancelled]


def test_the_end_of_a_match_says_neither_who_nor_why() -> None:
    mails = planning.match_ended(OCCASION, MATCH, EVERYBODY, term_over=False)

    assert [dict(mail.params) for mail in mails] == [{"term_over": False}] * 3
    assert all(not mail.mentions for mail in mails)


def test_mails_about_one_match_have_an_order() -> None:
    proposal = planning.proposal(OCCASION, MATCH, MENTOR, MENTEES, NOW)
    match = planning.match(OCCASION, MATCH, [MENTOR], Agreed(cadence_days=7, meeting_minutes=30, weeks=4, ends_at=NOW))
    blocked = planning.no_common_time(OCCASION, MATCH, [MENTOR], 15)
    ended = planning.match_ended(OCCASION, MATCH, [MENTOR], term_over=True)

    revisions = [mail.revision for mail in [proposal, *match, *blocked, *ended]]
    assert revisions == sorted(set(revisions))


def test_only_mails_that_a_program_can_do_without_are_courtesy() -> None:
    assert {"registered", "waitlisted", "feedback_request"} == COURTESY
    assert not COURTESY & CALENDAR
    assert planning.welcome(OCCASION, PARTICIPANT, MENTOR).courtesy
    assert planning.feedback_request(OCCASION, REQUEST, MENTOR, NOW, NOW + timedelta(days=14)).courtesy
    assert not planning.proposal(OCCASION, MATCH, MENTOR, MENTEES, NOW).courtesy
