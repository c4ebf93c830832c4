"""What each event of the topics means for the figures of its program. Translates, and decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias
from uuid import UUID

from mentorstream_events.feedback import FeedbackRequested, FeedbackSubmitted
from mentorstream_events.matches import MatchChanged, MatchConfirmed, MatchEnded, ParticipantWaitlisted
from mentorstream_events.meetings import MeetingCompleted, MeetingScheduled
from mentorstream_events.notifications import NotificationFailed, NotificationSent
from mentorstream_events.registrations import ParticipantRegistered, ParticipantUpdated, ParticipantWithdrawn
from mentorstream_events.values import Attendee, Member, Value
from pulse.domain.program import ProgramPulse

Routes: TypeAlias = Mapping[type[Value], Callable[[ProgramPulse, Any, float], None]]


def on_participant_registered(
    program: ProgramPulse, data: ParticipantRegistered | ParticipantUpdated, at: float
) -> None:
    """Who is or became a mentee wants a match."""
    program.registered(data.participant_id, at, seeks="mentee" in data.roles)


def on_participant_withdrawn(program: ProgramPulse, data: ParticipantWithdrawn, at: float) -> None:
    """Who left waits no more."""
    program.withdrew(data.participant_id, at)


def on_participant_waitlisted(program: ProgramPulse, data: ParticipantWaitlisted, at: float) -> None:
    """Mentors may be waitlisted too; figures are about mentees."""
    if data.role == "mentee":
        program.waitlisted(data.participant_id, at)


def on_match_confirmed(program: ProgramPulse, data: MatchConfirmed, at: float) -> None:
    """A match began."""
    program.confirmed(data.match_id, _mentees((data.mentor, *data.mentees)), at)


def on_match_changed(program: ProgramPulse, data: MatchChanged, at: float) -> None:
    """Somebody may have joined or left a circle."""
    program.changed(data.match_id, _mentees((data.mentor, *data.mentees)), at)


def on_match_ended(program: ProgramPulse, data: MatchEnded, at: float) -> None:
    """A match, or a proposal, is over."""
    program.ended(data.match_id, at)


def on_meeting_scheduled(program: ProgramPulse, data: MeetingScheduled, at: float) -> None:
    """A meeting was booked."""
    program.scheduled(data.match_id, _mentees(data.attendees), at)


def on_meeting_completed(program: ProgramPulse, data: MeetingCompleted, at: float) -> None:
    """A meeting took place."""
    program.held(data.match_id, _mentees(data.attendees), at)


def on_feedback_requested(program: ProgramPulse, data: FeedbackRequested, at: float) -> None:
    """Somebody was asked."""
    program.asked(data.request_id, at)


def on_feedback_submitted(program: ProgramPulse, data: FeedbackSubmitted, at: float) -> None:
    """Somebody answered."""
    program.answered(data.request_id, at)


def on_notification_sent(program: ProgramPulse, _data: NotificationSent, at: float) -> None:
    """A message went out."""
    program.sent.add(at)


def on_notification_failed(program: ProgramPulse, _data: NotificationFailed, at: float) -> None:
    """A message was given up."""
    program.failed.add(at)


def _mentees(members: Iterable[Member | Attendee]) -> tuple[UUID, ...]:
    """Who is mentored: partners mentor each other."""
    return tuple(member.participant_id for member in members if member.role != "mentor")


ROUTES: Final[Routes] = {
    ParticipantRegistered: on_participant_registered,
    ParticipantUpdated: on_participant_registered,
    ParticipantWithdrawn: on_participant_withdrawn,
    ParticipantWaitlisted: on_participant_waitlisted,
    MatchConfirmed: on_match_confirmed,
    MatchChanged: on_match_changed,
    MatchEnded: on_match_ended,
    MeetingScheduled: on_meeting_scheduled,
    MeetingCompleted: on_meeting_completed,
    FeedbackRequested: on_feedback_requested,
    FeedbackSubmitted: on_feedback_submitted,
    NotificationSent: on_notification_sent,
    NotificationFailed: on_notification_failed,
}
"""What changes a figure beside the rate; all other events only count."""
