"""Whole pools that coordinators look at: read one at a time, which leaves connections to the batches."""

from __future__ import annotations

import asyncio

import asyncpg
from tests.integration.matching.callers import QUERIES
from tests.integration.matching.running import PROGRAM, MatchingService, configured, mentee, mentor

from matching.adapters.pool_copies import PoolCopies
from mentorstream_runtime.database import transaction


async def test_many_who_look_take_one_connection_and_read_a_pool_once(service: MatchingService) -> None:
    await service.send(configured(), mentor("omar"), mentee("ines"))
    connections = service.process.runtime.pool
    copies = PoolCopies(connections, QUERIES, limit_people=100)
    blocker = await asyncpg.connect(service.database.admin_url)
    try:
        await blocker.execute("BEGIN; LOCK TABLE matching.participant IN ACCESS EXCLUSIVE MODE")
        looks = [asyncio.create_task(copies.look(PROGRAM, id)) for _ in range(8)]
        await asyncio.sleep(0)  # each has begun, and has the connection that it takes
        async with transaction(connections) as one, transaction(connections) as other:  # as batches and timers do
            assert [await each.fetchval("SELECT 1") for each in (one, other)] == [1, 1]
        await blocker.execute("COMMIT")
        assert len(set(await asyncio.gather(*looks))) == 1
    finally:
        await blocker.close()
