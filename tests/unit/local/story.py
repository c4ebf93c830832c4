"""A small whole story for the tests of the invariants: one program, one match, three meetings, and what was told of it.

Everything in it holds; each test breaks one fact of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from tests.support.records import T0, event

from mentorstream_events import TOPICS, Event, Value, contract_of
from mentorstream_events import registrations as asked
from mentorstream_events.feedback import FeedbackRequested
from mentorstream_events.matches import MatchConfirmed
from mentorstream_events.meetings import MeetingCancelled, MeetingCompleted, MeetingScheduled
from mentorstream_events.notifications import NotificationSent
from mentorstream_events.people import PersonKnown
from mentorstream_events.values import Attendee, Member, Policy, Profile, Skill, Terms, WeeklyHours
from mentorstream_local.demo.accepted import AcceptedRequest, Stored, StoredPlace
from mentorstream_local.demo.expected_mails import Notification
from mentorstream_local.demo.facts import Facts

ORGANISATION, PROGRAM, MATCH, SERIES = (UUID(int=number) for number in range(1, 5))
ANNA, BEN, CLEO = (UUID(int=number) for number in range(11, 14))
ANNA_HERE, BEN_HERE = (UUID(int=number) for number in range(21, 23))
MEETINGS = [UUID(int=number) for number in range(31, 34)]
NOW = T0 + timedelta(days=20)
ENDS = [T0 + timedelta(days=7 * number, minutes=45) for number in (1, 2, 3)]
HOURS = (WeeklyHours(weekday=1, start_minute=540, end_minute=720),)
REQUESTED_HOURS = [{"weekday": "monday", "start": "09:00", "end": "12:00"}]


def member(person: UUID, participant: UUID, role: Any) -> Member:
    return Member(
        participant_id=participant,
        person_id=person,
        organisation_id=ORGANISATION,
        role=role,
        zone="Europe/Paris",
        languages=("en",),
        availability=HOURS,
    )


MEMBERS = (member(ANNA, ANNA_HERE, "mentor"), member(BEN, BEN_HERE, "mentee"))
ATTENDEES = tuple(
    Attendee(
        participant_id=each.participant_id,
        person_id=each.person_id,
        organisation_id=ORGANISATION,
        role=each.role,
        zone=each.zone,
    )
    for each in MEMBERS
)


def registered(person: UUID, participant: UUID, role: Any, **details: Any) -> asked.ParticipantRegistered:
    return asked.ParticipantRegistered(
        program_id=PROGRAM,
        participant_id=participant,
        person_id=person,
        organisation_id=ORGANISATION,
        roles=(role,),
        capacity=2 if role == "mentor" else 0,
        profile=Profile(zone="Europe/Paris", languages=("en",), availability=HOURS, **details),
        managers=(CLEO,) if person == BEN else (),
    )


def meeting(number: int) -> dict[str, Any]:
    return {
        "program_id": PROGRAM,
        "match_id": MATCH,
        "series_id": SERIES,
        "meeting_id": MEETINGS[number],
        "starts_at": ENDS[number] - timedelta(minutes=45),
        "ends_at": ENDS[number],
        "attendees": ATTENDEES,
    }


def known(person: UUID, name: str) -> PersonKnown:
    return PersonKnown(
        person_id=person,
        organisation_id=ORGANISATION,
        version=1,
        full_name=name,
        email=f"{name.lower()}@example.org",
        zone="Europe/Paris",
        locale="en",
    )


def requested(number: int, attendee: Attendee) -> FeedbackRequested:
    return FeedbackRequested(
        program_id=PROGRAM,
        match_id=MATCH,
        meeting_id=MEETINGS[number],
        request_id=uuid5(MEETINGS[number], str(attendee.person_id)),
        participant_id=attendee.participant_id,
        person_id=attendee.person_id,
        organisation_id=ORGANISATION,
        role=attendee.role,
        meeting_ended_at=ENDS[number],
        expires_at=ENDS[number] + timedelta(days=14),
    )


@dataclass
class Story:
    """Events in their order, the stored state, the requests, the notifications. The third meeting is yet to come."""

    events: list[Event[Value]] = field(default_factory=list)
    notifications: list[Notification] = field(default_factory=list)

    @property
    def facts(self) -> Facts:
        """As `read_facts` would give them."""
        by_topic: dict[str, list[Event[Value]]] = {topic.name: [] for topic in TOPICS}
        for each in self.events:
            by_topic[contract_of(each.data).topic.name].append(each)
        return Facts({name: [] for name in by_topic}, by_topic)

    def add(self, data: Value, time: datetime = T0) -> Event[Value]:
        added = event(data, time=time)
        self.events.append(added)
        return added

    def drop(self, kind: type[Value], number: int = 0) -> None:
        """Lose one event, counted among those of its type."""
        self.events.remove([each for each in self.events if isinstance(each.data, kind)][number])

    def notify(self, cause: Event[Value], kind: Any, people: Iterable[UUID], subject: UUID, revision: int = 0) -> None:
        """Mails that went out and were told."""
        for person in people:
            notification_id = uuid5(subject, f"{kind} {person} {revision}")
            self.notifications.append(
                Notification(notification_id, kind, person, subject, revision, cause.id, "sent", None, 1, 1)
            )
            sent = NotificationSent(
                program_id=PROGRAM,
                notification_id=notification_id,
                person_id=person,
                organisation_id=ORGANISATION,
                kind=kind,
                channel="email",
                cause_id=cause.id,
            )
            self.add(sent)

    def change(self, number: int, **changes: Any) -> None:
        """Another row in the place of one of notifications' table."""
        self.notifications[number] = replace(self.notifications[number], **changes)


