"""The delivery loop on real Kafka and PostgreSQL: everything once, in order, whoever owns the partition."""

from __future__ import annotations

import asyncio
import contextlib

import asyncpg
from tests.integration.runtime import toy
from tests.integration.runtime.bench import Bench, has_read_all, registrations
from tests.support.records import event, eventually, publish_raw, read_events

from mentorstream_runtime import positions
from mentorstream_runtime.process import Process
from mentorstream_runtime.settings import RuntimeSettings


async def test_each_record_is_handled_once_and_its_events_published_in_order(bench: Bench) -> None:
    await bench.publish(*registrations(7, 40))
    async with bench.process():
        await bench.until_stored(280)
    await bench.check_complete(7, 40)


async def test_what_is_published_and_not_deleted_yet_is_not_published_again(bench: Bench) -> None:
    """The relay deletes less often than it looks: looks in between leave out what was acknowledged."""
    async with bench.process():
        for number in range(1, 31):
            await bench.publish(*registrations(3, 1, start=number))
        await bench.until_stored(90)
    published = await read_events(bench.servers.kafka_bootstrap, bench.prefix, "matches")
    assert len(published) == len({item.id for item in published}) == 90


async def test_a_second_process_takes_over_where_the_first_ended(bench: Bench) -> None:
    await bench.publish(*registrations(5, 20))
    async with bench.process("one"):
        await bench.until_stored(100)
    await bench.publish(*registrations(5, 20, start=21))
    async with bench.process("two"):
        await bench.until_stored(200)
    await bench.check_complete(5, 40)
    assert {row["epoch"] for row in await bench.fetch("SELECT epoch FROM consumer_position")} == {2}


async def test_three_workers_that_join_and_leave_lose_and_repeat_nothing(bench: Bench) -> None:
    async def feed() -> None:
        for start in range(1, 121, 10):
            await bench.publish(*registrations(8, 10, start=start))
            await asyncio.sleep(0.1)

    async def scrape(process: Process[RuntimeSettings]) -> None:
        while True:
            assert process.consumer is None or process.consumer.lag >= 0
            await asyncio.sleep(0)

    scrapes: list[asyncio.Task[None]] = []
    feeding = asyncio.create_task(feed())
    async with contextlib.AsyncExitStack() as stack:
        for name in ("one", "two", "three"):
            process = await stack.enter_async_context(bench.process(name))
            scrapes.append(asyncio.create_task(scrape(process)))
            await asyncio.sleep(0.4)
        async with bench.process("four"):
            await asyncio.sleep(0.4)
        await feeding
        await bench.until_stored(960)
        for task in scrapes:
            assert not task.done(), "asking for the lag failed in the middle of a rebalance"
            task.cancel()
        await asyncio.gather(*scrapes, return_exceptions=True)
    await bench.check_complete(8, 120)


async def test_repeats_are_dropped_by_sequence(bench: Bench) -> None:
    items = registrations(2, 10)
    await bench.publish(*items, *items, *items[5:])
    async with bench.process() as process:
        await bench.until_stored(20)
        assert process.consumer is not None
        await eventually(lambda: has_read_all(process), what="everything read")
    await bench.check_complete(2, 10)


async def test_a_worker_with_an_old_epoch_writes_nothing(bench: Bench) -> None:
    await bench.publish(*registrations(1, 5))
    async with bench.process("zombie") as zombie:
        await bench.until_stored(5)
        # Somebody else claims every partition without the group knowing: exactly what a thawed process meets.
        await bench.fetch("UPDATE consumer_position SET epoch = epoch + 1 RETURNING 1")
        assert zombie.consumer is not None
        await bench.publish(*registrations(1, 5, start=6))
        # It notices, drops what it decided, and claims anew, because the group still says that it is the owner.
        await bench.until_stored(10)
    await bench.check_complete(1, 10)


async def test_poison_becomes_dead_letters_and_the_rest_goes_on(bench: Bench) -> None:
    good = registrations(1, 3)
    key = good[0].key.encode()
    await bench.publish(good[0])
    await publish_raw(bench.servers.kafka_bootstrap, bench.prefix, "registrations", key=key, value=b"{")
    await bench.publish(event(toy.registration(1, 99, industry="reject")), good[1])
    await bench.publish(event(toy.registration(2, 99, industry="fail")), good[2])
    async with bench.process():
        await bench.until_stored(3)

        async def buried() -> bool:
            return await bench.count("dead_letter") == 3

        await eventually(buried, what="three dead letters")
    letters = await bench.fetch("SELECT reason, detail FROM dead_letter ORDER BY reason")
    assert [letter["reason"] for letter in letters] == ["failed", "missing_header", "toy_rejected"]
    await bench.check_complete(1, 3)


