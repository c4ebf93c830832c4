"""Contracts of the topic `registrations`: what programs, people and coordinators ask of matching.

Facts come from intake; requests come from coordinators, signed links and clocks, so that a program's decisions have
one order and a replay of this topic repeats them.
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from .values import (
    MatchId,
    OrganisationId,
    ParticipantId,
    PersonId,
    Policy,
    Profile,
    ProgramId,
    ReportingLine,
    Tag,
    Terms,
    Value,
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


class ParticipantWithdrawn(Value, frozen=True, kw_only=True):
    """A person left a program, or was erased. Their match there ends."""

    program_id: ProgramId
    participant_id: ParticipantId
    person_id: PersonId
    reason: Literal["withdrawn", "erased"] = "withdrawn"


class RematchRequested(Value, frozen=True, kw_only=True):
    """A participant asks for another match. Who asked stays between them and the program."""

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
