"""Contracts of the topic `registrations`: what programs, people and coordinators ask of matching.

Facts come from intake; requests come from coordinators, signed links and clocks, so that a program's decisions have
one order and a replay of this topic repeats them.
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from .values import (
    AuditGroup,
    Digest,
    MatchId,
    OrganisationId,
    Pair,
    ParticipantId,
    PersonId,
    Policy,
    Profile,
    ProgramId,
    ReportingLine,
    RoundId,
    Seed,
    SkillLink,
    Tag,
    Terms,
    Value,
    Version,
)


class ProgramConfigured(Value, frozen=True, kw_only=True):
    """A program was created, or its policy, terms or organisations changed."""

    program_id: ProgramId
    organisation_id: Annotated[UUID, Meta(description="The owner.")]
    organisations: Annotated[
        tuple[UUID, ...],
        Meta(min_length=1, max_length=201, description="Organisations whose people may take part, the owner included."),
    ]
    title: Annotated[str, Meta(min_length=1, max_length=200)]
    kind: Literal["formal", "informal", "group", "peer", "reverse", "flash"]
    policy: Policy
    terms: Terms
    slug: Annotated[
        str,
        Meta(
            pattern="^([A-Za-z0-9][A-Za-z0-9._-]{0,99})?$",
            max_length=100,
            description="What the owner calls it in requests; for intake, should it be restored.",
        ),
    ] = ""
    roles: Annotated[tuple[Literal["mentor", "mentee"], ...], Meta(max_length=2)] = ()


class ParticipantRegistered(Value, frozen=True, kw_only=True):
    """A person joined a program, with all that matching needs to know of them there."""

    program_id: ProgramId
    participant_id: ParticipantId
    person_id: PersonId
    organisation_id: OrganisationId
    roles: Annotated[tuple[Literal["mentor", "mentee"], ...], Meta(min_length=1, max_length=2)]
    capacity: Annotated[int, Meta(ge=0, le=50, description="Mentees at a time; 0 for who is no mentor.")]
    profile: Profile
    managers: Annotated[tuple[UUID, ...], Meta(max_length=10, description="Person ids, nearest first.")] = ()
    blocks: Annotated[tuple[UUID, ...], Meta(max_length=200, description="Person ids never to be matched.")] = ()
    credentials: Annotated[tuple[Tag, ...], Meta(max_length=20)] = ()
    audit_groups: Annotated[
        tuple[AuditGroup, ...],
        Meta(max_length=10, description="One of each attribute. For audits only: no rule and no score knows of them."),
    ] = ()


class ParticipantUpdated(Value, frozen=True, kw_only=True):
    """A participant's details changed. Carries the whole of them, not the difference."""

    program_id: ProgramId
    participant_id: ParticipantId
    person_id: PersonId
    organisation_id: OrganisationId
    roles: Annotated[tuple[Literal["mentor", "mentee"], ...], Meta(min_length=1, max_length=2)]
    capacity: Annotated[int, Meta(ge=0, le=50)]
    profile: Profile
    managers: Annotated[tuple[UUID, ...], Meta(max_length=10)] = ()
    blocks: Annotated[tuple[UUID, ...], Meta(max_length=200)] = ()
    credentials: Annotated[tuple[Tag, ...], Meta(max_length=20)] = ()
    audit_groups: Annotated[
        tuple[AuditGroup, ...],
        Meta(max_length=10, description="One of each attribute. For audits only: no rule and no score knows of them."),
    ] = ()


class ParticipantWithdrawn(Value, frozen=True, kw_only=True):
    """A person left a program, or was erased. Their match there ends."""

    program_id: ProgramId
    participant_id: ParticipantId
    person_id: PersonId
    reason: Literal["withdrawn", "erased"] = "withdrawn"


class RematchRequested(Value, frozen=True, kw_only=True):
    """Somebody asks for another match, or a coordinator for them. Who asked stays between them and the program."""

    program_id: ProgramId
    participant_id: ParticipantId
    match_id: Annotated[UUID | None, Meta(description="The match to leave; null leaves every one they have.")] = None


class ReportingLineChanged(Value, frozen=True, kw_only=True):
    """Managers changed for participants of this program at or below the changed person."""

    program_id: ProgramId
    lines: Annotated[tuple[ReportingLine, ...], Meta(min_length=1, max_length=1000)]


class ProposalAccepted(Value, frozen=True, kw_only=True):
    """The mentor said yes."""

    program_id: ProgramId
    match_id: MatchId


class ProposalDeclined(Value, frozen=True, kw_only=True):
    """The mentor said no."""

    program_id: ProgramId
    match_id: MatchId


class ExpireProposal(Value, frozen=True, kw_only=True):
    """Request of matching's clock: a proposal had no answer in time."""

    program_id: ProgramId
    match_id: MatchId


class EndMatch(Value, frozen=True, kw_only=True):
    """Request of a coordinator, or of matching's clock when the agreed weeks are over."""

    program_id: ProgramId
    match_id: MatchId
    reason: Literal["coordinator", "term_over"]


class RunRound(Value, frozen=True, kw_only=True):
    """Request of a coordinator, an import or matching's clock: match the whole pool as it is now.

    Nothing comes of it while another round of the program is under way, or its drafts wait for review.
    """

    program_id: ProgramId
    round_id: RoundId
    asked_by: Literal["clock", "coordinator", "import"]
    seed: Seed = 0


class RoundSolved(Value, frozen=True, kw_only=True):
    """The pairs of a round were found and are stored under its id. They are checked again before any is a match."""

    program_id: ProgramId
    round_id: RoundId
    input_digest: Digest
    result_digest: Annotated[Digest | None, Meta(description="Null: it could not be solved, and never will be.")]


class PublishRound(Value, frozen=True, kw_only=True):
    """Request of a coordinator: what was drafted becomes matches, or proposals where mentors are asked.

    A draft that is removed, or not approved, is dropped; who was in it waits for the next round.
    """

    program_id: ProgramId
    round_id: RoundId
    removed: Annotated[tuple[Pair, ...], Meta(max_length=1000)] = ()
    added: Annotated[tuple[Pair, ...], Meta(max_length=1000)] = ()
    approved: Annotated[
        Annotated[tuple[Pair, ...], Meta(max_length=5000)] | None, Meta(description="Drafts; null: all of them.")
    ] = None


class DiscardRound(Value, frozen=True, kw_only=True):
    """Request of a coordinator: nothing comes of a round, whether it was drafted or is still being solved."""

    program_id: ProgramId
    round_id: RoundId


class RequestMentors(Value, frozen=True, kw_only=True):
    """A mentee, or a coordinator for them, asks for mentors, where the program matches on request.

    Replaces what is left of what they asked for before; who was asked already stays asked.
    """

    program_id: ProgramId
    participant_id: ParticipantId
    mentor_ids: Annotated[
        tuple[ParticipantId, ...], Meta(min_length=1, max_length=10, description="Participants, the dearest first.")
    ]


class VocabularyConfigured(Value, frozen=True, kw_only=True):
    """Which skills are near each other in a program, for policies with a vocabulary of their own. Replaces the last."""

    program_id: ProgramId
    version: Version
    links: Annotated[tuple[SkillLink, ...], Meta(max_length=5000)]
