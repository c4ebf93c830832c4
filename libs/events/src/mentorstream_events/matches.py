"""Contracts of the topic `matches`: who was proposed, confirmed, changed, parted, or has to wait, and why."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from .values import (
    Fraction,
    MatchId,
    Member,
    OrganisationId,
    ParticipantId,
    PersonId,
    ProgramId,
    Reason,
    Role,
    Terms,
    Timestamp,
    Value,
    Version,
)

Facets = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=40)], float],
    Meta(max_length=20, description="Weighted parts of the score by facet; they sum to it."),
]


class MatchProposed(Value, frozen=True, kw_only=True):
    """A match that waits for the mentor's answer. It holds a place of the mentor's capacity meanwhile."""

    program_id: ProgramId
    match_id: MatchId
    mentor: Member
    mentees: Annotated[tuple[Member, ...], Meta(min_length=1, max_length=50)]
    score: Fraction
    facets: Facets
    policy_version: Version
    expires_at: Timestamp


class MatchConfirmed(Value, frozen=True, kw_only=True):
    """A match began. Carries its people's zones and hours and its terms: scheduling needs nothing else."""

    program_id: ProgramId
    match_id: MatchId
    mentor: Member
    mentees: Annotated[tuple[Member, ...], Meta(min_length=1, max_length=50)]
    score: Fraction
    facets: Facets
    policy_version: Version
    terms: Terms
    ends_at: Timestamp


class MatchChanged(Value, frozen=True, kw_only=True):
    """A running match's members' hours or zones, or its terms, changed; or a new reporting line now runs through it."""

    program_id: ProgramId
    match_id: MatchId
    mentor: Member
    mentees: Annotated[tuple[Member, ...], Meta(min_length=1, max_length=50)]
    terms: Terms
    ends_at: Timestamp
    reason: Literal["participant_updated", "terms", "reporting_line"]


class MatchEnded(Value, frozen=True, kw_only=True):
    """A proposal or a running match is over. Does not say who asked."""

    program_id: ProgramId
    match_id: MatchId
    mentor_person_id: UUID
    mentee_person_ids: Annotated[tuple[UUID, ...], Meta(min_length=1, max_length=50)]
    organisation_ids: Annotated[tuple[UUID, ...], Meta(min_length=1, max_length=51)]
    was_confirmed: bool
    reason: Literal["declined", "expired", "withdrawn", "rematch", "coordinator", "term_over"]


class ParticipantWaitlisted(Value, frozen=True, kw_only=True):
    """Nobody fits now. They are tried again whenever somebody new or free appears."""

    program_id: ProgramId
    participant_id: ParticipantId
    person_id: PersonId
    organisation_id: OrganisationId
    role: Role
    waiting_since: Timestamp
    reasons: Annotated[tuple[Reason, ...], Meta(max_length=20)]
