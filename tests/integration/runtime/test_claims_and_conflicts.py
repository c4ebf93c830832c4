"""What stands between a record and its commit without being the record's fault, and what is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import asyncpg
import stamina
from aiokafka import AIOKafkaConsumer, TopicPartition
from tests.integration.runtime import toy
from tests.integration.runtime.bench import Bench, has_read_all, registrations
from tests.support.records import event, eventually

from mentorstream_runtime.errors import Fenced
from mentorstream_runtime.ownership import Ownership
from mentorstream_runtime.process import Process
from mentorstream_runtime.settings import RuntimeSettings


async def test_a_claim_waits_for_an_owner_that_froze_and_believes_where_it_ended(bench: Bench) -> None:
    """The row is held for longer than a lock is waited for, and moves past the end that was known before."""
    async with bench.process():
        await eventually(lambda: _rows(bench, 4), what="all partitions claimed")
    # By another role: a claim ends transactions of its own that last too long, and this one lasts as long as it takes.
    owner = await asyncpg.connect(bench.database.admin_url, server_settings={"search_path": "matching"})
    batch = owner.transaction()
    await batch.start()
    await owner.execute("SELECT FROM consumer_position FOR UPDATE")
    async with bench.process("two") as process:
        await eventually(lambda: _gave_up_waiting(process), what="the successor waited for as long as a lock is")
        await eventually(lambda: _waits_for_a_lock(bench), what="the successor waits again")
        await bench.publish(*registrations(4, 5))
        ends = await _handled_elsewhere(bench, owner)
        await batch.commit()
        await eventually(lambda: has_read_all(process), what="the successor owns what is left")
        assert process.consumer is not None
        assert process.consumer.halted is None
        assert process.consumer.positions()["registrations"] == ends
        assert not process.failed.is_set()
    await owner.close()


async def test_an_owner_that_froze_inside_a_copy_is_succeeded(bench: Bench) -> None:
    """PostgreSQL ends idle sessions and long transactions, but not while it reads a COPY from a silent client."""
    async with bench.process():
        await eventually(lambda: _rows(bench, 4), what="all partitions claimed")
    owner = await asyncpg.connect(
        bench.database.url("mentorstream_matching_worker"), server_settings={"transaction_timeout": "5000"}
    )
    await owner.execute("BEGIN")
    await owner.execute("SELECT FROM consumer_position FOR UPDATE")

    async def silent() -> AsyncIterator[tuple[object, ...]]:
        await asyncio.Event().wait()
        yield ()

    copying = asyncio.create_task(owner.copy_records_to_table("toy", records=silent()))
    await eventually(lambda: _copies(bench), what="it is inside a COPY")
    await bench.publish(*registrations(4, 5))
    async with bench.process("two"):
        await bench.until_stored(20)
    copying.cancel()
    await asyncio.gather(copying, return_exceptions=True)
    owner.terminate()


async def test_a_batch_that_takes_longer_to_decide_than_a_session_may_idle_is_halved(bench: Bench) -> None:
    await bench.publish(
        *(event(toy.registration(0, number, industry="slow"), number=number) for number in range(1, 46))
    )
    async with bench.process():
        await bench.until_stored(45)
    await bench.check_complete(1, 45)
    assert await bench.count("dead_letter") == 0


async def test_a_record_whose_decision_alone_outlasts_a_session_is_put_aside(bench: Bench) -> None:
    items = registrations(1, 3)
    await bench.publish(items[0], event(toy.registration(0, 99, industry="endless"), number=2), items[2])
    async with bench.process(batch_records=1):
        await eventually(lambda: _letters(bench, 1), what="the endless one is put aside", seconds=90)
        await bench.until_stored(2)
    (letter,) = await bench.fetch("SELECT reason, detail FROM dead_letter")
    assert letter["reason"] == "too_long"


async def _rows(bench: Bench, count: int) -> bool:
    return await bench.count("consumer_position") == count


async def _gave_up_waiting(process: Process[RuntimeSettings]) -> bool:
    return process.consumer is not None and process.consumer.infrastructure_away


async def _copies(bench: Bench) -> bool:
    query = (
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query LIKE 'COPY%'"
    )
    return bool(await bench.fetch(query))


async def _waits_for_a_lock(bench: Bench) -> bool:
    return bool(
        await bench.fetch(
            "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
    )


async def _handled_elsewhere(bench: Bench, owner: asyncpg.Connection[asyncpg.Record]) -> dict[int, int]:
    """Move the rows to the topic's end, as an owner does whose batch is under way."""
    async with AIOKafkaConsumer(bootstrap_servers=bench.servers.kafka_bootstrap) as consumer:
        partitions = [TopicPartition(f"{bench.prefix}registrations", number) for number in range(4)]
        ends = {partition.partition: end for partition, end in (await consumer.end_offsets(partitions)).items()}
    for partition, end in ends.items():
        await owner.execute("UPDATE consumer_position SET next_offset = $2 WHERE partition = $1", partition, end)
    return ends


