"""Who is asked about a held meeting, and until when they may answer.

Refuses nothing and knows nobody: it turns one held meeting into at most one request for each person in it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

Role = Literal["mentor", "mentee", "partner"]

ANSWER_WITHIN: Final = timedelta(days=14)
"""How long a request may be answered, counted in business time from when it is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attendee:
    """One person of a meeting. The zone is for showing the meeting's time to them."""

    participant_id: UUID
    person_id: UUID
    organisation_id: UUID
    role: Role
    zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldMeeting:
    """A meeting whose end passed without a cancellation. Times are aware."""

    program_id: UUID
    match_id: UUID
    meeting_id: UUID
    started_at: datetime
    ended_at: datetime
    attendees: tuple[Attendee, ...]
    ask: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackRequest:
    """The question to one person about one meeting. Once `expires_at` has come, it takes no answer."""

    request_id: UUID
    program_id: UUID
    match_id: UUID
    meeting_id: UUID
    attendee: Attendee
    meeting_started_at: datetime
    meeting_ended_at: datetime
    expires_at: datetime


def requests_for(
    meeting: HeldMeeting, *, asked: Collection[UUID], identify: Callable[[UUID], UUID], now: datetime
) -> tuple[FeedbackRequest, ...]:
    """One request for each person of the meeting who is not among `asked` (person ids), in the meeting's order.

    `identify` gives the id of the request to a person. The time to answer runs from `now`, not from the meeting's
    end: a system that was down for a while still gives everybody the whole of it.
    """
    if not meeting.ask:
        return ()
    persons = {attendee.person_id: attendee for attendee in reversed(meeting.attendees)}
    return tuple(
        FeedbackRequest(
            request_id=identify(attendee.person_id),
            program_id=meeting.program_id,
            match_id=meeting.match_id,
            meeting_id=meeting.meeting_id,
            attendee=attendee,
            meeting_started_at=meeting.started_at,
            meeting_ended_at=meeting.ended_at,
            expires_at=now + ANSWER_WITHIN,
        )
        for attendee in meeting.attendees
        if persons[attendee.person_id] is attendee and attendee.person_id not in asked
    )
