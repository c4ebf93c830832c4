"""Intake's records in PostgreSQL: one transaction for a group of requests, of one organisation or of several.

The order of locks is organisations' rows, then program rows by id, then (in the runtime) outbox sequences by topic and
key. Who holds an organisation or a program waits for no further organisation, so waiting never goes in a circle. People
need no lock of their own: they belong to one organisation, whose lock is held.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

import msgspec
from asyncpg import Record

import intake
from mentorstream_runtime.database import Connection, Pool, columns_of, load_queries, transaction
from mentorstream_runtime.outbox import Outgoing

from ..domain.book import Book, Organisation
from ..domain.records import Identity, Participant, Person, Program, Vocabulary
from ..handlers.facts import Details
from ..handlers.ports import AcceptedRow, Earlier, Needs, RequestKey

QUERIES: Final = load_queries(intake.__file__)


class Publisher(Protocol):
    """The runtime, as far as it is needed here."""

    async def write(self, connection: Connection, events: Sequence[Outgoing]) -> None:
        """Put events into the outbox."""
        ...

    def wake(self) -> None:
        """Let them be published now."""
        ...


class PostgresStore:
    """Opens transactions as the worker."""

    def __init__(self, pool: Pool, publisher: Publisher, mint: Callable[[], UUID]) -> None:
        self._pool = pool
        self._publisher = publisher
        self._mint = mint

    @contextlib.asynccontextmanager
    async def transaction(
        self, organisations: Sequence[Organisation], *, wait: bool
    ) -> AsyncIterator[PostgresTransaction]:
        """A transaction under the organisations' locks. `wait`: of one only; else those held are left out."""
        wanted = {each.organisation_id: each for each in organisations}
        query = QUERIES["lock_organisation" if wait else "lock_free_organisations"]
        async with transaction(self._pool) as connection:
            rows = await connection.fetch(query, list(wanted))
            locked = [wanted[row["organisation_id"]] for row in rows]
            yield PostgresTransaction(connection, locked, self._publisher, self._mint)

    def wake(self) -> None:
        """Let the outbox be published now."""
        self._publisher.wake()


