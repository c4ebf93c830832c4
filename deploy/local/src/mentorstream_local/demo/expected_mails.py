"""I5: everybody was told what they must hear, once, or it was superseded or failed for a reason that the topics show.

Who must hear of which event is derived here from the events alone, and then held against the table of notifications,
the events about them and the mails that arrived.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from mentorstream_events import Event, Value
from mentorstream_events.feedback import FeedbackRequested
from mentorstream_events.matches import (
    MatchChanged,
    MatchConfirmed,
    MatchEnded,
    MatchProposed,
    ParticipantWaitlisted,
)
from mentorstream_events.meetings import (
    MeetingAttendeesChanged,
    MeetingCancelled,
    MeetingRescheduled,
    MeetingScheduled,
    SeriesBlocked,
)
from mentorstream_events.notifications import NotificationFailed, NotificationSent
from mentorstream_events.people import PersonErased
from mentorstream_events.registrations import ParticipantRegistered, ParticipantWithdrawn
from mentorstream_local.demo.facts import Facts

_WORDS_OF_WAITING: Final = ("waitlisted", "choose_mentors")
_OF_A_ROUND: Final = frozenset({"awaits_circle", "better_used_elsewhere"})
_TOPICS: Final = ("registrations", "matches", "meetings", "feedback")


@dataclass(frozen=True, slots=True)
class Told:
    """What one person must be told, once: `subject` and `about` tell it from others of its kind."""

    kind: str
    person_id: UUID
    subject: UUID
    about: str = ""


@dataclass(frozen=True, slots=True)
class Notification:
    """A row of notifications' table. `arrived`: how many mails of its Message-ID came in."""

    notification_id: UUID
    kind: str
    person_id: UUID
    subject_id: UUID
    revision: int
    cause_id: str
    status: str
    status_reason: str | None
    attempts: int
    arrived: int


async def read_notifications(
    connection: asyncpg.Connection[asyncpg.Record], mails: Mapping[str, int]
) -> tuple[list[Notification], list[str]]:
    """All rows, and the Message-IDs of mails that belong to none. `mails` counts mails by Message-ID."""
    rows = await connection.fetch(
        "SELECT notification_id, kind, person_id, subject_id, revision, cause_id, status, status_reason, attempts,"
        " message_id FROM notifications.notification"
    )
    found = [
        Notification(
            notification_id=row["notification_id"],
            kind=row["kind"],
            person_id=row["person_id"],
            subject_id=row["subject_id"],
            revision=row["revision"],
            cause_id=row["cause_id"],
            status=row["status"],
            status_reason=row["status_reason"],
            attempts=row["attempts"],
            arrived=mails.get(row["message_id"] or "", 0),
        )
        for row in rows
    ]
    return found, sorted(set(mails) - {row["message_id"] for row in rows})


def expected_of(facts: Facts) -> dict[str, list[Told]]:
    """What must be told, by the id of the event that says so. Two events may ask for the same."""
    members: dict[UUID, Sequence[UUID]] = {}
    first_words: dict[tuple[UUID, datetime], str] = {}
    expected: defaultdict[str, list[Told]] = defaultdict(list)
    for topic in _TOPICS:
        for event in facts.events[topic]:
            expected[event.id] += _told(event, members, first_words)
            if isinstance(event.data, MatchConfirmed | MatchChanged):
                members[event.data.match_id] = _people(event.data)
    return expected


def wrongly_told(facts: Facts, notifications: Sequence[Notification], *, resends_allowed: int) -> list[str]:
    """What is wrong, in words."""
    expected = expected_of(facts)
    wanted = {told for every in expected.values() for told in every}
    have: Counter[Told] = Counter()
    found = []
    for row in notifications:
        told = next((each for each in expected.get(row.cause_id, ()) if _is_about(each, row)), None)
        if told is None:
            found.append(f"{row.kind} {row.notification_id}: nothing says that {row.person_id} must be told")
        else:
            have[told] += 1
    found += [f"{told.kind} about {told.subject}: {told.person_id} was never told" for told in wanted - have.keys()]
    found += [
        f"{told.kind} about {told.subject}: {told.person_id} was told {n} times" for told, n in have.items() if n > 1
    ]
    return [*found, *_outcomes(facts, notifications, resends_allowed), *_unjustified(facts, notifications)]


def _told(
    event: Event[Value], members: Mapping[UUID, Sequence[UUID]], first_words: dict[tuple[UUID, datetime], str]
) -> Iterator[Told]:
    data = event.data
    match data:
        case ParticipantRegistered():
            yield Told("registered", data.person_id, data.participant_id)
        case ParticipantWaitlisted(role="mentee") if _chooses(data):
            often = f"{data.waiting_since.isoformat()}:{data.lists}"
            yield Told("choose_mentors", data.person_id, data.participant_id, often)
        case ParticipantWaitlisted(role="mentee"):
            yield Told("waitlisted", data.person_id, data.participant_id, _which_word(data, first_words))
        case MatchProposed():
            yield Told("proposal", data.mentor.person_id, data.match_id)
        case MatchConfirmed():
            yield from (Told("match", person, data.match_id) for person in _people(data))
        case MatchChanged():
            yield from _told_of_members(event.id, data, set(members.get(data.match_id, ())))
        case MatchEnded(was_confirmed=True):
            yield from (Told("match_ended", person, data.match_id) for person in members[data.match_id])
        case MatchEnded(reason="other_accepted"):
            yield Told("proposal_closed", data.mentor_person_id, data.match_id)
        case FeedbackRequested():
            yield Told("feedback_request", data.person_id, data.request_id)
        case _:
            yield from _told_of_meetings(event)


