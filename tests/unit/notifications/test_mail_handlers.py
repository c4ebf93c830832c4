"""Contracts to mails: every field arrives where it belongs, and what must stay private makes no mail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from mentorstream_events import Event, Value, contract_of
from mentorstream_events.feedback import FeedbackSubmitted, MatchAtRisk
from mentorstream_events.matches import MatchConfirmed, MatchEnded, MatchProposed
from mentorstream_events.people import PersonKnown
from mentorstream_events.registrations import ParticipantRegistered, ParticipantWithdrawn
from mentorstream_events.values import Member, Profile, Terms
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


def ended(*, was_confirmed: bool) -> MatchEnded:
    return MatchEnded(
        program_id=PROGRAM,
        match_id=MATCH,
        mentor_person_id=ANNA,
        mentee_person_ids=(BEN,),
        organisation_ids=(NORTH, SOUTH),
        was_confirmed=was_confirmed,
        reason="rematch",
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
    assert kinds(decide(welcomed, withdrawn)) == [("registered", ANNA, "withdrawn")]


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
