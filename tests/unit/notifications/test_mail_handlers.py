"""Contracts to mails: every field arrives where it belongs, and what must stay private makes no mail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from mentorstream_events import Event, Value, contract_of
from mentorstream_events.feedback import FeedbackSubmitted, MatchAtRisk
from mentorstream_events.matches import MatchConfirmed, MatchEnded, MatchProposed, ParticipantWaitlisted
from mentorstream_events.people import PersonKnown
from mentorstream_events.registrations import ParticipantRegistered, ParticipantWithdrawn
from mentorstream_events.values import Member, Profile, Reason, Terms
from notifications.domain.book import Book, Entry
from notifications.domain.people import Person, Register
from notifications.entrypoints.consumer import MAIL_ROUTES, MailHandler, PeopleHandler
from notifications.handlers import knowing

NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)
PROGRAM, MATCH, PARTICIPANT = UUID(int=1), UUID(int=2), UUID(int=3)
ANNA, BEN = UUID(int=11), UUID(int=12)
NORTH, SOUTH = UUID(int=21), UUID(int=22)


def event(data: Value) -> Event[Value]:
    contract = contract_of(data)
    return Event(id="e1", type=contract.name, source="test", time=NOW, key=contract.key_of(data), data=data)


def decide(book: Book, *facts: Value) -> Book:
    for fact in facts:
        MAIL_ROUTES[type(fact)].handle(event(fact), book)
    return book


def member(person_id: UUID, organisation_id: UUID, role: str) -> Member:
    return Member(
        participant_id=UUID(int=person_id.int + 100),
        person_id=person_id,
        organisation_id=organisation_id,
        role="mentor" if role == "mentor" else "mentee",
        zone="Europe/Paris",
        languages=("en",),
        availability=(),
    )


MENTOR, MENTEE = member(ANNA, NORTH, "mentor"), member(BEN, SOUTH, "mentee")
PROPOSED = MatchProposed(
    program_id=PROGRAM,
    match_id=MATCH,
    mentor=MENTOR,
    mentees=(MENTEE,),
    score=0.5,
    facets={},
    policy_version=1,
    expires_at=NOW + timedelta(days=7),
)
CONFIRMED = MatchConfirmed(
    program_id=PROGRAM,
    match_id=MATCH,
    mentor=MENTOR,
    mentees=(MENTEE,),
    score=0.5,
    facets={},
    policy_version=1,
    terms=Terms(),
    ends_at=NOW + timedelta(weeks=26),
)


def waitlisted(rule: Any, *, since: datetime = NOW, lists: int = 0) -> ParticipantWaitlisted:
    return ParticipantWaitlisted(
        program_id=PROGRAM,
        participant_id=PARTICIPANT,
        person_id=BEN,
        organisation_id=SOUTH,
        role="mentee",
        waiting_since=since,
        reasons=(Reason(rule=rule, removed=0),),
        lists=lists,
    )


def ended(*, was_confirmed: bool, reason: Any = "rematch") -> MatchEnded:
    return MatchEnded(
        program_id=PROGRAM,
        match_id=MATCH,
        mentor_person_id=ANNA,
        mentee_person_ids=(BEN,),
        organisation_ids=(NORTH, SOUTH),
        was_confirmed=was_confirmed,
        reason=reason,
    )


def kinds(book: Book) -> Sequence[tuple[str, UUID, str | None]]:
    return [(posted.mail.kind, posted.mail.person_id, posted.void) for posted in book.posted]


def test_answers_and_signs_of_trouble_have_no_reader_here() -> None:
    assert FeedbackSubmitted not in MailHandler.handles
    assert MatchAtRisk not in MailHandler.handles
    assert not MailHandler.handles & PeopleHandler.handles


def test_a_confirmed_match_that_ends_is_told_to_both_sides_in_their_own_organisations() -> None:
    book = decide(Book(), CONFIRMED, ended(was_confirmed=True))

    assert kinds(book) == [
        ("match", ANNA, None),
        ("match", BEN, None),
        ("match_ended", ANNA, None),
        ("match_ended", BEN, None),
    ]
    assert [posted.mail.organisation_id for posted in book.posted[2:]] == [NORTH, SOUTH]


def test_a_proposal_that_ends_is_told_to_nobody_and_not_sent_any_more() -> None:
    book = decide(Book(), PROPOSED, ended(was_confirmed=False))

    assert kinds(book) == [("proposal", ANNA, "match_over")]


def test_a_mentor_who_was_asked_hears_when_another_one_said_yes() -> None:
    asked = decide(Book(), PROPOSED).posted[0].mail
    tried = Entry(
        key=asked.key,
        kind="proposal",
        person_id=ANNA,
        organisation_id=NORTH,
        subject_id=MATCH,
        revision=asked.revision,
        tried=True,
        open=False,
    )
    closed = decide(Book([tried]), ended(was_confirmed=False, reason="other_accepted"))
    assert kinds(closed) == [("proposal_closed", ANNA, None)]
    assert closed.posted[0].mail.mentions == (BEN,)
    assert closed.posted[0].mail.revision > asked.revision

    unasked = decide(Book(), PROPOSED, ended(was_confirmed=False, reason="other_accepted"))
    assert kinds(unasked) == [("proposal", ANNA, "match_over"), ("proposal_closed", ANNA, "match_over")]


def test_the_newest_word_about_waiting_or_choosing_counts() -> None:
    book = decide(Book(), waitlisted("capacity"), waitlisted("no_request"), waitlisted("no_request"))
    assert kinds(book) == [("waitlisted", BEN, "newer_revision"), ("choose_mentors", BEN, None)]
    again = decide(book, waitlisted("no_request", lists=1))
    assert [void for _, _, void in kinds(again)] == ["newer_revision", "newer_revision", None]
    gone = ParticipantWithdrawn(program_id=PROGRAM, participant_id=PARTICIPANT, person_id=BEN)
    assert kinds(decide(again, gone))[-1] == ("choose_mentors", BEN, "withdrawn")


def test_who_comes_back_gets_a_link_to_choose_again() -> None:
    gone = ParticipantWithdrawn(program_id=PROGRAM, participant_id=PARTICIPANT, person_id=BEN)
    book = decide(Book(), waitlisted("no_request"), gone, waitlisted("no_request", since=NOW + timedelta(days=1)))
    assert kinds(book) == [("choose_mentors", BEN, "withdrawn"), ("choose_mentors", BEN, None)]


def test_who_waits_to_choose_and_then_only_waits_is_told_so() -> None:
    book = decide(Book(), waitlisted("no_request"), waitlisted("next_round"))
    assert kinds(book) == [("choose_mentors", BEN, "newer_revision"), ("waitlisted", BEN, None)]


def test_the_end_of_a_match_that_nobody_heard_of_is_told_to_nobody() -> None:
    assert kinds(decide(Book(), ended(was_confirmed=True))) == []


def test_who_leaves_before_the_welcome_went_gets_none() -> None:
    registered = ParticipantRegistered(
        program_id=PROGRAM,
        participant_id=PARTICIPANT,
        person_id=ANNA,
        organisation_id=NORTH,
        roles=("mentor", "mentee"),
        capacity=1,
        profile=Profile(zone="UTC", languages=("en",), availability=()),
    )
    withdrawn = ParticipantWithdrawn(program_id=PROGRAM, participant_id=PARTICIPANT, person_id=ANNA)

    welcomed = decide(Book(), registered)
    assert welcomed.posted[0].mail.params == {"role": "both"}
    left = decide(welcomed, withdrawn)
    assert kinds(left) == [("registered", ANNA, "withdrawn")]
    assert (left.left, left.returned) == ({PARTICIPANT: NOW}, set())
    back = decide(left, registered)
    assert (back.left, back.returned) == ({}, {PARTICIPANT})


def test_a_welcome_that_was_tried_is_left_alone() -> None:
    tried = Entry(
        key="k",
        kind="registered",
        person_id=ANNA,
        organisation_id=NORTH,
        subject_id=PARTICIPANT,
        revision=0,
        tried=True,
        open=True,
    )
    withdrawn = ParticipantWithdrawn(program_id=PROGRAM, participant_id=PARTICIPANT, person_id=ANNA)
    assert not decide(Book([tried]), withdrawn).voided


def known(version: int, email: str = "a@example.org") -> PersonKnown:
    return PersonKnown(
        person_id=ANNA, organisation_id=NORTH, version=version, full_name="Anna", email=email, zone="UTC"
    )


def test_only_a_higher_version_of_a_person_counts() -> None:
    register = Register({ANNA: 2}, ())
    for version in (1, 2, 4, 3):
        knowing.on_person_known(_typed(known(version, f"v{version}@example.org")), register)
    assert {person_id: person.email for person_id, person in register.changed.items()} == {ANNA: "v4@example.org"}


def test_nobody_comes_back_from_erasure() -> None:
    register = Register({ANNA: 1}, ())
    register.learn(_person(2))
    register.erase(ANNA)
    register.learn(_person(3))
    assert register.newly_erased == {ANNA}
    assert not register.changed

    later = Register({}, {ANNA})
    later.erase(ANNA)
    later.learn(_person(9))
    assert not later.newly_erased
    assert not later.changed


def _typed(data: PersonKnown) -> Event[PersonKnown]:
    return Event(id="e", type="t", source="s", time=NOW, key=str(ANNA), data=data)


def _person(version: int) -> Person:
    return Person(
        person_id=ANNA,
        organisation_id=NORTH,
        version=version,
        full_name="Anna",
        email="a@example.org",
        locale="en",
        zone="UTC",
    )
