"""Matching after the broker was replaced: what its readers, and it itself, are told again.

After its database went back there is nothing to take over: it reads `registrations` again and decides the same.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from matching.domain.pool import Pool, in_order
from matching.domain.values import Confirmed, Decision, Ended, Proposed, Waitlisted
from matching.handlers.decisions import tell
from mentorstream_events import Value
from mentorstream_events.registrations import (
    DiscardRound,
    EndMatch,
    ExpireProposal,
    ProposalAccepted,
    ProposalDeclined,
    PublishRound,
    RematchRequested,
    RequestMentors,
    RoundSolved,
    RunRound,
)
from mentorstream_runtime.outbox import Cause, Outgoing, emit
from mentorstream_runtime.restore import Restorer

from .coordinator_requests import Kind
from .postgres import StoredPools
from .requests import clock_round
from .rows import match_of

if TYPE_CHECKING:
    from mentorstream_runtime.database import Connection


_REQUESTS: Final[Mapping[Kind, type[Value]]] = {
    "end": EndMatch,
    "run": RunRound,
    "publish": PublishRound,
    "discard": DiscardRound,
    "request_mentors": RequestMentors,
    "rematch": RematchRequested,
}


class PoolRestorer(Restorer):
    """Pools into facts."""

    def __init__(self, queries: Mapping[str, str]) -> None:
        self._queries = queries

    async def current_facts(self, connection: Connection) -> AsyncIterator[Sequence[Outgoing]]:
        """By program: matches that run or are proposed, that ended lately, who waits, and requests not decided yet."""
        incarnation = await connection.fetchval("SELECT incarnation FROM outbox_incarnation")
        for row in await connection.fetch(self._queries["programs_of_all"]):
            pools = StoredPools(self._queries)
            await pools.load(connection, {row["program_id"]})
            pool = pools.find(row["program_id"])
            if pool is not None:
                cause = Cause(id=f"republished:{incarnation}:{row['program_id']}")
                yield [*await self._matches(connection, pool, cause), *await self._requests(connection, pool, cause)]

    async def _matches(self, connection: Connection, pool: Pool, cause: Cause) -> list[Outgoing]:
        live = in_order(pool.matches.values())
        decisions: list[Decision] = [
            Confirmed(match) if match.status == "confirmed" else Proposed(match) for match in live
        ]
        program_id = pool.program.program_id
        rows = await connection.fetch(self._queries["load_ended_lately"], program_id, pool.now)
        decisions += [Ended(match_of(row), was_confirmed=True) for row in rows]
        decisions += [Waitlisted(waiting) for waiting in pool.waiting.values()]
        return tell(pool, cause, decisions)

    async def _requests(self, connection: Connection, pool: Pool, cause: Cause) -> list[Outgoing]:
        facts = []
        program_id = pool.program.program_id
        for row in await connection.fetch(self._queries["load_asked"], program_id):
            match_id = row["match_id"]
            data: ProposalAccepted | ProposalDeclined | ExpireProposal | EndMatch
            if row["kind"] == "expire":
                data = ExpireProposal(program_id=program_id, match_id=match_id)
            elif row["kind"] == "end":
                data = EndMatch(program_id=program_id, match_id=match_id, reason="term_over")
            elif row["answer"] == "accept":
                data = ProposalAccepted(program_id=program_id, match_id=match_id)
            else:
                data = ProposalDeclined(program_id=program_id, match_id=match_id)
            facts.append(emit(cause, data, time=pool.now, name=match_id))
        for row in await connection.fetch(self._queries["load_choices_asked"], program_id):
            chosen = RequestMentors(
                program_id=program_id, participant_id=row["participant_id"], mentor_ids=tuple(row["mentors"])
            )
            facts.append(emit(cause, chosen, time=pool.now, name=row["participant_id"]))
        for row in await connection.fetch(self._queries["load_coordinators_asked"], program_id):
            request = msgspec.convert(row["request"], _REQUESTS[row["kind"]])
            facts.append(emit(cause, request, time=pool.now, name=f"{row['kind']}:{row['request_id']}"))
        return [*facts, *await self._rounds(connection, pool, cause)]

    async def _rounds(self, connection: Connection, pool: Pool, cause: Cause) -> list[Outgoing]:
        """Answers that were found, and rounds that the clock asked for, and nothing has come of either."""
        program_id = pool.program.program_id
        facts = []
        for row in await connection.fetch(self._queries["load_rounds_solved"], program_id):
            solved = RoundSolved(program_id=program_id, **row)
            facts.append(emit(cause, solved, time=pool.now, name=solved.round_id))
        if pool.rounds_from is not None:
            for row in await connection.fetch(self._queries["load_rounds_asked"], program_id):
                asked = clock_round(program_id, row["due_at"])
                facts.append(emit(cause, asked, time=pool.now, name=asked.round_id))
        return facts
