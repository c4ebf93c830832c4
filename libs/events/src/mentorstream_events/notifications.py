"""Contracts of the topic `notifications`: what was carried to whom, or could not be."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from .values import OrganisationId, PersonId, ProgramId, Value

Kind = Literal[
    "registered",
    "waitlisted",
    "choose_mentors",
    "proposal",
    "proposal_closed",
    "match",
    "match_ended",
    "members_changed",
    "no_common_time",
    "invitation",
    "cancellation",
    "feedback_request",
]
CauseId = Annotated[str, Meta(min_length=1, max_length=200, description="Id of the event that caused it.")]


class NotificationSent(Value, frozen=True, kw_only=True):
    """A message was handed over to the channel's next hop."""

    program_id: ProgramId
    notification_id: UUID
    person_id: PersonId
    organisation_id: OrganisationId
    kind: Kind
    channel: Literal["email"]
    cause_id: CauseId


class NotificationFailed(Value, frozen=True, kw_only=True):
    """A message was given up."""

    program_id: ProgramId
    notification_id: UUID
    person_id: PersonId
    organisation_id: OrganisationId
    kind: Kind
    channel: Literal["email"]
    cause_id: CauseId
    reason: Literal["rejected", "expired", "erased"]
    detail: Annotated[str, Meta(max_length=200, description="Status code of the next hop; never its text.")] = ""
