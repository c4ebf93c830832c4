"""What coordinators read, as the API's role: row-level security decides what of a program their organisation sees.

The owner of a program sees all of it. Every other organisation that takes part sees its own people and the matches that
concern them, and its figures are about those only. Nothing is changed here, and nobody is named: this service knows
participants by ids.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

import asyncpg
import msgspec

from matching.domain.engine.waiting import Estimate, Wait, estimate
from matching.domain.values import Match, Policy, Reason
from mentorstream_runtime.database import organisation_scope

from .rows import match_of
from .threads import in_a_thread

if TYPE_CHECKING:
    from mentorstream_runtime.database import Connection, Pool

WAITING_WEEKS: Final = 8  # from here on waiting times are counted together


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenProgram:
    """A program as an organisation sees it. `owned`: it is this organisation's own, and so all of it is seen."""

    program_id: UUID
    title: str
    kind: str
    policy: Policy
    now: datetime
    revision: int
    owned: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """A pool in figures. `waiting_weeks[n]`: people who wait for n whole weeks, the last entry: for more."""

    participants: int
    mentors: int
    mentees: int
    capacity: int
    free_places: int
    open_mentors: int
    proposed: int
    running: int
    ended: int
    matched_mentees: int
    mean_score: float | None
    waiting: int
    waiting_weeks: tuple[int, ...]
    waiting_since: datetime | None

    @property
    def match_rate(self) -> float | None:
        """The share of mentees with a running match; None where there are no mentees."""
        return self.matched_mentees / self.mentees if self.mentees else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenWaiting:
    """A waiting mentee and, as of the last look at the pool, how many mentors each rule removed."""

    participant_id: UUID
    organisation_id: UUID
    since: datetime
    reasons: tuple[Reason, ...]


