"""Deciding requests one after the other against a book: each either changes it and yields facts, or is refused.

Every function checks first and writes then, so that a refusal leaves the book as it was. Nothing here waits: the book
holds all that is needed, and ids and time are given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import singledispatch
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from mentorstream_events.partner import (
    ConfigureProgram,
    ConfigureVocabulary,
    ParticipantDetails,
    PersonDetails,
    RegisterParticipant,
    Request,
    RequestRematch,
    SetReportingLine,
    UpdateParticipant,
    UpdatePerson,
    WithdrawParticipant,
)
from mentorstream_events.people import PersonErased
from mentorstream_events.registrations import ParticipantRegistered, ParticipantUpdated, RematchRequested
from mentorstream_events.values import Value
from mentorstream_runtime.outbox import Cause, Outgoing, emit

from ..domain import checks
from ..domain.book import Book
from ..domain.records import Identity, Participant, Person, Program, Vocabulary
from ..domain.refusals import Refused, refuse
from .facts import (
    line_facts,
    participant_fact,
    person_fact,
    program_fact,
    stored_details,
    vocabulary_fact,
    withdrawn_fact,
)
from .naming import owner_and_reference

_TITLE = "The request does not fit what is known"
# Kinds whose matches are of another form; a program keeps to one.
_FORMS = frozenset({"group", "peer"})


class Facts:
    """Collects the facts that follow from one request, in order, each with an id that follows from the request."""

    def __init__(self, cause: Cause, now: datetime) -> None:
        self._cause = cause
        self._now = now
        self.events: list[Outgoing] = []

    def add(self, data: Value, name: object) -> None:
        """One fact. `name` tells it from others of its type that follow from the same request."""
        self.events.append(emit(self._cause, data, time=self._now, name=name))


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What was decided: the facts, and the ids that the partner is told."""

    events: Sequence[Outgoing]
    ids: Mapping[str, UUID]


def decide(
    book: Book, request: Request, cause: Cause, now: datetime, organisations: Mapping[str, UUID] | None = None
) -> Decision:
    """Apply one request. `organisations` are ids by short name, for programs opened to others.

    Raises Refused, with pointers from the request's data; the book is then unchanged.
    """
    facts = Facts(cause, now)
    ids = _apply(request, book, facts, organisations or {})
    return Decision(facts.events, ids)


@singledispatch
def _apply(request: Request, _book: Book, _facts: Facts, _organisations: Mapping[str, UUID]) -> dict[str, UUID]:
    raise NotImplementedError(type(request).__name__)


@_apply.register
def _(request: ConfigureProgram, book: Book, facts: Facts, organisations: Mapping[str, UUID]) -> dict[str, UUID]:
    owner, reference = _own(book, request.program)
    unknown = [(index, name) for index, name in enumerate(request.open_to) if name not in organisations]
    if unknown:
        index, name = unknown[0]
        detail = f"there is no organisation {name!r}; expected short names of organisations in this network"
        raise refuse("invalid", _TITLE, f"/open_to/{index}", detail)
    before = book.program(owner, reference)
    if before is not None and before.kind != request.kind and {before.kind, request.kind} & _FORMS:
        detail = f"the program is of kind {before.kind}; its people are matched otherwise than in one of {request.kind}"
        raise refuse("invalid", _TITLE, "/kind", f"{detail}, so make a new program")
    program = Program(
        program_id=before.program_id if before else book.mint(),
        organisation_id=book.organisation.organisation_id,
        owner=owner,
        reference=reference,
        title=request.title,
        kind=request.kind,
        roles=tuple(request.roles),
        organisations=frozenset(
            {book.organisation.organisation_id, *(organisations[name] for name in request.open_to)}
        ),
        version=before.version if before else 1,
        policy=_plain(request.policy),
        terms=_terms(request),
    )
    if program != before:
        if before:
            program = replace(program, version=before.version + 1)
        book.put_program(program, widened=before is not None and program.boss_levels > before.boss_levels)
        facts.add(program_fact(program), program.program_id)
    return {"program_id": program.program_id}


