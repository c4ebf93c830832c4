"""A database that went back, and a broker that is another one: what stops, and what the commands for it do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Literal

import asyncpg
from aiokafka import AIOKafkaProducer, TopicPartition
from tests.integration.runtime import toy
from tests.integration.runtime.bench import Bench, registrations
from tests.support.records import eventually, read_events
from tests.support.shared_servers import prefixed_topics

from mentorstream_events import SequenceNumber, encode_headers
from mentorstream_events.people import PersonKnown
from mentorstream_local.migrations import grant_database
from mentorstream_runtime.outbox import Cause, emit, write_outbox
from mentorstream_runtime.own_records import OwnRecords, move_marks
from mentorstream_runtime.process import Process
from mentorstream_runtime.settings import RuntimeSettings


async def test_a_restored_database_takes_over_what_was_published_and_publishes_nothing_twice(bench: Bench) -> None:
    await bench.publish(*registrations(3, 5))
    async with bench.process():
        await bench.until_stored(15)
    async with _set_back(bench):
        await bench.publish(*registrations(3, 5, start=6))
        async with bench.process():
            await bench.until_stored(30)
    assert await bench.count("toy") == 15
    async with bench.process() as process:
        await eventually(lambda: _halted(process), what="the relay halts")
        assert process.relay is not None
        assert process.relay.halted is not None
        assert process.relay.halted.reason == "restored_database"
    assert await bench.count("toy") == 15  # nothing is decided before the runbook was followed
    assert await _run(bench, "restore") == 15
    assert await _run(bench, "restore") == 0
    assert (await bench.fetch("SELECT incarnation FROM outbox_incarnation"))[0][0] == 2
    async with bench.process():
        await bench.until_stored(30)
        await bench.publish(*registrations(3, 1, start=11))
        await bench.until_stored(33)
    published = await read_events(bench.servers.kafka_bootstrap, bench.prefix, "matches")
    assert len(published) == len({event.id for event in published}) == 33
    for program in range(3):
        key = str(toy.registration(program, 1).program_id)
        numbers = [event.sequence for event in published if event.key == key and event.sequence is not None]
        assert numbers == sorted(set(numbers))
        # Numbers that were drawn for what was known are given back: readers see no gap.
        assert [(number.incarnation, number.number) for number in numbers[-2:]] == [(1, 10), (2, 6)]


async def test_what_waited_in_a_backup_and_was_published_since_waits_no_more(bench: Bench) -> None:
    await bench.publish(*registrations(1, 1))
    async with bench.process():
        await bench.until_stored(1)
    await _write(bench, "waits")
    async with _set_back(bench), bench.process():
        await bench.until_stored(1)
    assert await bench.count("outbox") == 1
    await _run(bench, "restore")
    assert await bench.count("outbox") == 0


async def test_another_broker_stops_the_relay_and_gets_what_the_database_holds(bench: Bench) -> None:
    await bench.publish(*registrations(2, 3))
    async with bench.process():
        await bench.until_stored(6)
    old = bench.prefix
    with contextlib.ExitStack() as stack:
        # New topics stand for the new broker, and another name for the cluster that is known.
        bench.prefix = await asyncio.to_thread(stack.enter_context, prefixed_topics(bench.servers.kafka_bootstrap, 4))
        for table in ("consumer_position", "outbox_mark"):
            await bench.fetch(f"UPDATE {table} SET cluster_id = 'gone' RETURNING 1")
        async with bench.process() as process:
            await eventually(lambda: _halted(process), what="the relay halts")
            assert process.relay is not None
            assert process.relay.halted is not None
            assert process.relay.halted.reason == "other_cluster"
        assert await _run(bench, "republish") == 6
        assert await _run(bench, "republish") == 0
        async with bench.process():
            await bench.until_stored(6)
            await bench.publish(*registrations(2, 1, start=4))
            await bench.until_stored(8)
        events = await read_events(bench.servers.kafka_bootstrap, bench.prefix, "matches")
        assert len(events) == 8
        assert {event.sequence.incarnation for event in events if event.sequence is not None} == {2}
    bench.prefix = old


async def test_an_old_value_behind_a_newer_one_of_a_compacted_topic_is_found(bench: Bench) -> None:
    """What a relay leaves that froze with its rows in hand."""
    pool = await asyncpg.create_pool(bench.database.url("mentorstream_intake_worker"), min_size=1, max_size=2)
    settings = bench.settings()
    person = _person()
    key = str(person.person_id)
    async with pool.acquire() as connection, connection.transaction():
        for number in range(2):
            await write_outbox(connection, "intake", [emit(Cause(id=f"c{number}"), person, time=toy.ToyTimer.due)])
        await connection.execute("DELETE FROM outbox")  # acknowledged, both
    own = OwnRecords("intake", settings, pool)
    reissued: list[str] = []

    async def reissue(keys: Sequence[str]) -> None:
        reissued.extend(keys)

    for number, expected in ((1, []), (2, []), (1, [key])):
        await _append(bench, key, number)
        if number == 2 or expected:
            await move_marks(own, pool, reissue)
        assert reissued == expected
    await move_marks(own, pool, reissue)
    assert reissued == [key]
    await pool.close()


def _person() -> PersonKnown:
    known = toy.registration(0, 1)
    return PersonKnown(
        person_id=known.person_id,
        organisation_id=known.organisation_id,
        version=1,
        full_name="Ada",
        email="ada@example.org",
        zone="UTC",
    )


async def _append(bench: Bench, key: str, number: int) -> None:
    headers = encode_headers(
        event_id=f"e{number}",
        event_type="mentorstream.person.known.v1",
        source="intake",
        time=toy.ToyTimer.due,
        sequence=SequenceNumber(1, number),
    )
    async with AIOKafkaProducer(bootstrap_servers=bench.servers.kafka_bootstrap) as producer:
        target = TopicPartition(f"{bench.prefix}people", 0)
        await producer.send_and_wait(target.topic, b"{}", key=key.encode(), partition=target.partition, headers=headers)


async def _halted(process: Process[RuntimeSettings]) -> bool:
    return process.relay is not None and process.relay.halted is not None


async def _run(bench: Bench, mode: Literal["restore", "republish"]) -> int:
    async with Process("matching", bench.settings(lane_lease_seconds=1.0), toy.build, mode=mode) as process:
        await asyncio.wait_for(process.finished.wait(), 60)
        assert not process.failed.is_set()
        return process.replayed


async def _write(bench: Bench, cause: str) -> None:
    connection = await asyncpg.connect(bench.database.url("mentorstream_matching_worker"))
    async with connection.transaction():
        data = toy.waitlisted(toy.registration(0, 1), toy.ToyTimer.due)
        await write_outbox(connection, "matching", [emit(Cause(id=cause), data, time=toy.ToyTimer.due)])
    await connection.close()


@contextlib.asynccontextmanager
async def _set_back(bench: Bench) -> AsyncIterator[None]:
    """Afterwards the database is as it was before."""
    name, kept = bench.database.name, f"{bench.database.name}_kept"
    admin = await asyncpg.connect(bench.servers.postgres_admin_url)
    try:
        await admin.execute(f"CREATE DATABASE {kept} TEMPLATE {name}")
        yield
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.execute(f"ALTER DATABASE {kept} RENAME TO {name}")
        await grant_database(admin, name)
    finally:
        await admin.close()
