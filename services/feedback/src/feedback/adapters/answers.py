"""Requests opened from their links: read as the API's role, answered as the worker's.

The API's role sees only the rows of the organisation that the link names, so a link says what may be read. The
decision takes the same locks as the consumer: the program's row, then the person's.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

from feedback.domain.answering import Signal, Standing
from feedback.domain.questionnaire import Answer
from feedback.handlers.answers import OpenRequest
from mentorstream_runtime.database import Connection, Pool, organisation_scope, transaction
from mentorstream_runtime.outbox import Outgoing

if TYPE_CHECKING:
    from asyncpg import Record

WriteOutbox: TypeAlias = Callable[[Connection, Sequence[Outgoing]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRequest:
    """What a respondent's own page shows: their meeting, and their answer once they gave one."""

    zone: str
    meeting_started_at: datetime
    meeting_ended_at: datetime
    expires_at: datetime
    answer: Answer | None


class RequestPages:
    """Reads for pages and transactions for answers."""

    def __init__(self, pool: Pool, api_pool: Pool, queries: Mapping[str, str], write: WriteOutbox) -> None:
        self._pool = pool
        self._api_pool = api_pool
        self._queries = queries
        self._write = write

    async def find(self, organisation_id: UUID, request_id: UUID, person_id: UUID) -> ShownRequest | None:
        """The request as its respondent sees it; None if it is not theirs or not of that organisation."""
        async with organisation_scope(self._api_pool, organisation_id) as connection:
            row = await connection.fetchrow(self._queries["read_request"], request_id, person_id)
        if row is None:
            return None
        return ShownRequest(
            zone=row["zone"],
            meeting_started_at=row["meeting_started_at"],
            meeting_ended_at=row["meeting_ended_at"],
            expires_at=row["expires_at"],
            answer=_answer(row) if row["rating"] is not None else None,
        )

    @contextlib.asynccontextmanager
    async def answering(self) -> AsyncIterator[AnswerTransaction]:
        """One transaction of the worker's role; it commits unless what is inside raises."""
        async with transaction(self._pool) as connection:
            yield AnswerTransaction(connection, self._queries, self._write)


class AnswerTransaction:
    """One transaction over one request."""

    def __init__(self, connection: Connection, queries: Mapping[str, str], write: WriteOutbox) -> None:
        self._connection = connection
        self._queries = queries
        self._write = write

    async def open_request(self, request_id: UUID, person_id: UUID, now: datetime) -> OpenRequest | None:
        """Lock the request's program, then its person, and read what is known; None if there is no such request."""
        request = await self._connection.fetchrow(self._queries["find_request"], request_id, person_id)
        if request is None:
            return None
        program_now = await self._connection.fetchval(self._queries["lock_program"], request["program_id"])
        erased = await self._connection.fetchval(self._queries["lock_person"], person_id)
        row: Any = await self._connection.fetchrow(self._queries["load_standing"], request_id)
        return OpenRequest(
            request_id=request_id,
            program_id=request["program_id"],
            match_id=request["match_id"],
            meeting_id=request["meeting_id"],
            participant_id=request["participant_id"],
            organisation_id=request["organisation_id"],
            organisation_ids=tuple(row["organisation_ids"]),
            role=request["role"],
            standing=Standing(
                expires_at=request["expires_at"],
                respondent_erased=erased,
                earlier=_answer(row) if row["rating"] is not None else None,
                low_rating=row["low_rating"],
                signals=frozenset(row["signals"]),
                rematch_asked=row["rematch_asked"],
            ),
            now=max(now, program_now),
        )

    async def keep_answer(self, request: OpenRequest, answer: Answer) -> None:
        """Store the answer."""
        await self._connection.execute(
            self._queries["add_response"],
            request.request_id,
            request.organisation_id,
            answer.took_place,
            answer.rating,
            answer.went_well,
            answer.to_change,
            answer.wants_rematch,
            request.now,
        )
        await self._connection.execute(self._queries["mark_answered"], request.request_id, request.now)

    async def keep_signal(self, request: OpenRequest, signal: Signal) -> None:
        """Remember that the meeting's signal was told."""
        await self._connection.execute(
            self._queries["add_signal"], request.meeting_id, signal, request.match_id, request.now
        )

    async def keep_rematch(self, request: OpenRequest) -> None:
        """Remember that the participant asked to leave the match."""
        await self._connection.execute(
            self._queries["add_rematch_request"], request.match_id, request.participant_id, request.now
        )

    async def publish(self, events: Sequence[Outgoing]) -> None:
        """Write the events into the outbox."""
        await self._write(self._connection, events)


def _answer(row: Record) -> Answer:
    return Answer(
        took_place=row["took_place"],
        rating=row["rating"],
        went_well=row["went_well"] or "",
        to_change=row["to_change"] or "",
        wants_rematch=row["wants_rematch"],
    )
