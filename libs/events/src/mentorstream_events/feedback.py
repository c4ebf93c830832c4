"""Contracts of the topic `feedback`: that it was asked, that it was given, that a match is at risk.

Free text never travels: it stays in feedback's database. Ratings travel because figures and coordinators need them;
nothing here is shown to the other side.
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from .values import (
    MatchId,
    MeetingId,
    OrganisationId,
    Part,
    ParticipantId,
    PersonId,
    ProgramId,
    RequestId,
    Timestamp,
    Value,
)


class FeedbackRequested(Value, frozen=True, kw_only=True):
    """One participant of one held meeting is asked how it went."""

    program_id: ProgramId
    match_id: MatchId
    meeting_id: MeetingId
    request_id: RequestId
    participant_id: ParticipantId
    person_id: PersonId
    organisation_id: OrganisationId
    role: Part
    meeting_ended_at: Timestamp
    expires_at: Timestamp


class FeedbackSubmitted(Value, frozen=True, kw_only=True):
    """One participant answered."""

    program_id: ProgramId
    match_id: MatchId
    meeting_id: MeetingId
    request_id: RequestId
    participant_id: ParticipantId
    organisation_id: OrganisationId
    role: Part
    rating: Annotated[int, Meta(ge=1, le=5)]
    took_place: bool


class MatchAtRisk(Value, frozen=True, kw_only=True):
    """A pair shows a sign of trouble. Goes to coordinators, never to the other side."""

    program_id: ProgramId
    match_id: MatchId
    organisation_ids: Annotated[tuple[UUID, ...], Meta(min_length=1, max_length=51)]
    signal: Literal["low_rating", "not_held"]
    meeting_id: MeetingId