@_apply.register
def _(request: ConfigureVocabulary, book: Book, facts: Facts, _organisations: object) -> dict[str, UUID]:
    _own(book, request.program)
    program_id = _admitting(book, request.program).program_id
    links = tuple((each.skill, each.kind, each.to_skill) for each in request.links)
    before = book.vocabularies.get(program_id)
    if before is None or before.links != links:
        vocabulary = Vocabulary(program_id, before.version + 1 if before else 1, links)
        book.put_vocabulary(vocabulary)
        facts.add(vocabulary_fact(vocabulary), program_id)
    return {"program_id": program_id}


@_apply.register
def _(request: RegisterParticipant, book: Book, facts: Facts, _organisations: object) -> dict[str, UUID]:
    program = _admitting(book, request.program)
    _check_roles(program, request.participant.roles, request.program)
    _check_manager(book, request.person.reference, request.manager)
    person = book.person_or_placeholder(request.person.reference)
    other_programs = [each for each in book.programs_of(person.person_id) if each != program.program_id]
    zone_changed = _know(book, facts, person, request.person)
    _report_to(book, facts, person.person_id, request.manager)
    participant = _place(book, facts, program, person.person_id, request.participant, always=zone_changed)
    if zone_changed:
        _tell_programs(book, facts, person.person_id, other_programs)
    return _ids_of(participant)


@_apply.register
def _(request: UpdateParticipant, book: Book, facts: Facts, _organisations: object) -> dict[str, UUID]:
    program = _admitting(book, request.program)
    participant = _active(book, program, request.program, request.person)
    _check_roles(program, request.participant.roles, request.program)
    return _ids_of(_place(book, facts, program, participant.person_id, request.participant))


@_apply.register
def _(request: WithdrawParticipant, book: Book, facts: Facts, _organisations: object) -> dict[str, UUID]:
    program = book.program(*owner_and_reference(request.program, book.organisation.name))
    person = book.person(request.person)
    # Who is in a program can leave it, also after it was closed to their organisation.
    if program is None or person is None or book.active(program.program_id, person.person_id) is None:
        program = _admitting(book, request.program)
    participant = _active(book, program, request.program, request.person)
    left = _out(participant)
    book.put_participant(left)
    facts.add(withdrawn_fact(left), left.participant_id)
    _tell_blocked(book, facts, program.program_id, set(participant.blocks))
    return _ids_of(left)


@_apply.register
def _(request: RequestRematch, book: Book, facts: Facts, _organisations: object) -> dict[str, UUID]:
    program = _admitting(book, request.program)
    participant = _active(book, program, request.program, request.person)
    wish = RematchRequested(program_id=program.program_id, participant_id=participant.participant_id)
    facts.add(wish, participant.participant_id)
    return _ids_of(participant)


@_apply.register
def _(request: UpdatePerson, book: Book, facts: Facts, _organisations: object) -> dict[str, UUID]:
    person = book.person(request.person.reference)
    if person is None:
        raise _nobody("/person/reference", request.person.reference)
    if _know(book, facts, person, request.person):
        _tell_programs(book, facts, person.person_id, book.programs_of(person.person_id))
    return {"person_id": person.person_id}


@_apply.register
def _(request: SetReportingLine, book: Book, facts: Facts, _organisations: object) -> dict[str, UUID]:
    _check_manager(book, request.person, request.manager)
    person = book.person_or_placeholder(request.person)
    _report_to(book, facts, person.person_id, request.manager)
    return {"person_id": person.person_id}


