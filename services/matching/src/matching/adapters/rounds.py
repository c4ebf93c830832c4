"""Rounds in PostgreSQL, as the consumer sees them: stored with what was decided, answers fetched when they are told of.

An answer that nobody has stored yet is found here, between two attempts at the batch: so a replay, beside which no
solver works, decides the same. Such answers survive a batch that is given up, and no longer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final
from uuid import UUID

import msgspec

from matching import metrics
from matching.domain.rounding import Snapshot, solve
from matching.domain.values import Figures, Round
from matching.handlers.rounds import Answer
from mentorstream_runtime.errors import Rejected, Unprepared

from .packing import Packed, pack_answer, pack_input, unpack_answer, unpack_input
from .threads import in_a_thread

if TYPE_CHECKING:
    import asyncpg

    from mentorstream_runtime.database import Connection

_LARGE_BYTES: Final = 1_000_000
_LONG: Final = "120s"
_DRAFT_COLUMNS: Final = (
    "round_id", "program_id", "mentor_id", "mentee_id", "score", "facets", "next_mentor_id", "ahead_of_next",
    "next_mentee_id", "short_of_place",
)  # fmt: skip


class StoredRounds:
    """The rounds that a batch is about. Implements the port of the handlers."""

    def __init__(self, queries: Mapping[str, str], on_asked: Callable[[], None] = lambda: None) -> None:
        self._queries = queries
        self._on_asked = on_asked
        self._inputs: dict[UUID, Packed] = {}
        self._stored: dict[UUID, asyncpg.Record] = {}
        self._answers: dict[UUID, tuple[Answer, Packed]] = {}
        self._done: list[Round] = []

    async def load(self, connection: Connection, round_ids: Collection[UUID]) -> None:
        """Fetch what is stored of these."""
        rows = await connection.fetch(self._queries["load_round_work"], sorted(round_ids))
        self._stored = {row["round_id"]: row for row in rows}
        if sum(len(row["result"] or b"") for row in rows) > _LARGE_BYTES:
            # To apply so many pairs takes longer than a session may idle, or a transaction take.
            await connection.execute(f"SET LOCAL idle_in_transaction_session_timeout = '{_LONG}'")
            await connection.execute(f"SET LOCAL transaction_timeout = '{_LONG}'")

    def keep(self, round_id: UUID, snapshot: Snapshot) -> str:
        """Store the input with the batch; returns its digest."""
        packed = self._inputs[round_id] = pack_input(snapshot)
        return packed.digest

    def answer(self, program_id: UUID, round_: Round) -> Answer:
        """The round's answer. Raises Unprepared where it is to be found first, Rejected where nothing is left of it."""
        known = self._answers.get(round_.round_id)
        if known is not None:
            return known[0]
        row = self._stored.get(round_.round_id)
        if row is not None and row["result"] is not None:
            return Answer(unpack_answer(row["result"]), row["result_digest"])
        packed = self._inputs.get(round_.round_id)
        data = packed.data if packed is not None else row["input"] if row is not None else None
        if data is None:
            raise Rejected("round_gone", f"neither input nor answer of round {round_.round_id} is stored")
        raise Unprepared(f"round {round_.round_id} of program {program_id}", partial(self._find, round_.round_id, data))

    async def save(self, connection: Connection, program_id: UUID, changed: Iterable[Round]) -> None:
        """Store a program's rounds that were asked for, or of which something came."""
        for round_ in changed:
            await connection.execute(self._queries["save_round"], *_row(program_id, round_))
            packed = self._inputs.get(round_.round_id)
            if packed is not None:
                await connection.execute(
                    self._queries["add_round_work"], round_.round_id, program_id, round_.requested_at, packed.data
                )
            if round_.status == "requested":
                continue
            self._done.append(round_)
            found = self._answers.get(round_.round_id)
            data, digest = (found[1].data, found[1].digest) if found is not None else (None, None)
            await connection.execute(self._queries["close_round_work"], round_.round_id, data, digest)
            if round_.status == "drafted":
                await self._save_drafts(connection, program_id, round_)
            else:
                await connection.execute(self._queries["drop_drafts"], round_.round_id)

    def settled(self, *, committed: bool) -> None:
        """The batch is over. What was found for it is needed again if it was given up."""
        if committed:
            if self._inputs:
                self._on_asked()
            for round_ in self._done:
                metrics.ROUNDS.labels(round_.status).inc()
                if round_.status in ("applied", "drafted", "gated"):
                    metrics.ROUND_GAP.observe(round_.figures.gap)
            self._answers.clear()
        self._inputs.clear()
        self._done.clear()
        self._stored = {}

    async def _find(self, round_id: UUID, data: bytes) -> None:
        def find() -> tuple[Answer, Packed]:
            solution = solve(unpack_input(data))
            packed = pack_answer(solution)
            return Answer(solution, packed.digest), packed

        self._answers[round_id] = await in_a_thread(find)

    async def _save_drafts(self, connection: Connection, program_id: UUID, round_: Round) -> None:
        rows = [
            (
                round_.round_id,
                program_id,
                pair.mentor_id,
                pair.mentee_id,
                pair.score,
                pair.facets,
                pair.next_mentor_id,
                None if pair.next_mentor_id is None else pair.ahead_of_next,
                pair.next_mentee_id,
                None if pair.next_mentee_id is None else pair.short_of_place,
            )
            for pair in self.answer(program_id, round_).solution.pairs
        ]
        await connection.copy_records_to_table("round_draft", records=rows, columns=_DRAFT_COLUMNS)


def round_of(row: asyncpg.Record) -> Round:
    """A round as its row has it."""
    return Round(
        round_id=row["round_id"],
        asked_by=row["asked_by"],
        objective=row["objective"],
        policy_version=row["policy_version"],
        seed=row["seed"],
        requested_at=row["requested_at"],
        participants=row["participants"],
        input_digest=row["input_digest"],
        status=row["status"],
        completed_at=row["completed_at"],
        result_digest=row["result_digest"],
        figures=Figures() if row["figures"] is None else msgspec.convert(row["figures"], Figures),
    )


def _row(program_id: UUID, round_: Round) -> tuple[object, ...]:
    return (
        round_.round_id,
        program_id,
        round_.status,
        round_.asked_by,
        round_.objective,
        round_.policy_version,
        round_.seed,
        round_.requested_at,
        round_.completed_at,
        round_.participants,
        round_.input_digest,
        round_.result_digest,
        None if round_.result_digest is None else msgspec.json.encode(round_.figures).decode(),
    )
