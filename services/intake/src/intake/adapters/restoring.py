"""Intake after its database went back, or after the broker was replaced: facts into rows, and rows into facts.

Everything here came by HTTP, so a restored database takes over what was published: people and programs with the
references that partners know them by, so that a partner who sends again meets the same ids, and the erasures. Requests
that were accepted are not on any topic: sent again, they are decided again, and change nothing that is there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import UUID, uuid4

import msgspec

from mentorstream_events import Event
from mentorstream_events.partner import PolicyRequest, TermsRequest
from mentorstream_events.people import PersonErased, PersonKnown
from mentorstream_events.registrations import (
    ParticipantRegistered,
    ParticipantUpdated,
    ParticipantWithdrawn,
    ProgramConfigured,
    ReportingLineChanged,
    VocabularyConfigured,
)
from mentorstream_runtime.clock import Clock
from mentorstream_runtime.outbox import Cause, Outgoing, emit
from mentorstream_runtime.restore import Restorer

from ..domain.book import Book, Organisation
from ..handlers.facts import participant_fact, person_fact, program_fact, vocabulary_fact, withdrawn_fact
from .postgres import QUERIES, links_json, participant_of, person_of, program_of, vocabulary_of

if TYPE_CHECKING:
    from asyncpg import Record

    from mentorstream_runtime.database import Connection

_PORTION: Final = 1000
_NOBODY: Final = UUID(int=0)
_ELSEWHERE: Final = ("capacity", "credentials")
T = TypeVar("T", bound=msgspec.Struct)


class RecordsRestorer(Restorer):
    """Facts into rows, rows into facts."""

    decides_again = False

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def take_over(self, connection: Connection, events: Sequence[Event[Any]]) -> None:
        """People, programs and places in them as these facts tell them."""
        for event in events:
            data = event.data
            if isinstance(data, PersonKnown):
                await self._know(connection, event)
            elif isinstance(data, PersonErased):
                await self._erase(connection, data.person_id, event)
            elif isinstance(data, ProgramConfigured):
                await self._configure(connection, data)
            elif isinstance(data, VocabularyConfigured):
                links = [(each.skill, each.kind, each.to_skill) for each in data.links]
                await connection.execute(
                    QUERIES["take_over_vocabulary"], data.program_id, data.version, links_json(links)
                )
            elif isinstance(data, ParticipantRegistered | ParticipantUpdated):
                await self._place(connection, data)
            elif isinstance(data, ParticipantWithdrawn):
                await connection.execute(QUERIES["take_over_withdrawal"], data.participant_id)
            elif isinstance(data, ReportingLineChanged):
                for line in data.lines:
                    manager = line.managers[0] if line.managers else None
                    await connection.execute(QUERIES["take_over_manager"], line.person_id, manager)

    async def reissue(self, connection: Connection, keys: Sequence[str]) -> Sequence[Outgoing]:
        """Each of these people as they are known now, or that they were erased."""
        people = [UUID(key) for key in keys]
        rows = await connection.fetch(QUERIES["people_of"], people)
        known = {row["person_id"]: _known(row) for row in rows}
        cause, now = Cause(id=f"reissued:{uuid4()}"), await self._clock.now()
        return [
            emit(cause, known.get(person_id) or PersonErased(person_id=person_id), time=now, name=person_id)
            for person_id in people
        ]

    async def current_facts(self, connection: Connection) -> AsyncIterator[Sequence[Outgoing]]:
        """People, the erased ones, programs with everybody in them or out of them again."""
        incarnation = await connection.fetchval("SELECT incarnation FROM outbox_incarnation")
        cause, now = Cause(id=f"republished:{incarnation}"), await self._clock.now()
        last = _NOBODY
        while rows := await connection.fetch(QUERIES["all_people"], last, _PORTION):
            last = rows[-1]["person_id"]
            yield [emit(cause, _known(row), time=now, name=row["person_id"]) for row in rows]
        gone = [row["person_id"] for row in await connection.fetch(QUERIES["all_erased"])]
        yield [emit(cause, PersonErased(person_id=person_id), time=now, name=person_id) for person_id in gone]
        for row in await connection.fetch(QUERIES["all_programs"]):
            book = await self._book_of(connection, row)
            (program,) = book.programs.values()
            facts = [emit(cause, program_fact(program), time=now, name=program.program_id)]
            for vocabulary in await connection.fetch(QUERIES["vocabulary_of"], program.program_id):
                told = vocabulary_fact(vocabulary_of(vocabulary))
                facts.append(emit(cause, told, time=now, name=program.program_id))
            for participant in book.participants.values():
                data = (
                    participant_fact(ParticipantRegistered, book, participant)
                    if participant.active
                    else withdrawn_fact(participant)
                )
                facts.append(emit(cause, data, time=now, name=participant.participant_id))
            yield facts

    async def _know(self, connection: Connection, event: Event[PersonKnown]) -> None:
        data = event.data
        if not data.reference:
            return  # from before it was told: the partner's next word of them is decided anew
        for row in await connection.fetch(
            QUERIES["superseded_people"], data.organisation_id, data.reference, data.person_id
        ):
            await self._erase(connection, row["person_id"], event)
        await connection.execute(
            QUERIES["take_over_person"],
            data.person_id,
            data.organisation_id,
            data.reference,
            data.version,
            data.full_name,
            data.email,
            data.zone,
            data.locale,
        )

    async def _erase(self, connection: Connection, person_id: UUID, event: Event[Any]) -> None:
        await connection.execute(QUERIES["close_gap"], person_id)
        await connection.execute(QUERIES["erase_participants"], person_id)
        await connection.execute(QUERIES["forget_everywhere"], person_id)
        await connection.execute(QUERIES["erase_person"], person_id)
        await connection.execute(QUERIES["enter_erased"], person_id, event.time)

    async def _configure(self, connection: Connection, data: ProgramConfigured) -> None:
        if not data.slug:
            return
        taken = await connection.fetchval(
            QUERIES["take_over_program"],
            data.program_id,
            data.organisation_id,
            data.slug,
            data.title,
            data.kind,
            list(data.roles),
            data.policy.version,
            _as_requested(data.policy, PolicyRequest),
            _as_requested(data.terms, TermsRequest),
        )
        if taken is not None:
            await connection.execute(QUERIES["forget_admitted"], [data.program_id])
            await connection.execute(QUERIES["take_over_admitted"], data.program_id, list(data.organisations))

    async def _place(self, connection: Connection, data: ParticipantRegistered | ParticipantUpdated) -> None:
        told = msgspec.to_builtins(data)
        details = {**told["profile"], **{name: told[name] for name in _ELSEWHERE}}
        del details["zone"]
        if data.audit_groups:  # stored as `stored_details` does
            details["audit_groups"] = told["audit_groups"]
        await connection.execute(
            QUERIES["take_over_participant"],
            data.participant_id,
            data.program_id,
            data.person_id,
            data.organisation_id,
            list(data.roles),
            msgspec.json.encode(details).decode(),
            list(data.blocks),
        )
        if data.managers:  # a program that looks at no managers tells of none
            await connection.execute(QUERIES["take_over_manager"], data.person_id, data.managers[0])

    async def _book_of(self, connection: Connection, row: Record) -> Book:
        program_id = row["program_id"]
        admitted = await connection.fetch(QUERIES["load_admitted"], [program_id])
        return Book(
            Organisation(row["organisation_id"], row["owner"]),
            people=map(person_of, await connection.fetch(QUERIES["everybody_above"], program_id)),
            participants=map(participant_of, await connection.fetch(QUERIES["everybody_in"], program_id)),
            programs=[program_of(row, frozenset(each["organisation_id"] for each in admitted))],
            mint=uuid4,
        )


def _known(row: Record) -> PersonKnown:
    organisation = Organisation(row["organisation_id"], "")
    person = person_of({**row, "manager_id": None})
    return person_fact(Book(organisation, people=[person], participants=(), programs=(), mint=uuid4), person)


def _as_requested(told: msgspec.Struct, model: type[T]) -> str:
    """As intake stores it: the fields of the request, so that the same request again is no change."""
    names = {field.name for field in msgspec.structs.fields(model)}
    plain: Mapping[str, Any] = msgspec.to_builtins(told)
    return msgspec.json.encode({name: value for name, value in plain.items() if name in names}).decode()
