"""Meetings after they are booked: their end passes, an attendee cancels one or moves it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from mentorstream_runtime.outbox import Cause, Outgoing
from scheduling.domain.local_time import minute_of
from scheduling.domain.planning import CHOICE_DAYS, choices, fits
from scheduling.domain.values import Attendee, at

from .announcing import meeting_attendees_changed, meeting_cancelled, meeting_completed, meeting_rescheduled
from .schedule import Match, Meeting, Schedule
from .series import book_ahead, close_if_all_held

CHOICES: Final = 6
# Someone who moves a meeting chooses for the others too: leave them time to notice.
_LEAD: Final = timedelta(hours=2)


class NotBooked(Exception):
    """The meeting is not booked any more, or has begun: there is nothing left to cancel or move."""


class NotTheirs(Exception):
    """In a circle only the mentor moves a meeting: one who is mentored would choose for all the others."""


class NotFree(Exception):
    """Somebody cannot meet at the time that was chosen. `choices` are instants at which everybody can, now."""

    def __init__(self, choices: list[datetime]) -> None:
        super().__init__("the chosen time is not free")
        self.choices = choices


def complete_meetings(meeting_ids: Iterable[UUID], schedule: Schedule, *, now: datetime) -> list[Outgoing]:
    """End the meetings whose time has passed and book the next ones, in the order given.

    What was cancelled or moved between the search for due meetings and the locks is left alone.
    """
    announced = []
    for meeting_id in meeting_ids:
        meeting = schedule.meeting(meeting_id)
        if meeting is None or meeting.ends_at > now:
            continue
        match = _match_of(meeting, schedule)
        time = schedule.move_program(match.program_id, now)
        cause = _cause("completed", meeting)
        completed = msgspec.structs.replace(meeting, status="completed")
        schedule.change(completed)
        announced.append(meeting_completed(cause, match, completed, now=time))
        announced += _book_next(cause, match, schedule, now=time)
    return announced


def cancel_meeting(
    meeting_id: UUID, person_id: UUID, schedule: Schedule, *, now: datetime, traceparent: str | None = None
) -> list[Outgoing]:
    """An attendee cancels a meeting; the series goes on. Raises NotBooked.

    In a circle who is mentored only says that they cannot come: the meeting takes place while somebody else is left.
    """
    meeting, match, time = _changeable(meeting_id, schedule, now=now)
    others = meeting.persons - {person_id}
    if person_id not in meeting.persons:
        return []  # the form was sent twice
    if not leads(match.attendees, person_id) and len(others) > 1:
        without = msgspec.structs.replace(meeting, persons=others, revision=meeting.revision + 1)
        cause = _cause("declined", without, traceparent)
        schedule.change(without)
        return [meeting_attendees_changed(cause, match, without, uninvited=frozenset({person_id}), now=time)]
    cancelled = msgspec.structs.replace(meeting, status="cancelled", revision=meeting.revision + 1)
    cause = _cause("cancelled", cancelled, traceparent)
    schedule.change(cancelled)
    return [
        meeting_cancelled(cause, match, cancelled, "attendee", now=time),
        *_book_next(cause, match, schedule, now=time),
    ]


def move_meeting(
    meeting_id: UUID,
    person_id: UUID,
    starts_at: datetime,
    schedule: Schedule,
    *,
    now: datetime,
    traceparent: str | None = None,
) -> list[Outgoing]:
    """An attendee moves a meeting to a time that suits everybody. Raises NotBooked, NotTheirs, NotFree.

    A meeting that is at that time already stays as it is: the form was sent twice. Who could not come to a circle's
    meeting is invited again.
    """
    meeting, match, time = _changeable(meeting_id, schedule, now=now)
    if not leads(match.attendees, person_id):
        raise NotTheirs
    if meeting.starts_at == starts_at:
        return []
    others = schedule.booked(match.persons, without={meeting_id})
    minute, length = minute_of(starts_at), match.terms.meeting_minutes
    if (
        at(minute) != starts_at
        or starts_at > time + timedelta(days=CHOICE_DAYS)
        or not fits(match.agreement, minute, length, others, not_before=time + _LEAD)
    ):
        raise NotFree(choices_for(meeting_id, schedule, now=now))
    moved = msgspec.structs.replace(
        meeting,
        starts_at=starts_at,
        ends_at=at(minute + length),
        revision=meeting.revision + 1,
        persons=match.persons,
    )
    schedule.change(moved)
    return [meeting_rescheduled(_cause("moved", moved, traceparent), match, moved, meeting.starts_at, now=time)]


def leads(attendees: Sequence[Attendee], person_id: UUID) -> bool:
    """Whether one of a match's people decides on meetings for all: each of a pair does, and the mentor of a circle."""
    return len(attendees) <= 2 or attendees[0].person_id == person_id


def choices_for(meeting_id: UUID, schedule: Schedule, *, now: datetime) -> list[datetime]:
    """Up to `CHOICES` instants at which everybody could meet instead. Changes nothing. Raises NotBooked."""
    meeting, match, time = _changeable(meeting_id, schedule, now=now)
    booked = schedule.booked(match.persons)
    found = choices(match.agreement, booked, now=time, not_before=time + _LEAD, limit=CHOICES)
    return [at(minute) for minute in found if at(minute) != meeting.starts_at]


def _changeable(meeting_id: UUID, schedule: Schedule, *, now: datetime) -> tuple[Meeting, Match, datetime]:
    meeting = schedule.meeting(meeting_id)
    if meeting is None:
        raise NotBooked
    time = schedule.move_program(meeting.program_id, now)
    if meeting.starts_at <= time:
        raise NotBooked
    return meeting, _match_of(meeting, schedule), time


def _book_next(cause: Cause, match: Match, schedule: Schedule, *, now: datetime) -> list[Outgoing]:
    series = schedule.series_of(match.match_id)
    if series is None:
        return []
    return [
        *book_ahead(cause, match, series, schedule, now=now),
        *close_if_all_held(cause, match, series, schedule, now=now),
    ]


def _match_of(meeting: Meeting, schedule: Schedule) -> Match:
    match = schedule.match(meeting.match_id)
    if match is None:
        raise LookupError(f"meeting {meeting.meeting_id} was loaded without its match")
    return match


def _cause(what: str, meeting: Meeting, traceparent: str | None = None) -> Cause:
    """Each revision of a meeting happens once, so its events have the same ids whenever they are decided again."""
    return Cause(id=f"meeting-{what}:{meeting.meeting_id}:{meeting.revision}", traceparent=traceparent)