class Coordination:
    """Reads for one organisation at a time."""

    def __init__(self, api_pool: Pool, queries: Mapping[str, str]) -> None:
        self._pool = api_pool
        self._queries = queries

    async def programs(self, organisation_id: UUID, after: UUID | None, limit: int) -> Sequence[SeenProgram]:
        """Programs that are the organisation's or open to it, in the order of their ids."""
        async with organisation_scope(self._pool, organisation_id) as connection:
            rows = await connection.fetch(self._queries["coordinated_programs"], after, limit)
        return [_program(row, organisation_id) for row in rows]

    async def program(self, organisation_id: UUID, program_id: UUID) -> SeenProgram | None:
        """One program; None where the organisation sees none."""
        async with organisation_scope(self._pool, organisation_id) as connection:
            row = await connection.fetchrow(self._queries["coordinated_program"], program_id)
        return None if row is None else _program(row, organisation_id)

    async def glance(self, organisation_id: UUID, program: SeenProgram) -> Glance:
        """The program's figures, of what the organisation sees."""
        async with organisation_scope(self._pool, organisation_id) as connection:
            people = await self._row(connection, "count_people", program.program_id)
            matches = await self._row(connection, "count_matches", program.program_id)
            free = await self._row(connection, "count_free", program.program_id)
            waiting = await connection.fetch(self._queries["count_waiting"], program.program_id, program.now)
        weeks = {row["weeks"]: row["people"] for row in waiting}
        return Glance(
            participants=people["participants"],
            mentors=people["mentors"],
            mentees=people["mentees"],
            capacity=people["capacity"],
            free_places=free["free"],
            open_mentors=free["open_mentors"],
            proposed=matches["proposed"],
            running=matches["running"],
            ended=matches["ended"],
            matched_mentees=matches["matched_mentees"],
            mean_score=matches["mean_score"],
            waiting=sum(weeks.values()),
            waiting_weeks=tuple(weeks.get(week, 0) for week in range(WAITING_WEEKS + 1)),
            waiting_since=min((row["since"] for row in waiting), default=None),
        )

    async def waiting(
        self, organisation_id: UUID, program_id: UUID, after: tuple[datetime, UUID] | None, limit: int
    ) -> Sequence[SeenWaiting]:
        """Who waits, longest first."""
        since, participant_id = after or (None, None)
        async with organisation_scope(self._pool, organisation_id) as connection:
            rows = await connection.fetch(self._queries["list_waiting"], program_id, since, participant_id, limit)
        return [
            SeenWaiting(
                participant_id=row["participant_id"],
                organisation_id=row["organisation_id"],
                since=row["since"],
                reasons=tuple(msgspec.convert(row["reasons"], list[Reason])),
            )
            for row in rows
        ]

    async def estimates(
        self, organisation_id: UUID, program: SeenProgram, waited_days: Collection[int]
    ) -> Mapping[int, Estimate]:
        """How much longer those may wait who have waited so many days, where such estimates proved right before."""
        if not waited_days:
            return {}
        async with organisation_scope(self._pool, organisation_id) as connection:
            rows = await connection.fetch(self._queries["waits_lately"], program.program_id, program.now)

        def days(instant: datetime) -> float:
            return (instant - program.now) / timedelta(days=1)

        waits = [Wait(days(row["since"]), days(row["until"]), row["matched"]) for row in rows]

        def ask() -> dict[int, Estimate]:
            found = {waited: estimate(waits, 0.0, float(waited)) for waited in sorted(set(waited_days))}
            return {waited: each for waited, each in found.items() if each is not None}

        return await in_a_thread(ask)

    async def matches(
        self, organisation_id: UUID, program_id: UUID, status: str | None, after: UUID | None, limit: int
    ) -> Sequence[Match]:
        """Matches in the order of their ids, of one status or of all."""
        async with organisation_scope(self._pool, organisation_id) as connection:
            rows = await connection.fetch(self._queries["list_matches"], program_id, status, after, limit)
        return [match_of(row) for row in rows]

    async def match(self, organisation_id: UUID, program_id: UUID, match_id: UUID) -> Match | None:
        """One match; None where the organisation sees none."""
        async with organisation_scope(self._pool, organisation_id) as connection:
            row = await connection.fetchrow(self._queries["coordinated_match"], program_id, match_id)
        return None if row is None else match_of(row)

    async def circle(self, organisation_id: UUID, program_id: UUID, circle_id: UUID) -> Sequence[UUID]:
        """The ids of a circle's matches that have not ended, of those that the organisation sees."""
        async with organisation_scope(self._pool, organisation_id) as connection:
            rows = await connection.fetch(self._queries["coordinated_circle"], program_id, circle_id)
        return [row["match_id"] for row in rows]

    async def seen(self, organisation_id: UUID, program_id: UUID, participant_ids: Sequence[UUID]) -> set[UUID]:
        """Those of the participants whom the organisation sees; nobody who has left."""
        if not participant_ids:
            return set()
        async with organisation_scope(self._pool, organisation_id) as connection:
            rows = await connection.fetch(self._queries["seen_participants"], program_id, participant_ids)
        return {row["participant_id"] for row in rows}

    async def audited_attributes(self, organisation_id: UUID, program_id: UUID, least: int) -> Sequence[str]:
        """Attributes that were declared of at least so many people, for audits; none of another's program."""
        async with organisation_scope(self._pool, organisation_id) as connection:
            rows = await connection.fetch(self._queries["audited_attributes"], program_id, least)
        return [row["attribute"] for row in rows]

    async def audit_groups(self, organisation_id: UUID, program_id: UUID, attribute: str) -> Mapping[UUID, str]:
        """By participant, the group that was declared of them; nobody of another's program."""
        async with organisation_scope(self._pool, organisation_id) as connection:
            rows = await connection.fetch(self._queries["audit_groups"], program_id, attribute)
        return {row["participant_id"]: row["group_name"] for row in rows}

    async def named(self, organisation_id: UUID, program_id: UUID, reference: str) -> Sequence[UUID]:
        """Participants whom the organisation sees by this id, or by the last eight characters of it; at most two."""
        async with organisation_scope(self._pool, organisation_id) as connection:
            rows = await connection.fetch(self._queries["named_participants"], program_id, reference)
        return [row["participant_id"] for row in rows]

    async def _row(self, connection: Connection, query: str, program_id: UUID) -> asyncpg.Record:
        row = await connection.fetchrow(self._queries[query], program_id)
        if row is None:
            raise LookupError(f"{query} gives one row")
        return row


def _program(row: asyncpg.Record, organisation_id: UUID) -> SeenProgram:
    return SeenProgram(
        program_id=row["program_id"],
        title=row["title"],
        kind=row["kind"],
        policy=msgspec.convert(row["policy"], Policy),
        now=row["now"],
        revision=row["revision"],
        owned=row["organisation_id"] == organisation_id,
    )