def erase(book: Book, person: Person, cause: Cause, now: datetime) -> Sequence[Outgoing]:
    """Let go of a person: out of every program, out of the reporting lines, then a tombstone.

    Whoever reported to them reports to their manager from now on. So a pair that the line kept apart (somebody and
    their boss's boss) stays apart; leaving the reports without a manager would open it.
    """
    facts = Facts(cause, now)
    for program_id in book.programs_of(person.person_id):
        participant = book.participants[program_id, person.person_id]
        book.put_participant(_out(participant))
        facts.add(withdrawn_fact(participant, erased=True), participant.participant_id)
        _tell_blocked(book, facts, program_id, set(participant.blocks))
    reports = book.lines.reports_of(person.person_id)
    above = book.lines.manager_of(person.person_id)

    def close_the_gap() -> None:
        for report in reports:
            book.put_manager(report, above)

    change_lines(book, facts, close_the_gap, reports)
    if person.identity is not None:
        facts.add(PersonErased(person_id=person.person_id), person.person_id)
    return facts.events


def change_lines(book: Book, facts: Facts, change: Callable[[], None], around: Sequence[UUID]) -> None:
    """Make a change to reporting lines and tell every program whose participants' chains it altered.

    `around` are the people whose own manager changes; whoever is below them is looked at, too, as far down as the
    program's policy looks up.
    """
    programs = book.programs
    deepest = max((program.boss_levels for program in programs.values()), default=0)
    concerned = dict.fromkeys(
        (program_id, person_id)
        for top in around
        for person_id in book.lines.from_here_down(top, max(deepest - 1, 0))
        for program_id in book.programs_of(person_id)
    )
    before = {key: book.lines.chain(key[1], programs[key[0]].boss_levels) for key in concerned}
    change()
    altered: dict[UUID, list[tuple[UUID, Sequence[UUID]]]] = {}
    for program_id, person_id in concerned:
        chain = book.lines.chain(person_id, programs[program_id].boss_levels)
        if chain != before[program_id, person_id]:
            altered.setdefault(program_id, []).append((person_id, chain))
    for program_id, lines in altered.items():
        for index, fact in enumerate(line_facts(program_id, lines)):
            facts.add(fact, f"{program_id}/{index}")


def _own(book: Book, named: str) -> tuple[str, str]:
    """Owner and reference of a program that the organisation itself runs."""
    owner, reference = owner_and_reference(named, book.organisation.name)
    if owner != book.organisation.name:
        raise refuse(
            "forbidden",
            "This program is not yours",
            "/program",
            f"only {owner} may configure {named}; your own programs are named without a prefix",
        )
    return owner, reference


def _admitting(book: Book, named: str) -> Program:
    """The program, if the organisation's people may take part in it."""
    owner, reference = owner_and_reference(named, book.organisation.name)
    program = book.program(owner, reference)
    if program is not None and book.organisation.organisation_id in program.organisations:
        return program
    if owner == book.organisation.name:
        detail = f"you have no program {reference!r}; configure it first, or check how it is written"
        raise refuse("invalid", _TITLE, "/program", detail)
    # The same words whether or not it exists: programs of others are no business of this organisation.
    raise refuse(
        "forbidden",
        "This program is not open to your organisation",
        "/program",
        f"{named} is not open to {book.organisation.name}; its owner {owner} can open it with open_to",
    )


def _active(book: Book, program: Program, named: str, reference: str) -> Participant:
    person = book.person(reference)
    participant = book.active(program.program_id, person.person_id) if person else None
    if participant is None:
        detail = f"{reference!r} is not in program {named}; register them first, or check how it is written"
        raise refuse("invalid", _TITLE, "/person", detail)
    return participant


def _nobody(pointer: str, reference: str) -> Refused:
    detail = f"nobody is known as {reference!r}; register them in a program first, or check how it is written"
    return refuse("invalid", _TITLE, pointer, detail)


def _check_roles(program: Program, roles: Sequence[str], named: str) -> None:
    faults = checks.role_faults(roles, program.roles, named, "/participant/roles")
    if faults:
        raise Refused("invalid", _TITLE, faults)
    if program.kind == "peer" and len(set(roles)) < 2:
        detail = f"in {named} people mentor each other; expected both mentor and mentee"
        raise refuse("invalid", _TITLE, "/participant/roles", detail)


