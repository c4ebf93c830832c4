"""Contracts of the topic `matches`: who was proposed, confirmed, changed, parted, or has to wait, and why."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from .values import (
    Count,
    Digest,
    Fraction,
    MatchId,
    Member,
    Objective,
    OrganisationId,
    ParticipantId,
    PersonId,
    ProgramId,
    Reason,
    Role,
    RoundId,
    Seed,
    Terms,
    Timestamp,
    Value,
    Version,
)

Facets = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=40)], float],
    Meta(max_length=20, description="Weighted parts of the score by facet; they sum to it."),
]
OfRound = Annotated[UUID | None, Meta(description="The round that made the pair; null: no round did.")]
Worth = Annotated[float, Meta(ge=0.0, description="Scores of pairs, added up.")]


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
    round_id: OfRound = None


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
    round_id: OfRound = None


class MatchChanged(Value, frozen=True, kw_only=True):
    """A running match's members' hours or zones, or its terms, changed; or a new reporting line now runs through it.

    Of a circle also: who is in it. `mentees` are always all whom it has now.
    """

    program_id: ProgramId
    match_id: MatchId
    mentor: Member
    mentees: Annotated[tuple[Member, ...], Meta(min_length=1, max_length=50)]
    terms: Terms
    ends_at: Timestamp
    reason: Literal["participant_updated", "terms", "reporting_line", "members"]
    round_id: OfRound = None


class MatchEnded(Value, frozen=True, kw_only=True):
    """A proposal or a running match is over. Does not say who asked."""

    program_id: ProgramId
    match_id: MatchId
    mentor_person_id: UUID
    mentee_person_ids: Annotated[tuple[UUID, ...], Meta(min_length=1, max_length=50)]
    organisation_ids: Annotated[tuple[UUID, ...], Meta(min_length=1, max_length=51)]
    was_confirmed: bool
    reason: Literal[
        "declined",
        "expired",
        "withdrawn",
        "rematch",
        "coordinator",
        "term_over",
        "other_accepted",
        "no_longer_fits",
    ]
    round_id: OfRound = None


class ParticipantWaitlisted(Value, frozen=True, kw_only=True):
    """Nobody fits now. They are tried again whenever somebody new or free appears."""

    program_id: ProgramId
    participant_id: ParticipantId
    person_id: PersonId
    organisation_id: OrganisationId
    role: Role
    waiting_since: Timestamp
    reasons: Annotated[tuple[Reason, ...], Meta(max_length=20)]
    lists: Annotated[
        Count, Meta(description="Where mentees choose: the number of the list used up in this wait; 0 where none was.")
    ] = 0


class RoundCompleted(Value, frozen=True, kw_only=True):
    """What came of a round: its pairs were applied, drafted, too few for the gate, discarded, or published.

    A drafted round is told of twice: when its drafts are there, and when they are published or discarded. `value` and
    `upper_bound` speak of the pairs as they were solved; `dropped` are those that could not be any more when they were
    to become matches.
    """

    program_id: ProgramId
    round_id: RoundId
    objective: Objective
    outcome: Literal["applied", "drafted", "gated", "discarded", "published", "failed"]
    value: Worth
    upper_bound: Annotated[float, Meta(ge=0.0, description="No choice of pairs is worth more.")]
    gap: Annotated[float, Meta(ge=0.0, le=1.0, description="Share of the bound that may be missing.")]
    blocking_pairs: Annotated[Count, Meta(description="Pairs who would both rather have each other.")]
    participants: Annotated[Count, Meta(description="Mentees for whom it was run.")]
    matched: Count
    matched_share: Fraction
    dropped: Count
    seed: Seed
    policy_version: Version
    input_digest: Digest
    result_digest: Digest | None
