"""What contracts say in the domain's words, and the other way round.

A profile is looked at as it came. Of the rest both sides have the same fields, so they are read from one another by
name, by msgspec and not by hand: a field that the domain does not know is dropped, and one that the wire lacks has the
domain's default.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import TypeVar, cast
from uuid import UUID

import msgspec
from msgspec.structs import replace

from matching.domain.values import Hours, OwnVocabulary, Participant, Policy, Program, Terms
from mentorstream_events import values as wire
from mentorstream_events.registrations import (
    ParticipantRegistered,
    ParticipantUpdated,
    ProgramConfigured,
    VocabularyConfigured,
)
from mentorstream_runtime.database import as_driver_id

T = TypeVar("T")


def _same(value: object, target: type[T]) -> T:
    return msgspec.convert(value, target, from_attributes=True)


def program_of(data: ProgramConfigured) -> Program:
    """The program as the domain knows it."""
    return Program(
        program_id=as_driver_id(data.program_id),
        organisation_id=data.organisation_id,
        organisations=tuple(sorted(set(data.organisations))),
        title=data.title,
        kind=data.kind,
        policy=replace(_same(data.policy, Policy), reverse=data.kind == "reverse"),
        terms=_same(data.terms, Terms),
    )


def vocabulary_of(data: VocabularyConfigured) -> OwnVocabulary:
    """The program's own vocabulary, as the domain knows it."""
    return _same(data, OwnVocabulary)


def participant_of(data: ParticipantRegistered | ParticipantUpdated, time: datetime) -> Participant:
    """The participant as the domain knows them; `time` stands in for when they joined."""
    return Participant(
        participant_id=as_driver_id(data.participant_id),
        person_id=as_driver_id(data.person_id),
        organisation_id=_organisation(data.organisation_id),
        roles=data.roles,
        capacity=data.capacity,
        profile=data.profile,
        managers=data.managers,
        blocks=data.blocks,
        credentials=data.credentials,
        joined_at=time,
    )


@lru_cache(maxsize=10_000)
def _organisation(organisation_id: UUID) -> UUID:
    """One object for all of an organisation's people, who are kept, and in whose rows and matches it is."""
    return as_driver_id(organisation_id)


def member_of(participant: Participant, role: wire.Part) -> wire.Member:
    """One side of a match, as the wire tells it."""
    profile = participant.profile
    return wire.Member(
        participant_id=participant.participant_id,
        person_id=participant.person_id,
        organisation_id=participant.organisation_id,
        role=role,
        zone=profile.zone,
        languages=profile.languages,
        availability=_hours_of(profile.availability),
    )


def _hours_of(hours: tuple[Hours, ...]) -> tuple[wire.WeeklyHours, ...]:
    """Every profile comes from the wire, or from what was stored of it, so these are the wire's own."""
    return cast("tuple[wire.WeeklyHours, ...]", hours)


@lru_cache(maxsize=1024)
def terms_of(terms: Terms) -> wire.Terms:
    """Terms, as the wire tells them."""
    return _same(terms, wire.Terms)


def line_of(line: wire.ReportingLine) -> tuple[UUID, tuple[UUID, ...]]:
    """A person and their managers."""
    return line.person_id, line.managers