async def test_what_others_hold_is_waited_for_and_never_a_dead_letter(bench: Bench) -> None:
    items = registrations(1, 2)
    await bench.publish(items[0], event(toy.registration(0, 99, industry="contended"), number=2))
    async with bench.process():
        await bench.until_stored(2)
    assert await bench.count("dead_letter") == 0


async def test_gaps_on_several_partitions_are_stepped_over(bench: Bench) -> None:
    """Control records of transactions leave gaps like compaction does; each place begins with one here."""
    await bench.publish_in_transaction(registrations(8, 1))
    async with bench.process():
        await bench.until_stored(8)
    await bench.publish_in_transaction(registrations(8, 1, start=2))
    async with bench.process() as process:
        await bench.until_stored(16)
        assert process.consumer is not None
    await bench.check_complete(8, 2)


class _Log:
    """What a claim asks of a consumer of a partition that holds records 100 to 199."""

    def __init__(self) -> None:
        self.sought: list[int] = []

    async def beginning_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 100)

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 200)

    def seek(self, _partition: TopicPartition, offset: int) -> None:
        self.sought.append(offset)


async def test_what_was_read_ahead_before_a_partition_was_claimed_again_is_no_gap(bench: Bench) -> None:
    async with bench.process() as process:
        pool, settings = process.runtime.pool, process.runtime.settings
        partition, log = TopicPartition(f"{bench.prefix}matches", 0), _Log()
        ownership = Ownership(settings, pool, {"matches": lambda: toy.ToyHandler("one")}, _once)
        ownership.assign({partition})
        await ownership.claim(log)
        assert ownership.in_place(log, partition, _records(90)) is None, "read before the claim"
        ownership.let_go(partition, Fenced("somebody claimed it, and had it no more"))
        ownership._claim_after.clear()
        await ownership.claim(log)

        assert ownership.in_place(log, partition, _records(150)) is None, "read before the second claim"
        assert log.sought == [100] * 4
        assert ownership.in_place(log, partition, _records(150)) is not None, "the log has nothing from 100 to 149"


def _once() -> AsyncIterator[stamina.Attempt]:
    return stamina.retry_context(on=OSError, attempts=1).__aiter__()


def _records(offset: int) -> list[Any]:
    return [SimpleNamespace(offset=offset)]


async def test_an_event_too_large_makes_a_dead_letter_of_its_cause_alone(bench: Bench) -> None:
    items = registrations(1, 3)
    await bench.publish(
        items[0], event(toy.registration(0, 99, industry="huge"), number=2), event(toy.registration(0, 2), number=3)
    )
    async with bench.process(event_limit_bytes=1000):
        await bench.until_stored(2)
        await eventually(lambda: _letters(bench, 1), what="the cause is put aside")
    (letter,) = await bench.fetch("SELECT reason, detail FROM dead_letter")
    assert letter["reason"] == "too_large"
    assert "the limit is 1000" in letter["detail"]


async def _letters(bench: Bench, count: int) -> bool:
    return await bench.count("dead_letter") == count


async def test_owners_that_found_nothing_to_read_cast_no_suspicion(bench: Bench) -> None:
    for number in range(4):
        async with bench.process(f"number-{number}"):
            await eventually(partial(_claimed_times, bench, number + 1), what="claimed, with nothing to read")
    rows = await bench.fetch("SELECT claims_without_progress FROM consumer_position")
    assert {row["claims_without_progress"] for row in rows} == {0}


async def _claimed_times(bench: Bench, times: int) -> bool:
    return [row["epoch"] for row in await bench.fetch("SELECT epoch FROM consumer_position")] == [times] * 4
