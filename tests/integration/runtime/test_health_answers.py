"""What a process says of itself is so: ready, live, quiescent."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import httpx
from tests.integration.runtime import toy
from tests.integration.runtime.bench import Bench, has_read_all, registrations
from tests.support.records import event, eventually, publish_raw

from mentorstream_runtime.process import Process
from mentorstream_runtime.settings import RuntimeSettings


async def ask(process: Process[RuntimeSettings], path: str) -> tuple[int, dict[str, Any]]:
    async with httpx.AsyncClient(base_url=process.metrics_url, timeout=20) as client:
        answer = await client.get(path)
        return answer.status_code, answer.json()


async def test_a_process_is_ready_once_it_owns_what_the_group_gave_it(bench: Bench) -> None:
    holder = await asyncpg.connect(bench.database.url("mentorstream_matching_worker"))
    claiming = holder.transaction()
    await claiming.start()
    await holder.execute("LOCK TABLE consumer_position IN SHARE MODE")  # so that nobody can claim anything
    async with bench.process() as process:
        status, told = await ask(process, "/health/ready")
        assert (status, told["status"]) == (503, "failing")
        assert "consumer" in told["problems"]
        assert (await ask(process, "/health/live"))[0] == 200
        await claiming.rollback()
        await holder.close()
        await eventually(lambda: has_read_all(process), what="claimed")
        await eventually(lambda: _answers(process, "/health/ready", 200), what="ready")


async def _answers(process: Process[RuntimeSettings], path: str, status: int) -> bool:
    return (await ask(process, path))[0] == status


async def test_a_halted_process_is_live_and_not_ready_and_knows_no_lag(bench: Bench) -> None:
    await publish_raw(bench.servers.kafka_bootstrap, bench.prefix, "registrations", key=b"k", value=b"{")
    async with bench.process(dead_letter_minimum=1) as process:
        consumer = process.consumer
        assert consumer is not None

        async def halted() -> bool:
            return consumer.halted is not None

        await eventually(halted, what="halted")
        status, told = await ask(process, "/health/ready")
        assert status == 503
        assert "docs/operations/dead-letters.md" in told["problems"]["consumer"]
        assert (await ask(process, "/health/live"))[0] == 200
        assert (await ask(process, "/quiescence"))[0] == 503
        assert not process.failed.is_set()


async def test_a_part_that_ends_unexpectedly_fails_the_process(bench: Bench) -> None:
    async with bench.process() as process:
        (timers,) = [task for task in asyncio.all_tasks() if task.get_name() == "timers"]
        timers.cancel()
        await asyncio.wait_for(process.failed.wait(), 20)
        assert (await ask(process, "/health/live"))[0] == 503
        assert (await ask(process, "/health/ready"))[0] == 503


async def test_quiescence_counts_what_is_left(bench: Bench) -> None:
    await bench.publish(*registrations(2, 5))
    async with bench.process(drain_seconds=1) as process:
        await bench.until_stored(10)
        await bench.publish(event(toy.registration(0, 99, industry="hang"), number=6))
        await eventually(lambda: _in_a_batch(bench), what="a batch is under way")
        status, told = await ask(process, "/quiescence")
        assert status == 200
        assert (told["service"], told["processed"], told["lag"], told["outbox"]) == ("matching", 10, 1, 0)


async def test_a_draining_process_is_not_ready(bench: Bench) -> None:
    """It still answers, while it finishes what is under way."""
    await bench.publish(event(toy.registration(0, 99, industry="hang"), number=1))
    async with bench.process(drain_seconds=60) as process:
        await eventually(lambda: _in_a_batch(bench), what="a batch is under way")
        (consuming,) = [task for task in asyncio.all_tasks() if task.get_name() == "consumer"]
        draining = asyncio.create_task(process.drain())
        await asyncio.sleep(0)
        status, told = await ask(process, "/health/ready")
        assert (status, told["problems"]["process"]) == (503, "stopping")
        assert not draining.done()
        consuming.cancel()  # the batch would last for ever
        await draining


async def _in_a_batch(bench: Bench) -> bool:
    """Whether the handler has loaded, and not some other transaction stands between two statements."""
    query = (
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'"
        " AND query LIKE '%max(place)%'"
    )
    return bool(await bench.fetch(query))
