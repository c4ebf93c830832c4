"""The toy as a process of the operating system: how it ends when told to, when it stalls and when a record kills it."""

from __future__ import annotations

import asyncio
import signal

from tests.integration.runtime import toy
from tests.integration.runtime.bench import Bench, registrations
from tests.support.records import event, eventually

# The longest that an orchestrator is told to wait before it kills.
GRACE_SECONDS = 10


async def test_sigterm_under_load_drains_and_the_next_process_goes_on(bench: Bench) -> None:
    ended = asyncio.Event()
    feeding = asyncio.create_task(_feed(bench, ended))
    async with bench.spawned(batch_records=100) as (first, _):
        await eventually(lambda: _stored_more_than(bench, 50), what="it is at work")
        first.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(first.wait(), GRACE_SECONDS) == 0
    stored, unpublished = await bench.count("toy"), await bench.count("outbox")
    assert unpublished == 0, "the drain publishes what was decided"
    ended.set()
    each = await feeding
    assert stored < 8 * each
    async with bench.process("two"):
        await bench.until_stored(8 * each)
    await bench.check_complete(8, each)


async def _feed(bench: Bench, ended: asyncio.Event) -> int:
    """Publish until the process has ended, and once more, however fast it was; returns how many of each program."""
    each, is_last = 0, False
    while not is_last:
        is_last = ended.is_set()
        await bench.publish(*registrations(8, 5, start=1 + each))
        each += 5
        await asyncio.sleep(0.05)
    return each


async def _stored_more_than(bench: Bench, count: int) -> bool:
    return await bench.count("toy") > count


async def test_lag_without_progress_ends_the_process_with_1(bench: Bench) -> None:
    await bench.publish(event(toy.registration(0, 1, industry="hang"), number=1))
    async with bench.spawned(stalled_after_seconds=0.7, drain_seconds=1) as (stalled, _):
        assert await asyncio.wait_for(stalled.wait(), 40) == 1


async def test_a_record_that_kills_its_process_three_times_alone_is_put_aside(bench: Bench) -> None:
    killer = event(toy.registration(0, 99, industry="die"), number=2)
    items = registrations(1, 3)
    # Behind a gap, which a control record leaves as compaction does.
    await bench.publish_in_transaction(items[:1])
    await bench.publish(killer)
    deaths = 0
    while deaths < 8:
        async with bench.spawned(static_membership=True) as (process, _):
            ended, put_aside = asyncio.create_task(process.wait()), asyncio.create_task(_until_put_aside(bench))
            await asyncio.wait({ended, put_aside}, return_when=asyncio.FIRST_COMPLETED)
            put_aside.cancel()
            if not ended.done():
                process.send_signal(signal.SIGTERM)
                assert await ended == 0
                break
            assert ended.result() == 9
            deaths += 1
    (letter,) = await bench.fetch("SELECT reason, record_offset FROM dead_letter")
    assert (letter["reason"], letter["record_offset"]) == ("killed_process", 2)
    assert deaths >= 3
    await bench.publish(event(toy.registration(0, 2), number=3))
    async with bench.process():
        await bench.until_stored(2)


async def _until_put_aside(bench: Bench) -> None:
    async def is_put_aside() -> bool:
        return await bench.count("dead_letter") == 1

    await eventually(is_put_aside, what="put aside", seconds=120, every=0.2)
