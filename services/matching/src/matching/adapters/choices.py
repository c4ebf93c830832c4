"""What a mentee's page reads where mentees choose, and how their list is asked of `registrations`.

Who they are is read as the API's role. Whom they may choose is then worked out as the worker's role, limited to their
program, from rows read for this one page: of mentors only those with a place, so this is far less than a whole pool.
Rows come in portions and are looked through in a thread, for one page at a time: a large program delays nobody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from matching.domain.pool import Pool
from matching.domain.requesting import candidates
from matching.domain.search import common_ground
from matching.domain.values import Participant, Policy, Shared
from mentorstream_events.registrations import RequestMentors
from mentorstream_runtime.database import Pool as Connections
from mentorstream_runtime.database import organisation_scope, transaction
from mentorstream_runtime.outbox import Cause, emit

from .requests import Write
from .rows import StoredRows, pool_of

# Mentors with a place who are looked through for one page, by the order of their ids.
_MENTORS_LIMIT: Final = 20_000
_PORTION: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Chooser:
    """A mentee before their page, at `now`.

    `program` is its row. `done` counts their lists, `in_vain` says that the last one was used up, `chosen` is the one
    that was handed in and not decided on yet. `here`: they are still in the program. `waits`: nobody is asked for
    them, and they may choose. `asked`: mentors who have not answered yet.
    """

    program: asyncpg.Record
    title: str
    policy: Policy
    now: datetime
    participant_id: UUID
    person_id: UUID
    organisation_id: UUID
    here: bool
    waits: bool
    asked: int
    matched: bool
    done: int
    in_vain: bool
    chosen: tuple[UUID, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A mentor whom a mentee may choose. `facets` are their parts of the score."""

    mentor: Participant
    facets: Mapping[str, float]
    shared: Shared


class Choices:
    """Choices for whoever holds a link."""

    def __init__(self, pool: Connections, api_pool: Connections, queries: Mapping[str, str], write: Write) -> None:
        self._pool = pool
        self._api_pool = api_pool
        self._queries = queries
        self._write = write
        self._one_at_a_time = asyncio.Semaphore(1)

    async def find(self, organisation_id: UUID, participant_id: UUID, now: datetime) -> Chooser | None:
        """The mentee as their organisation sees them; None where it sees none."""
        async with organisation_scope(self._api_pool, organisation_id) as connection:
            row = await connection.fetchrow(self._queries["load_chooser"], participant_id)
        if row is None:
            return None
        return Chooser(
            program=row,
            title=row["title"],
            policy=msgspec.convert(row["policy"], Policy),
            now=max(now, row["now"]),
            participant_id=participant_id,
            person_id=row["person_id"],
            organisation_id=row["participant_organisation_id"],
            here=row["here"],
            waits=row["waits"],
            asked=row["asked"],
            matched=row["matched"],
            done=row["done"],
            in_vain=row["in_vain"],
            chosen=None if row["chosen"] is None else tuple(row["chosen"]),
        )

    async def candidates(self, chooser: Chooser, limit: int) -> list[Candidate]:
        """Those whom they may choose now, best first."""
        async with self._one_at_a_time:
            rows = await self._read(chooser, None)
            return await asyncio.to_thread(_best, chooser, rows, limit)

    async def possible(self, chooser: Chooser, mentors: Sequence[UUID]) -> frozenset[UUID]:
        """Those of the mentors whom they may choose now."""
        return _possible(chooser, await self._read(chooser, mentors))

    async def hand_in(self, chooser: Chooser, mentors: Sequence[UUID], now: datetime, traceparent: str | None) -> bool:
        """Ask for the list to be decided on. False if this one was handed in before."""
        number = chooser.done + 1
        request = RequestMentors(
            program_id=chooser.program["program_id"], participant_id=chooser.participant_id, mentor_ids=tuple(mentors)
        )
        cause = Cause(id=f"choice:{chooser.participant_id}:{number}", traceparent=traceparent)
        async with transaction(self._pool) as connection:
            noted = await connection.fetchval(
                self._queries["ask_choice"],
                chooser.program["program_id"],
                chooser.participant_id,
                chooser.organisation_id,
                number,
                list(mentors),
                now,
            )
            if noted is None:
                return False
            await self._write(connection, [emit(cause, request, time=now)])
        return True

    async def _read(self, chooser: Chooser, mentors: Sequence[UUID] | None) -> StoredRows:
        """The mentee, the mentors with a place (of all, or of those named), and whom the mentee was matched with."""
        program_id, participants = chooser.program["program_id"], []
        async with transaction(self._pool) as connection:
            cursor = await connection.cursor(
                self._queries["load_choosable"],
                program_id,
                chooser.participant_id,
                None if mentors is None else list(mentors),
                _MENTORS_LIMIT,
            )
            while portion := await cursor.fetch(_PORTION):
                participants += portion
            met = await connection.fetch(self._queries["load_matches_of_person"], program_id, chooser.person_id)
        return StoredRows(program=chooser.program, participants=participants, matches=met, waiting=())


def _pool(chooser: Chooser, rows: StoredRows) -> Pool:
    """The mentee and the mentors with a place; mentors' capacity is what is left of it."""
    pool = pool_of(rows)
    pool.advance(chooser.now)
    return pool


def _best(chooser: Chooser, rows: StoredRows, limit: int) -> list[Candidate]:
    pool = _pool(chooser, rows)
    mentee = pool.participants.get(chooser.participant_id)
    if mentee is None:
        return []
    found = []
    for fit in candidates(pool, chooser.participant_id, limit):
        mentor = pool.participants[pool.facts.id_at(fit.mentor)]
        facets = fit.facets(chooser.policy.weights)
        found.append(Candidate(mentor=mentor, facets=facets, shared=common_ground(pool, mentor, mentee)))
    return found


def _possible(chooser: Chooser, rows: StoredRows) -> frozenset[UUID]:
    pool = _pool(chooser, rows)
    if chooser.participant_id not in pool.participants:
        return frozenset()
    fits = candidates(pool, chooser.participant_id, len(rows.participants))
    return frozenset(pool.facts.id_at(fit.mentor) for fit in fits)