async def test_too_many_dead_letters_halt_the_consumer(bench: Bench) -> None:
    for _ in range(3):
        await publish_raw(bench.servers.kafka_bootstrap, bench.prefix, "registrations", key=b"k", value=b"{")
    async with bench.process(dead_letter_minimum=3) as process:

        async def halted() -> bool:
            return process.consumer is not None and process.consumer.halted is not None

        await eventually(halted, what="the consumer halts")
        assert process.consumer is not None
        assert process.consumer.halted is not None
        assert process.consumer.halted.runbook == "docs/operations/dead-letters.md"
        assert not process.consumer.ready


async def test_a_violated_constraint_makes_the_batch_decide_again(bench: Bench) -> None:
    items = registrations(1, 3)
    async with bench.process() as process:
        await bench.publish(items[0])
        await bench.until_stored(1)
        # The handler holds place 1 in memory; a row that it does not know of makes its next insert collide.
        await bench.fetch(
            "INSERT INTO toy VALUES ($1, $2, 2, 'other') RETURNING 1",
            toy.registration(0, 2).participant_id,
            toy.registration(0, 2).program_id,
        )
        await bench.publish(items[2])
        await bench.until_stored(3)
        assert process.consumer is not None
        assert process.consumer.halted is None
    places = [row["place"] for row in await bench.fetch("SELECT place FROM toy ORDER BY place")]
    assert places in ([1, 2, 2], [1, 2, 3])


async def test_another_cluster_and_an_offset_past_the_end_stop_the_consumer(bench: Bench) -> None:
    async with bench.process():
        await asyncio.sleep(0)

        async def claimed() -> bool:
            return await bench.count("consumer_position") == 4

        await eventually(claimed, what="all partitions claimed")
    for change, reason in (
        ("next_offset = 1000", "offset_past_end"),
        ("next_offset = 0, cluster_id = 'elsewhere'", "other_cluster"),
    ):
        await bench.fetch(f"UPDATE consumer_position SET {change} RETURNING 1")
        async with bench.process() as process:

            async def halted(process: Process[RuntimeSettings] = process) -> bool:
                return process.consumer is not None and process.consumer.halted is not None

            await eventually(halted, what=reason)
            assert process.consumer is not None
            assert process.consumer.halted is not None
            assert process.consumer.halted.reason == reason


async def test_a_replay_into_an_empty_database_rebuilds_the_state_and_publishes_nothing(bench: Bench) -> None:
    await bench.publish(*registrations(4, 25))
    async with bench.process():
        await bench.until_stored(100)
    before = await bench.fetch("SELECT participant_id, place FROM toy ORDER BY 1")
    published = len(await read_events(bench.servers.kafka_bootstrap, bench.prefix, "matches"))
    await bench.fetch("WITH a AS (DELETE FROM consumer_position), b AS (DELETE FROM sequence_seen) SELECT 1")
    owner = await asyncpg.connect(bench.database.url("mentorstream_matching_owner"))
    await owner.execute("TRUNCATE toy")
    await owner.close()
    async with Process("matching", bench.settings(), toy.build, mode="replay") as process:
        await asyncio.wait_for(process.finished.wait(), 90)
        assert process.replayed == 100
    assert await bench.fetch("SELECT participant_id, place FROM toy ORDER BY 1") == before
    assert await bench.count("outbox") == 0
    assert len(await read_events(bench.servers.kafka_bootstrap, bench.prefix, "matches")) == published


async def test_a_rewound_consumer_changes_nothing(bench: Bench) -> None:
    await bench.publish(*registrations(3, 20))
    async with bench.process() as process:
        await bench.until_stored(60)
        connection = await asyncpg.connect(bench.database.url("mentorstream_matching_worker"))
        assert await positions.rewind(connection, ["registrations"]) == 4
        await connection.close()

        async def again() -> bool:
            rows = await bench.fetch("SELECT sum(next_offset) FROM consumer_position")
            return bool(rows[0][0] == 60) and await has_read_all(process)

        # Nothing new arrives: it has to notice by itself that it was fenced, and to begin anew.
        await eventually(again, what="everything read again")
        await bench.publish(*registrations(3, 1, start=21))
        await bench.until_stored(63)
    await bench.check_complete(3, 21)
