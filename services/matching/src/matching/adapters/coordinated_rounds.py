"""Rounds as coordinators see them, and their edits of drafts.

Read as the API's role. An edit is a row beside the round; it takes effect when the round is published, and until then
it can be undone. Nothing that the consumer owns is changed here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from mentorstream_runtime.database import organisation_scope, transaction

if TYPE_CHECKING:
    import asyncpg

    from mentorstream_runtime.database import Pool

EditKind = Literal["remove", "add"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRound:
    """A round. `figures` as in `round.completed`; None before it is solved."""

    round_id: UUID
    status: str
    asked_by: str
    objective: str
    policy_version: int
    seed: int
    requested_at: datetime
    completed_at: datetime | None
    participants: int
    input_digest: str
    result_digest: str | None
    figures: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A pair of a drafted round. Differences are shares of a full score; runners-up may be nobody."""

    mentor_id: UUID
    mentee_id: UUID
    score: float
    facets: Mapping[str, float]
    next_mentor_id: UUID | None
    ahead_of_next: float | None
    next_mentee_id: UUID | None
    short_of_place: float | None
    removed: bool


@dataclass(frozen=True, slots=True)
class Edit:
    """A pair taken out of a round's drafts, or put in."""

    kind: EditKind
    mentor_id: UUID
    mentee_id: UUID


class CoordinatedRounds:
    """Rounds of programs that the asking organisation owns."""

    def __init__(self, pool: Pool, api_pool: Pool, queries: Mapping[str, str]) -> None:
        self._pool = pool
        self._api_pool = api_pool
        self._queries = queries

    async def rounds(
        self, organisation_id: UUID, program_id: UUID, before: tuple[datetime, UUID] | None, limit: int
    ) -> Sequence[SeenRound]:
        """Newest first."""
        requested_at, round_id = before or (None, None)
        async with organisation_scope(self._api_pool, organisation_id) as connection:
            rows = await connection.fetch(self._queries["list_rounds"], program_id, requested_at, round_id, limit)
        return [_round(row) for row in rows]

    async def round(self, organisation_id: UUID, program_id: UUID, round_id: UUID) -> SeenRound | None:
        """One round; None where there is none."""
        async with organisation_scope(self._api_pool, organisation_id) as connection:
            row = await connection.fetchrow(self._queries["coordinated_round"], program_id, round_id)
        return None if row is None else _round(row)

    async def under_way(self, organisation_id: UUID, program_id: UUID) -> SeenRound | None:
        """The round that is being solved, or whose drafts wait for review."""
        async with organisation_scope(self._api_pool, organisation_id) as connection:
            row = await connection.fetchrow(self._queries["round_under_way"], program_id)
        return None if row is None else _round(row)

    async def drafts(
        self, organisation_id: UUID, round_id: UUID, after: UUID | None, limit: int
    ) -> tuple[Sequence[Draft], Sequence[Edit]]:
        """Drafts by the mentee's id, and all edits that stand, in their order."""
        async with organisation_scope(self._api_pool, organisation_id) as connection:
            rows = await connection.fetch(self._queries["list_drafts"], round_id, after, limit)
            edits = await connection.fetch(self._queries["list_edits"], round_id)
        return [_draft(row) for row in rows], [Edit(**row) for row in edits]

    async def draft_of(self, organisation_id: UUID, round_id: UUID, mentee_id: UUID) -> UUID | None:
        """The mentor whom the round drafted for a mentee."""
        async with organisation_scope(self._api_pool, organisation_id) as connection:
            found: UUID | None = await connection.fetchval(self._queries["draft_of_mentee"], round_id, mentee_id)
        return found

    async def drafted_places(self, organisation_id: UUID, round_id: UUID, mentor_id: UUID) -> int:
        """How many places of a mentor the drafts take, as edited."""
        async with organisation_scope(self._api_pool, organisation_id) as connection:
            count: int = await connection.fetchval(self._queries["drafted_places"], round_id, mentor_id)
        return count

    async def edit(self, round_id: UUID, edit: Edit, lookup: str, now: datetime) -> bool:
        """Note an edit. False when the round is not drafted any more, or that is noted already."""
        async with transaction(self._pool) as connection:
            position = await connection.fetchval(
                self._queries["add_edit"], round_id, edit.kind, edit.mentor_id, edit.mentee_id, lookup, now
            )
        return position is not None

    async def undo(self, round_id: UUID) -> Edit | None:
        """Take back the last edit that stands; None if there is none."""
        async with transaction(self._pool) as connection:
            row = await connection.fetchrow(self._queries["undo_edit"], round_id)
        return None if row is None else Edit(**row)


def _round(row: asyncpg.Record) -> SeenRound:
    return SeenRound(**{name: row[name] for name in SeenRound.__dataclass_fields__})


def _draft(row: asyncpg.Record) -> Draft:
    return Draft(**{name: row[name] for name in Draft.__dataclass_fields__})
