"""A database or broker that is away is waited for: not ready, alive, nothing lost, and SIGTERM is still obeyed."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
from tests.faults.proxy import TcpProxy
from tests.integration.runtime import toy
from tests.integration.runtime.bench import Bench, registrations
from tests.support.records import eventually

if TYPE_CHECKING:
    from tests.support.shared_servers import Database

    from mentorstream_local.stack import Stack
    from mentorstream_runtime.process import Process
    from mentorstream_runtime.settings import RuntimeSettings

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


async def test_who_alone_does_not_reach_the_database_leaves_its_partitions_to_others(bench: Bench) -> None:
    address = urlsplit(bench.database.url("mentorstream_matching_worker"))
    assert address.port is not None
    with TcpProxy(address.port) as way:
        through = address._replace(netloc=address.netloc.replace(f":{address.port}", f":{way.port}")).geturl()
        async with (
            # One batch at a time: the second partition's is not to wait for as long again.
            bench.process("cut", database_url=through, stalled_after_seconds=3, worker_pool_size=3) as cut,
            bench.process("well") as well,
        ):
            await eventually(lambda: _share(cut, well, (2, 2)), what="each has two partitions")
            way.cut()
            await bench.publish(*registrations(8, 3))
            await eventually(lambda: _share(cut, well, (0, 4)), what="the other has them all", seconds=60)
            await bench.until_stored(24)
            claimed = await _epochs(bench)
            for _ in range(3):
                await eventually(partial(_tries_again, cut, time.monotonic()), what="it tries again")
            assert await _epochs(bench) == claimed, "and takes none before it reaches the database"
            way.heal()
            await eventually(lambda: _share(cut, well, (2, 2)), what="each has two again", seconds=60)
            await bench.publish(*registrations(8, 3, start=4))
            await bench.until_stored(48)
            assert not cut.failed.is_set()
    await bench.check_complete(8, 6)


async def _share(one: Process[RuntimeSettings], other: Process[RuntimeSettings], expected: tuple[int, int]) -> bool:
    owned = [len(each.consumer.positions().get("registrations", {})) for each in (one, other) if each.consumer]
    return tuple(owned) == expected


async def _epochs(bench: Bench) -> list[int]:
    return [row["epoch"] for row in await bench.fetch("SELECT epoch FROM consumer_position ORDER BY topic, partition")]


async def _tries_again(process: Process[RuntimeSettings], since: float) -> bool:
    return process.consumer is not None and process.consumer.last_progress > since
