"""What timers and the page of a proposal read, and what they ask of `registrations` through the outbox.

They change no match: they note down that something was asked and put the request into the outbox, in one transaction,
so that each is asked once. The consumer decides when its turn comes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean
from typing import TYPE_CHECKING, Literal
from uuid import UUID

import msgspec

from matching.domain.values import Shared, Status, Terms
from mentorstream_events import Value, derived_id
from mentorstream_events.registrations import EndMatch, ExpireProposal, ProposalAccepted, ProposalDeclined, RunRound
from mentorstream_runtime.database import organisation_scope, transaction
from mentorstream_runtime.outbox import Cause, Outgoing, emit

if TYPE_CHECKING:
    import asyncpg

    from mentorstream_runtime.database import Connection, Pool

Answer = Literal["accept", "decline"]
Write = Callable[["Connection", Sequence[Outgoing]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownProposal:
    """A proposal as its page shows it. `answer` is what was clicked, whether or not it was decided on yet.

    Of a circle score and facets are the mean of its pairs. What it shares is what one of its mentees shares with the
    mentor, but for the time: no more than that is common to all.
    """

    match_id: UUID
    program_id: UUID
    mentor_person_id: UUID
    status: Status
    expires_at: datetime | None
    title: str
    terms: Terms
    score: float
    facets: dict[str, float]
    shared: Shared
    answer: Answer | None
    mentees: int = 1


class Proposals:
    """Proposals for whoever holds a link: read as the API's role, answered through the outbox."""

    def __init__(self, pool: Pool, api_pool: Pool, queries: Mapping[str, str], write: Write) -> None:
        self._pool = pool
        self._api_pool = api_pool
        self._queries = queries
        self._write = write

    async def find(self, organisation_id: UUID, match_id: UUID) -> ShownProposal | None:
        """The proposal as the organisation sees it; None where it sees none."""
        async with organisation_scope(self._api_pool, organisation_id) as connection:
            rows = await connection.fetch(self._queries["load_proposal"], match_id)
        if not rows:
            return None
        row = rows[0]
        together = [each for each in rows if each["status"] == row["status"]]
        return ShownProposal(
            match_id=match_id,
            program_id=row["program_id"],
            mentor_person_id=row["mentor_person_id"],
            status=row["status"],
            expires_at=row["expires_at"],
            title=row["title"],
            terms=msgspec.convert(row["terms"], Terms),
            score=fmean(each["score"] for each in together),
            facets={name: fmean(each["facets"].get(name, 0.0) for each in together) for name in row["facets"]},
            shared=_shared([msgspec.convert(each["shared"], Shared) for each in together]),
            answer=row["answer"],
            mentees=len(together),
        )

    async def answer(self, proposal: ShownProposal, answer: Answer, now: datetime, traceparent: str | None) -> bool:
        """Ask for the answer to be decided on. False if one was given before, or nothing is to be answered any more."""
        model = ProposalAccepted if answer == "accept" else ProposalDeclined
        cause = Cause(id=f"{answer}:{proposal.match_id}", traceparent=traceparent)
        event = emit(cause, model(program_id=proposal.program_id, match_id=proposal.match_id), time=now)
        async with transaction(self._pool) as connection:
            noted = await connection.fetchval(self._queries["ask_answer"], proposal.match_id, answer, now)
            if noted is None:
                return False
            await self._write(connection, [event])
        return True


def _shared(pairs: Sequence[Shared]) -> Shared:
    def of(name: Literal["languages", "skills", "goals", "interests"]) -> tuple[str, ...]:
        return tuple(sorted({each for pair in pairs for each in getattr(pair, name)}))

    return Shared(
        languages=of("languages"),
        skills=of("skills"),
        goals=of("goals"),
        interests=of("interests"),
        common_minutes=min(pair.common_minutes for pair in pairs),
    )


def clock_round(program_id: UUID, due_at: datetime) -> RunRound:
    """The round that a program is due at that moment."""
    round_id = derived_id("round", program_id, due_at.isoformat())
    return RunRound(program_id=program_id, round_id=round_id, asked_by="clock")


@dataclass(frozen=True, slots=True)
class _DueKind:
    """How one kind of due thing is found and asked."""

    name: str
    find: str
    next: str
    cause: Callable[[asyncpg.Record], str]
    request: Callable[[asyncpg.Record], Value]


PROPOSAL_EXPIRY = _DueKind(
    "proposal_expiry",
    "ask_due_expiries",
    "next_expiry",
    lambda row: f"expire:{row['match_id']}",
    lambda row: ExpireProposal(program_id=row["program_id"], match_id=row["match_id"]),
)
TERM_END = _DueKind(
    "term_end",
    "ask_due_ends",
    "next_end",
    # A match may be asked about again, when its terms moved its end after the first time.
    lambda row: f"end:{row['match_id']}:{row['due_at'].isoformat()}",
    lambda row: EndMatch(program_id=row["program_id"], match_id=row["match_id"], reason="term_over"),
)
ROUND = _DueKind(
    "round",
    "ask_due_rounds",
    "next_round",
    lambda row: f"round:{row['program_id']}:{row['due_at'].isoformat()}",
    lambda row: clock_round(row["program_id"], row["due_at"]),
)


class DueRequests:
    """A timer that asks for what business time makes due. Implements the runtime's `Timer`."""

    def __init__(self, kind: _DueKind, pool: Pool, queries: Mapping[str, str], write: Write, *, limit: int) -> None:
        self.name = kind.name
        self._kind = kind
        self._pool = pool
        self._queries = queries
        self._write = write
        self._limit = limit

    async def run_due(self, now: datetime) -> int:
        """Ask for at most `limit` of them. No program is locked: nothing that the consumer owns changes."""
        async with transaction(self._pool) as connection:
            rows = await connection.fetch(self._queries[self._kind.find], now, self._limit)
            events = [emit(Cause(id=self._kind.cause(row)), self._kind.request(row), time=now) for row in rows]
            await self._write(connection, events)
        return len(rows)

    async def next_due(self) -> datetime | None:
        """When the earliest that was not asked about is due."""
        due: datetime | None = await self._pool.fetchval(self._queries[self._kind.next])
        return due
