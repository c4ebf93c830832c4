"""Whole pools read from the database to look at: for explanations and what-ifs, never to decide on.

Read without any lock, as of one moment, as the worker's role: whoever asks was authorised for the program before. What
takes long is done in one thread, so that the event loop goes on; who finds too many in line before it is sent away, and
so is a program with more people than the limit. The last few pools are kept, and believed while their program's
revision is the newest.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Final, TypeVar
from uuid import UUID

from matching.domain.pool import Pool as People
from matching.domain.rounding import Solution
from matching.domain.values import Objective

from .packing import unpack_answer
from .rows import pool_of, read_rows
from .threads import in_a_thread

if TYPE_CHECKING:
    from mentorstream_runtime.database import Pool

ResultT = TypeVar("ResultT")
_KEPT: Final = 3
_IN_LINE: Final = 8


class TooLarge(Exception):
    """The program has more people than may be looked at in one request."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the limit is {limit} participants")
        self.limit = limit


class Busy(Exception):
    """Too many others are in line."""


class PoolCopies:
    """Copies of pools, and the one thread that works on them."""

    def __init__(self, pool: Pool, queries: Mapping[str, str], *, limit_people: int) -> None:
        self._pool = pool
        self._queries = queries
        self._limit_people = limit_people
        self._thread = asyncio.Lock()
        self._in_line = 0
        self._reading = asyncio.Lock()
        self._copies: OrderedDict[UUID, tuple[int, People]] = OrderedDict()

    async def look(self, program_id: UUID, ask: Callable[[People], ResultT]) -> ResultT:
        """What `ask` answers about the pool; it runs in the thread and must not change the pool.

        Raises LookupError for an unknown program, TooLarge, Busy, and what `ask` raises.
        """
        async with self._place_in_line():
            people = await self._newest(program_id)
            return await self._in_thread(lambda: ask(people))

    async def _newest(self, program_id: UUID) -> People:
        # One reads at a time: the pool of connections is small, and a batch must not wait for whoever only looks. Who
        # waited for the same program finds it read.
        async with self._reading:
            known = self._copies.get(program_id)
            async with (
                self._pool.acquire(timeout=5) as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                size = await connection.fetchrow(self._queries["size_of_program"], program_id)
                if size is None:
                    raise LookupError("there is no such program")
                if size["participants"] > self._limit_people:
                    raise TooLarge(self._limit_people)
                if known is not None and known[0] == size["revision"]:
                    self._copies.move_to_end(program_id)
                    return known[1]
                (rows,) = await read_rows(connection, self._queries, [program_id])
            people = await self._in_thread(lambda: pool_of(rows))
            self._copies[program_id] = (rows.program["revision"], people)
            self._copies.move_to_end(program_id)
            while len(self._copies) > _KEPT:
                self._copies.popitem(last=False)
            return people

    async def answer_of(
        self, program_id: UUID, round_id: UUID, ask: Callable[[Solution, Objective], ResultT]
    ) -> ResultT | None:
        """What `ask` answers about what a round was solved to, and what for; None where that is not known (yet).

        Raises Busy, and what `ask` raises.
        """
        async with self._place_in_line():
            async with self._reading:
                row = await self._pool.fetchrow(self._queries["answer_of_round"], program_id, round_id)
            if row is None:
                return None
            return await self._in_thread(lambda: ask(unpack_answer(row["result"]), row["objective"]))

    @contextlib.asynccontextmanager
    async def _place_in_line(self) -> AsyncIterator[None]:
        if self._in_line >= _IN_LINE:
            raise Busy
        self._in_line += 1
        try:
            yield
        finally:
            self._in_line -= 1

    async def _in_thread(self, work: Callable[[], ResultT]) -> ResultT:
        """One at a time. Who stops waiting leaves the work to end by itself, and its turn with it."""
        await self._thread.acquire()
        working = asyncio.ensure_future(in_a_thread(work))
        working.add_done_callback(lambda _: self._thread.release())
        return await asyncio.shield(working)