def story() -> Story:
    told = Story()
    told.add(
        asked.ProgramConfigured(
            program_id=PROGRAM,
            organisation_id=ORGANISATION,
            organisations=(ORGANISATION,),
            title="Women in data",
            kind="formal",
            policy=Policy(boss_levels=2),
            terms=Terms(weeks=12),
        )
    )
    told.add(known(ANNA, "Anna"))
    told.add(known(BEN, "Ben"))
    anna = told.add(registered(ANNA, ANNA_HERE, "mentor", offers=(Skill(skill="SQL", level=4),)))
    told.notify(anna, "registered", [ANNA], ANNA_HERE)
    ben = told.add(registered(BEN, BEN_HERE, "mentee", goals=("first lead role",)))
    told.notify(ben, "registered", [BEN], BEN_HERE)
    confirmed = told.add(
        MatchConfirmed(
            program_id=PROGRAM,
            match_id=MATCH,
            mentor=MEMBERS[0],
            mentees=MEMBERS[1:],
            score=0.5,
            facets={},
            policy_version=1,
            terms=Terms(weeks=12),
            ends_at=T0 + timedelta(weeks=12),
        )
    )
    told.notify(confirmed, "match", [ANNA, BEN], MATCH)
    for number in range(3):
        booked = told.add(MeetingScheduled(**meeting(number), revision=0))
        told.notify(booked, "invitation", [ANNA, BEN], MEETINGS[number])
    told.add(MeetingCompleted(**meeting(0), terms=Terms(weeks=12)), ENDS[0])
    for attendee in ATTENDEES:
        asking = told.add(requested(0, attendee), ENDS[0])
        told.notify(asking, "feedback_request", [attendee.person_id], requested(0, attendee).request_id)
    cancelled = told.add(MeetingCancelled(**meeting(1), revision=1, reason="attendee"), ENDS[1] - timedelta(days=1))
    told.notify(cancelled, "cancellation", [ANNA, BEN], MEETINGS[1], 1)
    return told


REQUESTS = [
    AcceptedRequest(
        "aurora",
        "mentorstream.program.configure.v1",
        {"program": "data", "title": "Women in data", "policy": {"boss_levels": 2}, "terms": {"weeks": 12}},
    ),
    AcceptedRequest(
        "aurora",
        "mentorstream.participant.register.v1",
        {
            "program": "data",
            "person": {"reference": "A-1", "full_name": "Anna", "email": "anna@example.org", "zone": "Europe/Paris"},
            "participant": {
                "roles": ["mentor"],
                "capacity": 2,
                "languages": ["en"],
                "availability": REQUESTED_HOURS,
                "offers": [{"skill": "SQL", "level": 4}],
            },
        },
    ),
    AcceptedRequest(
        "aurora",
        "mentorstream.participant.register.v1",
        {
            "program": "aurora/data",
            "person": {"reference": "A-2", "full_name": "Ben", "email": "ben@example.org", "zone": "Europe/Paris"},
            "participant": {
                "roles": ["mentee"],
                "languages": ["en"],
                "availability": REQUESTED_HOURS,
                "goals": ["first lead role"],
            },
            "manager": "A-3",
        },
    ),
]


def stored(**changes: Any) -> Stored:
    """The databases after `REQUESTS`."""
    whole = Stored(
        organisations={"aurora": ORGANISATION},
        programs={"aurora/data": PROGRAM},
        people={("aurora", "A-1"): ANNA, ("aurora", "A-2"): BEN, ("aurora", "A-3"): CLEO},
        managers={("aurora", "A-1"): None, ("aurora", "A-2"): "A-3", ("aurora", "A-3"): None},
        places={
            ("aurora", "aurora/data", "A-1"): StoredPlace(PROGRAM, ANNA_HERE, ANNA, active=True, decided=True),
            ("aurora", "aurora/data", "A-2"): StoredPlace(PROGRAM, BEN_HERE, BEN, active=True, decided=True),
        },
        copies={
            person: {"full_name": name, "email": f"{name.lower()}@example.org", "zone": "Europe/Paris", "locale": "en"}
            for person, name in ((ANNA, "Anna"), (BEN, "Ben"))
        },
    )
    return replace(whole, **changes)