class PostgresTransaction:
    """What can be done in one transaction; every statement is limited to the organisations' own."""

    def __init__(
        self,
        connection: Connection,
        organisations: Sequence[Organisation],
        publisher: Publisher,
        mint: Callable[[], UUID],
    ) -> None:
        self._connection = connection
        self._publisher = publisher
        self._mint = mint
        self.organisations = organisations

    async def earlier(self, keys: Sequence[RequestKey]) -> Mapping[RequestKey, Earlier]:
        """Which of these were accepted before."""
        rows = await self._connection.fetch(QUERIES["load_accepted"], *columns_of(keys, 3))
        return {
            (row["organisation_id"], row["source"], row["id"]): Earlier(
                row["digest"], msgspec.json.encode(row["answer"]), row["answer"]["accepted_at"]
            )
            for row in rows
        }

    async def named(self, names: frozenset[str]) -> Mapping[str, UUID]:
        """Ids of those of the named organisations that exist."""
        rows = await self._connection.fetch(QUERIES["load_organisations"], sorted(names))
        return {row["name"]: row["organisation_id"] for row in rows}

    async def open_books(self, needs: Mapping[UUID, Needs]) -> Mapping[UUID, Book]:
        """Fetch people, then their places, then lock the programs of both and read those last."""
        people: list[Record] = []
        participants: list[Record] = []
        named = [(key, each) for key, need in needs.items() for each in need.references]
        if named:
            lined = [(key, each) for key, need in needs.items() for each in need.line_references]
            people = await self._connection.fetch(QUERIES["load_people"], *columns_of(named, 2), *columns_of(lined, 2))
            touched = [row["person_id"] for row in people if row["touched"]]
            if touched:
                participants = await self._connection.fetch(QUERIES["load_participants"], list(needs), touched)
        programs = await self._locked_programs({row["program_id"] for row in participants}, needs)
        named_vocabularies = sorted({each for need in needs.values() for each in need.vocabularies})
        vocabularies = (
            await self._connection.fetch(QUERIES["load_vocabularies"], *columns_of(named_vocabularies, 2))
            if named_vocabularies
            else []
        )
        people_of, participants_of = _by_organisation(people), _by_organisation(participants)
        ids = {(each.owner, each.reference): each.program_id for each in programs.values()}
        vocabulary_in = {row["program_id"]: vocabulary_of(row) for row in vocabularies}
        books: dict[UUID, Book] = {}
        for each in self.organisations:
            key = each.organisation_id
            if key not in needs:
                continue
            places = participants_of.get(key, ())
            own = {row["program_id"] for row in places} | {ids[name] for name in needs[key].programs if name in ids}
            books[key] = Book(
                each,
                people=map(person_of, people_of.get(key, ())),
                participants=map(participant_of, places),
                programs=[programs[program_id] for program_id in own],
                vocabularies=[vocabulary_in[program_id] for program_id in own if program_id in vocabulary_in],
                mint=self._mint,
            )
        return books

    async def _locked_programs(self, ids: set[UUID], needs: Mapping[UUID, Needs]) -> Mapping[UUID, Program]:
        named = sorted({each for need in needs.values() for each in need.programs})
        if not ids and not named:
            return {}
        rows = await self._connection.fetch(QUERIES["lock_programs"], list(ids), *columns_of(named, 2))
        admitted: dict[UUID, set[UUID]] = {row["program_id"]: set() for row in rows}
        for row in await self._connection.fetch(QUERIES["load_admitted"], list(admitted)):
            admitted[row["program_id"]].add(row["organisation_id"])
        return {row["program_id"]: program_of(row, frozenset(admitted[row["program_id"]])) for row in rows}

    async def store(self, books: Sequence[Book], accepted: Sequence[AcceptedRow], now: datetime) -> None:
        """Write what changed in the books, one statement for each table, and which requests were accepted."""
        for book in books:
            await self._store_programs(book.organisation, [book.programs[each] for each in book.changed_programs])
            for program_id in book.changed_vocabularies:
                vocabulary = book.vocabularies[program_id]
                await self._connection.execute(
                    QUERIES["store_vocabulary"], program_id, vocabulary.version, links_json(vocabulary.links)
                )
        await self._store_people(books)
        await self._store_participants([book.participants[key] for book in books for key in book.changed_participants])
        if accepted:
            rows = [(*row.key, row.digest, row.answer.decode()) for row in accepted]
            await self._connection.execute(QUERIES["store_accepted"], *columns_of(rows, 5), now)

    async def _store_programs(self, owner: Organisation, programs: Sequence[Program]) -> None:
        if not programs:
            return
        rows = [
            (
                each.program_id,
                each.reference,
                each.title,
                each.kind,
                ",".join(each.roles),
                each.version,
                _json(each.policy),
                _json(each.terms),
            )
            for each in programs
        ]
        await self._connection.execute(
            QUERIES["store_programs"], owner.organisation_id, *columns_of(rows, 8), owner.name
        )
        # Who was admitted before and is no longer has to go; whoever stays is written anew.
        await self._connection.execute(QUERIES["forget_admitted"], [each.program_id for each in programs])
        admitted = [(each.program_id, other) for each in programs for other in sorted(each.organisations)]
        await self._connection.execute(QUERIES["store_admitted"], *columns_of(admitted, 2))

    async def _store_people(self, books: Sequence[Book]) -> None:
        rows: list[tuple[Any, ...]] = []
        for book in books:
            for person_id in book.changed_people:
                each = book.people[person_id]
                known = each.identity
                told = (known.full_name, known.email, known.zone, known.locale) if known else (None,) * 4
                rows.append(
                    (person_id, book.organisation.organisation_id, each.reference, each.version, *told, each.manager_id)
                )
        if rows:
            await self._connection.execute(QUERIES["store_people"], *columns_of(rows, 9))

    async def _store_participants(self, participants: Sequence[Participant]) -> None:
        if not participants:
            return
        rows = [
            (
                each.participant_id,
                each.program_id,
                each.person_id,
                each.organisation_id,
                ",".join(each.roles),
                _json(each.details),
                "{" + ",".join(map(str, each.blocks)) + "}",
                each.active,
            )
            for each in participants
        ]
        await self._connection.execute(QUERIES["store_participants"], *columns_of(rows, 8))

    async def lines_of(self, program_id: UUID, levels: int) -> Sequence[tuple[UUID, Sequence[UUID]]]:
        """Chains of managers of everybody in a program who has a manager."""
        rows = await self._connection.fetch(QUERIES["load_lines"], program_id, levels)
        return [(row["person_id"], row["managers"]) for row in rows]

    async def erase(self, person: Person, now: datetime) -> None:
        """Delete all that is known of a person, and enter their id into the ledger of the erased."""
        await self._connection.execute(QUERIES["erase_participants"], person.person_id)
        organisations = [each.organisation_id for each in self.organisations]
        await self._connection.execute(QUERIES["erase_blocks"], organisations, person.person_id)
        await self._connection.execute(QUERIES["erase_person"], person.person_id)
        await self._connection.execute(QUERIES["record_erasure"], person.person_id, now)

    async def publish(self, events: Sequence[Outgoing]) -> None:
        """Put facts into the outbox."""
        await self._publisher.write(self._connection, events)