def _told_of_meetings(event: Event[Value]) -> Iterator[Told]:
    data = event.data
    match data:
        case SeriesBlocked():
            yield from (Told("no_common_time", each.person_id, data.match_id, event.id) for each in data.attendees)
        case MeetingScheduled() | MeetingRescheduled():
            for each in data.attendees:
                yield Told("invitation", each.person_id, data.meeting_id, str(data.revision))
        case MeetingAttendeesChanged():
            for person in data.invited_person_ids:
                yield Told("invitation", person, data.meeting_id, str(data.revision))
            for each in data.uninvited:
                yield Told("cancellation", each.person_id, data.meeting_id, str(data.revision))
        case MeetingCancelled():
            for each in data.attendees:
                yield Told("cancellation", each.person_id, data.meeting_id, str(data.revision))


def _told_of_members(event_id: str, data: MatchChanged, before: set[UUID]) -> Iterator[Told]:
    """Who joined, who left, and who stays in a circle that is not the same any more."""
    now = set(_people(data))
    yield from (Told("match", person, data.match_id) for person in now - before)
    yield from (Told("match_ended", person, data.match_id) for person in before - now)
    if before and before != now:
        yield from (Told("members_changed", person, data.match_id, event_id) for person in before & now)


def _chooses(data: ParticipantWaitlisted) -> bool:
    return any(reason.rule == "no_request" for reason in data.reasons)


def _which_word(data: ParticipantWaitlisted, first_words: dict[tuple[UUID, datetime], str]) -> str:
    """The first word of a waiting; or the second, to whom a round left over who had heard of no round's end."""
    since, rules = data.waiting_since.isoformat(), {reason.rule for reason in data.reasons}
    now = "promised" if "next_round" in rules else "left over" if rules & _OF_A_ROUND else "nobody fits"
    first = first_words.setdefault((data.participant_id, data.waiting_since), now)
    second = first != "left over" and now not in ("promised", first)
    return f"{since}:left_over" if second else since


def _people(data: MatchConfirmed | MatchChanged) -> list[UUID]:
    return [member.person_id for member in (data.mentor, *data.mentees)]


def _is_about(told: Told, row: Notification) -> bool:
    same = (told.kind, told.person_id, told.subject) == (row.kind, row.person_id, row.subject_id)
    return same and (told.kind not in ("invitation", "cancellation") or told.about == str(row.revision))


def _outcomes(facts: Facts, notifications: Sequence[Notification], resends_allowed: int) -> Iterator[str]:
    """Each came to an end, arrived as that end says, and the end was told."""
    sent = {event.data.notification_id: event.data for event in facts.of("notifications", NotificationSent)}
    failed = {event.data.notification_id: event.data for event in facts.of("notifications", NotificationFailed)}
    for row in notifications:
        name = f"{row.kind} {row.notification_id}"
        if row.status in ("waiting", "trying"):
            yield f"{name} is still {row.status}"
        if row.status == "failed" and not row.status_reason:
            yield f"{name} failed without a reason"
        if row.status == "sent" and row.arrived == 0:
            yield f"{name} is marked as sent and never arrived"
        # Whether a mail went whose sender died while it tried, nobody knows; it may be unwanted by the next try.
        if row.status == "superseded" and row.arrived > (resends_allowed if row.attempts else 0):
            yield f"{name} was superseded and arrived"
        if row.arrived > 1 + resends_allowed:
            yield f"{name} arrived {row.arrived} times"
        if (row.status == "sent") != (row.notification_id in sent):
            yield f"{name} is {row.status}, and that it was sent is {'' if row.notification_id in sent else 'not '}told"
        if (row.status == "failed") != (row.notification_id in failed):
            yield f"{name} is {row.status}, and that it failed is {'' if row.notification_id in failed else 'not '}told"


def _unjustified(facts: Facts, notifications: Sequence[Notification]) -> Iterator[str]:
    """Superseded, or failed for an erasure, although nothing on the topics says why."""
    revisions: defaultdict[UUID, int] = defaultdict(lambda: -1)
    for event in facts.events["meetings"]:
        if isinstance(event.data, MeetingScheduled | MeetingRescheduled | MeetingAttendeesChanged | MeetingCancelled):
            revisions[event.data.meeting_id] = max(revisions[event.data.meeting_id], event.data.revision)
    confirmed = {event.data.match_id for event in facts.of("matches", MatchConfirmed)}
    ended = {event.data.match_id for event in facts.of("matches", MatchEnded)}
    words = Counter(event.data.participant_id for event in facts.of("matches", ParticipantWaitlisted))
    asked = {row.subject_id for row in notifications if row.kind == "proposal" and row.arrived}
    left = {event.data.participant_id for event in facts.of("registrations", ParticipantWithdrawn)}
    erased = {event.data.person_id for event in facts.of("people", PersonErased)}
    invited = {(row.subject_id, row.person_id) for row in notifications if row.kind == "invitation" and row.arrived}
    for row in notifications:
        subject = row.subject_id
        shown = {
            "newer_revision": (
                words[subject] > 1
                if row.kind in _WORDS_OF_WAITING
                else subject in confirmed
                if row.kind == "proposal"
                else revisions[subject] > row.revision
            ),
            "not_invited": row.kind == "cancellation" and (subject, row.person_id) not in invited,
            "match_over": subject in ended
            and (row.kind == "proposal" or (row.kind == "proposal_closed" and subject not in asked)),
            "withdrawn": row.kind in ("registered", *_WORDS_OF_WAITING) and subject in left,
            "unsubscribed": row.kind in ("registered", "waitlisted", "feedback_request"),
            "erased": row.person_id in erased,
        }
        needs_cause = row.status == "superseded" or row.status_reason == "erased"
        if needs_cause and not shown.get(row.status_reason or "", False):
            yield f"{row.kind} {row.notification_id}: {row.status} as {row.status_reason}, and no event shows why"