def _check_manager(book: Book, reference: str, manager: str | UnsetType | None) -> None:
    if not isinstance(manager, str):
        return
    person, above = book.person(reference), book.person(manager)
    if manager == reference or (person and above and book.lines.closes_circle(person.person_id, above.person_id)):
        detail = f"{manager!r} reports to {reference!r}, directly or through others; reporting lines must not circle"
        raise refuse("invalid", _TITLE, "/manager", detail)


def _know(book: Book, facts: Facts, person: Person, details: PersonDetails) -> bool:
    """Store who somebody is. Returns whether their zone changed for programs that they are in."""
    identity = Identity(full_name=details.full_name, email=details.email, zone=details.zone, locale=details.locale)
    before = book.people[person.person_id]
    if before.identity == identity:
        return False
    known = replace(before, identity=identity, version=before.version + 1)
    book.put_person(known)
    facts.add(person_fact(book, known), person.person_id)
    return before.identity is not None and before.identity.zone != identity.zone


def _report_to(
    book: Book,
    facts: Facts,
    person_id: UUID,
    manager: str | UnsetType | None,
) -> None:
    """Store whom somebody reports to. A manager nobody has named before becomes a placeholder."""
    if isinstance(manager, UnsetType):
        return
    manager_id = None if manager is None else book.person_or_placeholder(manager).person_id
    if book.lines.manager_of(person_id) != manager_id:
        change_lines(book, facts, lambda: book.put_manager(person_id, manager_id), [person_id])


def _place(
    book: Book,
    facts: Facts,
    program: Program,
    person_id: UUID,
    details: ParticipantDetails,
    *,
    always: bool = False,
) -> Participant:
    """Store somebody's place in a program and tell it, unless nothing changed; `always` tells it anyway."""
    before = book.participant(program.program_id, person_id)
    blocks = tuple(book.person_or_placeholder(reference).person_id for reference in details.blocks)
    after = Participant(
        participant_id=before.participant_id if before else book.mint(),
        program_id=program.program_id,
        person_id=person_id,
        organisation_id=book.organisation.organisation_id,
        roles=details.roles,
        details=stored_details(details),
        blocks=blocks,
    )
    if before is None or not before.active:
        book.put_participant(after)
        facts.add(participant_fact(ParticipantRegistered, book, after), after.participant_id)
        _tell_blocked(book, facts, program.program_id, set(blocks))
        return after
    if after != before:
        book.put_participant(after)
    if after != before or always:
        facts.add(participant_fact(ParticipantUpdated, book, after), after.participant_id)
    _tell_blocked(book, facts, program.program_id, set(before.blocks) ^ set(blocks))
    return after


def _out(participant: Participant) -> Participant:
    """Out of the program. What was declared for audits goes with them; the rest is as they left it."""
    details = replace(participant.details, audit_groups=UNSET)
    return replace(participant, active=False, blocks=(), details=details)


def _tell_programs(book: Book, facts: Facts, person_id: UUID, program_ids: Sequence[UUID]) -> None:
    for program_id in program_ids:
        participant = book.participants[program_id, person_id]
        facts.add(participant_fact(ParticipantUpdated, book, participant), participant.participant_id)


def _tell_blocked(book: Book, facts: Facts, program_id: UUID, people: set[UUID]) -> None:
    """The other side of a block that came or went: their list of people not to be matched with is another one now."""
    for person_id in sorted(people):
        participant = book.active(program_id, person_id)
        if participant is not None:
            facts.add(participant_fact(ParticipantUpdated, book, participant), participant.participant_id)


def _ids_of(participant: Participant) -> dict[str, UUID]:
    return {
        "program_id": participant.program_id,
        "participant_id": participant.participant_id,
        "person_id": participant.person_id,
    }


def _terms(request: ConfigureProgram) -> dict[str, Any]:
    """The terms as they hold: people of a flash program meet once, unless it says how often."""
    terms = _plain(request.terms)
    if request.kind == "flash" and request.terms.meetings_total is None:
        terms["meetings_total"] = 1
    return terms


def _plain(value: msgspec.Struct) -> dict[str, Any]:
    """As it comes back from a jsonb column, so that stored and new compare equal."""
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(value))
    return plain