class AcceptedRequestsTimer:
    """Forgets accepted requests after their time, so that an id may be used again and no digest is kept for ever."""

    name = "forget_accepted_requests"

    def __init__(self, pool: Pool, keep: timedelta, *, batch: int = 5000) -> None:
        self._pool = pool
        self._keep = keep
        self._batch = batch

    async def run_due(self, now: datetime) -> int:
        """Delete at most a batch of those past their time; returns how many."""
        status = await self._pool.execute(QUERIES["forget_accepted"], now - self._keep, self._batch)
        return int(status.rpartition(" ")[2])

    async def next_due(self) -> datetime | None:
        """When the oldest one is past its time, rounded up to the hour: nothing depends on the minute."""
        oldest: datetime | None = await self._pool.fetchval(QUERIES["oldest_accepted"])
        if oldest is None:
            return None
        due = oldest + self._keep
        whole = due.replace(minute=0, second=0, microsecond=0)
        return whole if whole == due else whole + timedelta(hours=1)


def _by_organisation(rows: Sequence[Record]) -> Mapping[UUID, Sequence[Record]]:
    found: dict[UUID, list[Record]] = {}
    for row in rows:
        found.setdefault(row["organisation_id"], []).append(row)
    return found


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def links_json(links: Sequence[tuple[str, str, str]]) -> str:
    """Links of a vocabulary as their column has them."""
    return msgspec.json.encode(links).decode()


def vocabulary_of(row: Record) -> Vocabulary:
    """A vocabulary as its row has it."""
    return Vocabulary(row["program_id"], row["version"], tuple(map(tuple, row["links"])))


def person_of(row: Record | Mapping[str, Any]) -> Person:
    """A person as a row has them."""
    identity = Identity(row["full_name"], row["email"], row["zone"], row["locale"]) if row["version"] else None
    return Person(row["person_id"], row["reference"], row["version"], identity, row["manager_id"])


def participant_of(row: Record | Mapping[str, Any]) -> Participant:
    """A place in a program as its row has it."""
    return Participant(
        row["participant_id"],
        row["program_id"],
        row["person_id"],
        row["organisation_id"],
        tuple(row["roles"]),
        msgspec.convert(row["details"], Details),
        tuple(row["blocks"]),
        row["active"],
    )


def program_of(row: Record | Mapping[str, Any], organisations: frozenset[UUID]) -> Program:
    """A program as its row has it."""
    return Program(
        program_id=row["program_id"],
        organisation_id=row["organisation_id"],
        owner=row["owner"],
        reference=row["reference"],
        title=row["title"],
        kind=row["kind"],
        roles=tuple(row["roles"]),
        organisations=organisations,
        version=row["version"],
        policy=row["policy"],
        terms=row["terms"],
    )
