"""What intake publishes of its records: each record as the wire model of its fact.

Only here do stored details become contracts, so that a stored detail and an event cannot drift apart unnoticed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, TypeVar, cast
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from mentorstream_events.partner import AuditGroupRequest, ParticipantDetails, SkillRequest
from mentorstream_events.people import PersonKnown
from mentorstream_events.registrations import (
    ParticipantRegistered,
    ParticipantUpdated,
    ParticipantWithdrawn,
    ProgramConfigured,
    ReportingLineChanged,
    VocabularyConfigured,
)
from mentorstream_events.values import Policy, Profile, ReportingLine, SkillLink, Terms, WeeklyHours

from ..domain import checks
from ..domain.book import Book
from ..domain.records import Participant, Person, Program, Vocabulary

ParticipantT = TypeVar("ParticipantT", ParticipantRegistered, ParticipantUpdated)

BLOCKS_LIMIT: Final = 200
LINES_LIMIT: Final = 1000
_PLACE_IN_WEEK: Final = attrgetter("weekday", "start_minute", "end_minute")


class Details(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is kept of a participant's details: the event's fields, without those that other records hold."""

    capacity: int
    credentials: tuple[str, ...]
    languages: tuple[str, ...]
    availability: tuple[WeeklyHours, ...]
    offers: tuple[SkillRequest, ...]
    wants: tuple[SkillRequest, ...]
    goals: tuple[str, ...]
    interests: tuple[str, ...]
    values: tuple[str, ...]
    style: str | None
    industry: str | None
    seniority: int
    # Left out where there are none, so that who was stored before there were any does not differ.
    audit_groups: tuple[AuditGroupRequest, ...] | UnsetType = UNSET


def stored_details(details: ParticipantDetails) -> Details:
    """What is kept of a request's details, with hours and groups in their order."""
    hours = [_weekly(each.weekday, each.start, each.end) for each in details.availability]
    return Details(
        capacity=details.capacity if "mentor" in details.roles else 0,
        credentials=details.credentials,
        languages=details.languages,
        availability=tuple(sorted(hours, key=_PLACE_IN_WEEK)),
        offers=details.offers,
        wants=details.wants,
        goals=details.goals,
        interests=details.interests,
        values=details.values,
        style=details.style,
        industry=details.industry,
        seniority=details.seniority,
        audit_groups=tuple(sorted(details.audit_groups, key=attrgetter("attribute"))) or UNSET,
    )


@lru_cache(maxsize=65_536)
def _weekly(weekday: str, start: str, end: str) -> WeeklyHours:
    """Remembered: many people are free at the same hours."""
    return WeeklyHours(
        weekday=checks.ISO_WEEKDAY[weekday], start_minute=checks.minute_of(start), end_minute=checks.minute_of(end)
    )


def participant_fact(model: type[ParticipantT], book: Book, participant: Participant) -> ParticipantT:
    """A participant with all that matching needs: zone, chain of managers, people not to be matched with."""
    person, program = book.people[participant.person_id], book.programs[participant.program_id]
    if person.identity is None:
        raise AssertionError(f"participant {participant.participant_id} has a person without a zone")
    details: Details = participant.details
    return model(
        program_id=participant.program_id,
        participant_id=participant.participant_id,
        person_id=participant.person_id,
        organisation_id=participant.organisation_id,
        roles=cast("Any", participant.roles),
        capacity=details.capacity,
        # What a request may say is within what an event may; a test holds that.
        profile=Profile(
            zone=person.identity.zone,
            languages=details.languages,
            availability=details.availability,
            offers=details.offers,
            wants=details.wants,
            goals=details.goals,
            interests=details.interests,
            values=details.values,
            style=details.style,
            industry=details.industry,
            seniority=details.seniority,
        ),
        managers=book.lines.chain(participant.person_id, program.boss_levels),
        # Each side of a block is told on its own event, so those beyond the limit are still known from theirs.
        blocks=book.barred(participant)[:BLOCKS_LIMIT],
        credentials=details.credentials,
        audit_groups=() if details.audit_groups is UNSET else details.audit_groups,
    )


def withdrawn_fact(participant: Participant, *, erased: bool = False) -> ParticipantWithdrawn:
    """A participant who left, or was erased."""
    return ParticipantWithdrawn(
        program_id=participant.program_id,
        participant_id=participant.participant_id,
        person_id=participant.person_id,
        reason="erased" if erased else "withdrawn",
    )


def person_fact(book: Book, person: Person) -> PersonKnown:
    """A person as the topic `people` shows them."""
    if person.identity is None:
        raise AssertionError(f"person {person.person_id} is a placeholder: there is nothing to tell")
    return PersonKnown(
        person_id=person.person_id,
        organisation_id=book.organisation.organisation_id,
        version=person.version,
        full_name=person.identity.full_name,
        email=person.identity.email,
        zone=person.identity.zone,
        locale=person.identity.locale,
        reference=person.reference,
    )


def program_fact(program: Program) -> ProgramConfigured:
    """A program; the owner is the first of its organisations, the others follow in id order."""
    others = sorted(program.organisations - {program.organisation_id})
    return ProgramConfigured(
        program_id=program.program_id,
        organisation_id=program.organisation_id,
        organisations=(program.organisation_id, *others),
        title=program.title,
        kind=cast("Any", program.kind),  # one of the contract's, as it came in by the contract of the request
        policy=msgspec.convert({**program.policy, "version": program.version}, Policy),
        terms=msgspec.convert(program.terms, Terms),
        slug=program.reference,
        roles=cast("Any", program.roles),
    )


def vocabulary_fact(vocabulary: Vocabulary) -> VocabularyConfigured:
    """Which skills are near each other in a program."""
    return VocabularyConfigured(
        program_id=vocabulary.program_id,
        version=vocabulary.version,
        links=tuple(
            SkillLink(skill=skill, kind=cast("Any", kind), to_skill=to_skill)
            for skill, kind, to_skill in vocabulary.links
        ),
    )


def line_facts(program_id: UUID, lines: Sequence[tuple[UUID, Sequence[UUID]]]) -> list[ReportingLineChanged]:
    """New chains of managers for a program, as many events as the contract's limit makes of them."""
    return [
        ReportingLineChanged(
            program_id=program_id,
            lines=tuple(
                ReportingLine(person_id=person_id, managers=tuple(managers))
                for person_id, managers in lines[start : start + LINES_LIMIT]
            ),
        )
        for start in range(0, len(lines), LINES_LIMIT)
    ]
