"""Solves rounds that were asked for: one at a time in this process, in a thread, under a lease.

A lease expires by the database's clock, so a round whose solver died, or froze, is taken by another one and solved anew
from its stored input: the answer is the same. It is stored once, under the round's id, and goes to `registrations` as a
fact through the outbox, in one transaction. Whoever finds it the second time finds it stored and says nothing. Refuses
to decide what comes of an answer: that is done in the program's order, by whoever owns its partition then.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

import structlog

from matching import metrics
from matching.domain.rounding import Interrupted, solve
from mentorstream_events.registrations import RoundSolved
from mentorstream_runtime.database import transaction
from mentorstream_runtime.errors import is_conflict, is_infrastructure
from mentorstream_runtime.outbox import Cause, emit

from .packing import Packed, pack_answer, unpack_input
from .requests import Write
from .threads import in_a_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    import asyncpg

    from mentorstream_runtime.clock import Clock
    from mentorstream_runtime.database import Pool

log = structlog.get_logger(__name__)
_ATTEMPTS: Final = 5


class Solver:
    """A timer that looks for unsolved rounds, and the work on one of them. Implements the runtime's `Timer`."""

    name = "rounds"

    def __init__(
        self,
        pool: Pool,
        queries: Mapping[str, str],
        write: Write,
        wake: Callable[[], None],
        clock: Clock,
        *,
        instance: str,
        lease_seconds: float,
    ) -> None:
        self._pool = pool
        self._queries = queries
        self._write = write
        self._wake = wake
        self._clock = clock
        self._instance = instance
        self._lease = timedelta(seconds=lease_seconds)
        self._work: asyncio.Task[None] | None = None
        self._again = self._begun = False

    async def run_due(self, now: datetime) -> int:
        """See that unsolved rounds are worked on. Returns at once; nothing is counted as taken."""
        del now
        self._begun = True
        self.look()
        return 0

    async def next_due(self) -> datetime | None:
        """Since when the oldest unsolved round waits: business time stands still for it."""
        due: datetime | None = await self._pool.fetchval(self._queries["oldest_unsolved"])
        return due

    def look(self) -> None:
        """There may be a round to solve. Nothing happens where no timers run: a replay publishes nothing."""
        if not self._begun:
            return
        self._again = True
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._solve_all(), name="solver")

    async def close(self) -> None:
        """Let go of what is under way, for others to take."""
        if self._work is not None:
            self._work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._work

    async def _solve_all(self) -> None:
        while self._again:
            self._again = False
            try:
                while await self._solve_next():
                    pass
            except Exception as error:  # the next look is the retry
                expected = is_infrastructure(error) or is_conflict(error)
                metrics.SOLVER_FAILURES.labels(type(error).__name__).inc()
                log.warning("solver_failed", error=repr(error), exc_info=not expected)

    async def _solve_next(self) -> bool:
        async with transaction(self._pool) as connection:
            row = await connection.fetchrow(self._queries["take_unsolved"], self._instance, self._lease)
        if row is None:
            return False
        with structlog.contextvars.bound_contextvars(program=str(row["program_id"]), round=str(row["round_id"])):
            await self._solve(row)
        return True

    async def _solve(self, row: asyncpg.Record) -> None:
        round_id, given_up = row["round_id"], threading.Event()
        keeping = asyncio.create_task(self._keep_lease(round_id, given_up), name="lease")
        started = time.perf_counter()
        try:
            packed = await in_a_thread(lambda: pack_answer(solve(unpack_input(row["input"]), given_up.is_set)))
        except Interrupted:
            log.warning("round_taken_over")
        except asyncio.CancelledError:
            given_up.set()
            with contextlib.suppress(Exception):  # it would expire
                await self._pool.execute(self._queries["give_lease_back"], round_id, self._instance)
            raise
        except Exception as error:
            metrics.SOLVER_FAILURES.labels(type(error).__name__).inc()
            log.exception("round_not_solved", attempt=row["attempts"] + 1)
            await self._note_failure(row, error)
        else:
            await self._bring(row, packed, time.perf_counter() - started)
        finally:
            keeping.cancel()

    async def _keep_lease(self, round_id: UUID, given_up: threading.Event) -> None:
        """Say that it is still worked on; give up once it is another's."""
        while not given_up.is_set():
            await asyncio.sleep(self._lease.total_seconds() / 3)
            try:
                kept = await self._pool.fetchval(self._queries["keep_lease"], round_id, self._instance, self._lease)
            except Exception as error:
                log.warning("lease_not_kept", error=repr(error))
                continue
            if kept is None:
                given_up.set()

    async def _bring(self, row: asyncpg.Record, packed: Packed, seconds: float) -> None:
        now = await self._clock.now()
        async with transaction(self._pool) as connection:
            stored = await connection.fetchrow(
                self._queries["bring_result"], row["round_id"], packed.data, packed.digest, seconds
            )
            if stored is not None:
                fact = self._fact(row, stored["input_digest"], packed.digest)
                await self._write(connection, [emit(Cause(id=f"solved:{row['round_id']}"), fact, time=now)])
        if stored is not None:
            metrics.SOLVE_SECONDS.observe(seconds)
            log.info("round_solved", seconds=round(seconds, 3), bytes=len(packed.data))
            self._wake()

    async def _note_failure(self, row: asyncpg.Record, error: Exception) -> None:
        """Try again later, and not for ever: then the round is told to have failed."""
        attempt = row["attempts"] + 1
        now = await self._clock.now()
        async with transaction(self._pool) as connection:
            noted = await connection.fetchrow(
                self._queries["note_failure"],
                row["round_id"],
                f"{type(error).__name__}: {error}"[:500],
                attempt >= _ATTEMPTS,
                timedelta(seconds=2**attempt),
            )
            if noted is not None and attempt >= _ATTEMPTS:
                fact = self._fact(row, noted["input_digest"], None)
                await self._write(connection, [emit(Cause(id=f"solved:{row['round_id']}"), fact, time=now)])
        if attempt >= _ATTEMPTS:
            log.error("round_failed", attempts=attempt)
            self._wake()

    def _fact(self, row: asyncpg.Record, input_digest: str, result_digest: str | None) -> RoundSolved:
        return RoundSolved(
            program_id=row["program_id"],
            round_id=row["round_id"],
            input_digest=input_digest,
            result_digest=result_digest,
        )
