"""A database that went back, and a broker that is another one: what stops, and what the commands for it do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Literal

import asyncpg
from aiokafka import AIOKafkaProducer, TopicPartition
from tests.integration.runtime import toy
from tests.integration.runtime.bench import Bench, has_read_all, registrations
from tests.support.records import eventually, read_events
from tests.support.set_back import run_to_end, set_back
from tests.support.shared_servers import prefixed_topics

from mentorstream_events import Event, SequenceNumber, Value, encode_headers
from mentorstream_events.people import PersonKnown
from mentorstream_runtime import positions
from mentorstream_runtime.broker import read_committed
from mentorstream_runtime.outbox import Cause, Outgoing, emit, write_outbox
from mentorstream_runtime.own_records import OwnRecord, OwnRecords, move_marks
from mentorstream_runtime.process import Parts, Process, Runtime
from mentorstream_runtime.restore import Restorer
from mentorstream_runtime.settings import RuntimeSettings


async def test_a_restored_database_takes_over_what_was_published_and_publishes_nothing_twice(bench: Bench) -> None:
    await bench.publish(*registrations(3, 5))
    async with bench.process():
        await bench.until_stored(15)
    async with set_back(bench.servers, bench.database):
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


async def test_what_a_lost_state_had_decided_goes_to_the_rereader_and_what_came_after_does_not(bench: Bench) -> None:
    read_again: list[Event[Value]] = []

    class Reread(toy.ToyHandler):
        """Takes over and tells nothing."""

        def decide(self, event: Event[Value]) -> Sequence[Outgoing]:
            read_again.append(event)
            super().decide(event)
            return ()

    class TakesOver(Restorer):
        decides_again = False

    def build(runtime: Runtime[RuntimeSettings]) -> Parts:
        parts = toy.build(runtime)
        rereaders = {"registrations": lambda: Reread("restore")}
        return Parts(readers=parts.readers, restorer=TakesOver(), rereaders=rereaders)

    await bench.publish(*registrations(3, 2))
    async with bench.process():
        await bench.until_stored(6)
    lost, beyond = registrations(3, 2, start=3), registrations(3, 1, start=5)
    async with set_back(bench.servers, bench.database):
        await bench.publish(*lost)
        async with bench.process():
            await bench.until_stored(12)  # and stopped at once: what it decided is told to Kafka all the same
        await bench.publish(*beyond)
    assert await _run(bench, "restore", build) == 6
    assert sorted(event.id for event in read_again) == sorted(event.id for event in lost)
    assert await _run(bench, "restore", build) == 0
    assert len(read_again) == len(lost)
    async with bench.process():
        await bench.until_stored(15)
    workers = await bench.fetch("SELECT worker, count(*) FROM toy GROUP BY 1 ORDER BY 1")
    assert [tuple(row) for row in workers] == [("one", 9), ("restore", 6)]
    published = await read_events(bench.servers.kafka_bootstrap, bench.prefix, "matches")
    assert len(published) == 15


async def test_a_record_that_cannot_be_read_again_is_put_aside(bench: Bench) -> None:
    lost = registrations(1, 3)

    class Reread(toy.ToyHandler):
        """Cannot handle one of them."""

        def decide(self, event: Event[Value]) -> Sequence[Outgoing]:
            if event.id == lost[1].id:
                raise ZeroDivisionError
            super().decide(event)
            return ()

    class TakesOver(Restorer):
        decides_again = False

    def build(runtime: Runtime[RuntimeSettings]) -> Parts:
        readers = {"registrations": lambda: Reread("restore")}
        return Parts(readers=toy.build(runtime).readers, restorer=TakesOver(), rereaders=readers)

    async with bench.process() as process:
        await eventually(lambda: has_read_all(process), what="it reads")
    async with set_back(bench.servers, bench.database):
        await bench.publish(*lost)
        async with bench.process():
            await bench.until_stored(3)
    await _run(bench, "restore", build)
    assert await bench.count("toy") == 2
    (letter,) = await bench.fetch("SELECT reason, detail FROM dead_letter")
    assert tuple(letter) == ("failed", "ZeroDivisionError when it was read again")


async def test_kafka_is_told_of_what_was_decided_once_it_is_published(bench: Bench) -> None:
    await bench.fetch("UPDATE outbox_lane SET holder = 'away', expires_at = 'infinity' RETURNING 1")
    await bench.fetch("INSERT INTO outbox_relay (name, expires_at) VALUES ('away', 'infinity') RETURNING 1")
    group = positions.group_name(bench.settings(), "matching")
    await bench.publish(*registrations(2, 2))
    async with bench.process() as process:

        async def all_decided() -> bool:
            return await bench.count("toy") == 4 and await has_read_all(process)

        await eventually(all_decided, what="all is decided")
    assert await bench.count("outbox") == 4
    # It has stopped, and told nothing but of partitions on which nothing was decided.
    assert sum((await read_committed(bench.settings(), group)).values()) == 0
    await bench.fetch("UPDATE outbox_lane SET expires_at = '-infinity' RETURNING 1")
    await bench.fetch("DELETE FROM outbox_relay RETURNING 1")
    async with bench.process():

        async def told() -> bool:
            return sum((await read_committed(bench.settings(), group)).values()) == 4

        await eventually(told, what="Kafka was told")
    assert await bench.count("outbox") == 0


async def test_what_waited_in_a_backup_and_was_published_since_waits_no_more(bench: Bench) -> None:
    await bench.publish(*registrations(1, 1))
    async with bench.process():
        await bench.until_stored(1)
    await _write(bench, "waits")
    async with set_back(bench.servers, bench.database), bench.process():
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


class _Disturbed(OwnRecords):
    """Something happens, once, after a look."""

    disturb: Callable[[], Awaitable[None]] | None = None

    async def since_mark(self, *, only_compacted: bool = False) -> AsyncIterator[list[OwnRecord]]:
        async for records in super().since_mark(only_compacted=only_compacted):
            yield records
        disturb, self.disturb = self.disturb, None
        if disturb is not None:
            await disturb()


async def test_an_old_value_that_only_the_second_look_sees_is_found_by_the_next(bench: Bench) -> None:
    pool = await asyncpg.create_pool(bench.database.url("mentorstream_intake_worker"), min_size=1, max_size=2)
    people = [_person(number) for number in (1, 2)]
    first, second = (str(person.person_id) for person in people)
    async with pool.acquire() as connection, connection.transaction():
        for number in (1, 2):
            events = [
                emit(Cause(id=f"c{number}-{person.person_id}"), person, time=toy.ToyTimer.due) for person in people
            ]
            await write_outbox(connection, "intake", events)
        await connection.execute("DELETE FROM outbox")  # acknowledged, all
    own = _Disturbed("intake", bench.settings(), pool)
    reissued: list[str] = []

    async def reissue(keys: Sequence[str]) -> None:
        reissued.extend(keys)

    for key, number in ((first, 2), (second, 2), (first, 1)):
        await _append(bench, key, number)
    own.disturb = partial(_append, bench, second, 1)
    await move_marks(own, pool, reissue)
    assert reissued == [first]
    await move_marks(own, pool, reissue)
    assert reissued == [first, second]
    await pool.close()


def _person(number: int = 1) -> PersonKnown:
    known = toy.registration(0, number)
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


async def _run(
    bench: Bench,
    mode: Literal["restore", "republish"],
    build: Callable[[Runtime[RuntimeSettings]], Parts] = toy.build,
) -> int:
    return await run_to_end(Process("matching", bench.settings(lane_lease_seconds=1.0), build, mode=mode))


async def _write(bench: Bench, cause: str) -> None:
    connection = await asyncpg.connect(bench.database.url("mentorstream_matching_worker"))
    async with connection.transaction():
        data = toy.waitlisted(toy.registration(0, 1), toy.ToyTimer.due)
        await write_outbox(connection, "matching", [emit(Cause(id=cause), data, time=toy.ToyTimer.due)])
    await connection.close()
