"""A database or broker that is away is waited for: not ready, alive, nothing lost, and SIGTERM is still obeyed."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING

import httpx
from tests.integration.runtime import toy
from tests.integration.runtime.bench import Bench, registrations
from tests.support.records import eventually

if TYPE_CHECKING:
    from tests.support.shared_servers import Database

    from mentorstream_local.stack import Stack

GRACE_SECONDS = 10


async def statuses(url: str) -> tuple[int, int]:
    """Of readiness and liveness; (0, 0) while nobody answers."""
    async with httpx.AsyncClient(base_url=url, timeout=10) as client:
        with contextlib.suppress(httpx.TransportError):
            ready, live = await asyncio.gather(client.get("/health/ready"), client.get("/health/live"))
            return ready.status_code, live.status_code
    return 0, 0


async def test_outages_are_waited_for_and_told(
    private_stack: Stack, private_database: Database, private_topic_prefix: str
) -> None:
    broker, postgres = private_stack.broker, private_stack.postgres
    assert broker is not None
    assert postgres is not None
    await toy.create_table(private_database.url("mentorstream_matching_owner"))
    bench = Bench(private_stack.servers, private_database, private_topic_prefix)

    async def until(url: str, *expected: int) -> None:
        async def so() -> bool:
            return await statuses(url) == expected

        await eventually(so, what=f"ready and live are {expected}", seconds=60)

    # A start while the database is away: alive, not ready, and SIGTERM is obeyed.
    postgres.kill()
    async with bench.spawned("early") as (early, url):
        await until(url, 503, 200)
        early.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(early.wait(), GRACE_SECONDS) == 0
    async with (
        bench.spawned("worker", stalled_after_seconds=3) as (worker, url),
        bench.spawned("spare", stalled_after_seconds=3) as (spare, _),
    ):
        await until(url, 503, 200)
        postgres.restart()
        await until(url, 200, 200)
        await bench.publish(*registrations(4, 20))
        await bench.until_stored(80)
        # The broker freezes: connections stand, nothing answers. Longer than the watchdog waits for a stalled batch.
        broker.freeze()
        await until(url, 503, 200)
        await asyncio.sleep(7)
        assert (worker.returncode, spare.returncode) == (None, None)
        spare.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(spare.wait(), GRACE_SECONDS) == 0
        broker.thaw()
        await until(url, 200, 200)
        # The database dies in the middle of the load.
        feeding = asyncio.create_task(bench.publish(*registrations(4, 200, start=21)))
        postgres.kill()
        await until(url, 503, 200)
        await feeding
        postgres.restart()
        await bench.until_stored(880)
        await until(url, 200, 200)
        worker.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(worker.wait(), GRACE_SECONDS) == 0
    await bench.check_complete(4, 220)
    assert await bench.count("dead_letter") == 0
