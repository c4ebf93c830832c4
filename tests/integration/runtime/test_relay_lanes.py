"""The relay: lanes shared by lease, order per key across hand-overs, repeats dropped, a restored database refused."""

from __future__ import annotations

import asyncio
import random
import signal
from datetime import UTC, datetime
from uuid import UUID, uuid4

from tests.integration.runtime import toy
from tests.integration.runtime.bench import Bench, registrations
from tests.support.records import eventually, publish_raw, read_events

from mentorstream_events import SequenceNumber, encode_headers
from mentorstream_events.people import PersonErased
from mentorstream_runtime.database import open_pool, transaction
from mentorstream_runtime.outbox import Cause, Outgoing, emit, write_outbox
from mentorstream_runtime.wakeups import Wakeups

NOW = datetime(2026, 3, 9, 8, 0, tzinfo=UTC)


def waitlisted(program: int, number: int) -> Outgoing:
    """An event that needs no cause on a topic."""
    registration = toy.registration(program, number)
    return emit(Cause(id=f"{program}-{number}"), toy.waitlisted(registration, NOW), time=NOW)


async def holders(bench: Bench) -> set[str | None]:
    rows = await bench.fetch("SELECT holder FROM outbox_lane WHERE expires_at > clock_timestamp()")
    return {row["holder"] for row in rows}


async def test_two_relays_share_the_lanes_and_keep_each_key_s_order(bench: Bench) -> None:
    async with bench.process("one", lane_lease_seconds=0.6):
        await eventually(lambda: _held_by(bench, {"one"}), what="the first holds all lanes")
        for start in range(1, 61, 20):
            await bench.publish(*registrations(12, 20, start=start))
            async with bench.process("two", lane_lease_seconds=0.6):
                await eventually(lambda: _held_by(bench, {"one", "two"}), what="the lanes are shared")
        await bench.until_stored(720)
    await bench.check_complete(12, 60)


async def _held_by(bench: Bench, names: set[str]) -> bool:
    return await holders(bench) == names


async def test_a_frozen_process_is_succeeded_and_what_it_repeats_is_dropped(bench: Bench) -> None:
    """Frozen wherever it stands under load: in a batch, between the broker's word and the row's end, holding lanes."""
    async with bench.spawned("frozen", lane_lease_seconds=1, relay_batch=20, batch_records=20) as (frozen, _):
        await bench.publish(*registrations(6, 50))
        await eventually(lambda: _begun(bench), what="the first process is in the middle")
        frozen.send_signal(signal.SIGSTOP)
        await bench.publish(*registrations(6, 50, start=51))
        async with bench.process("two", lane_lease_seconds=1):
            await bench.until_stored(600)
            frozen.send_signal(signal.SIGCONT)
            await bench.publish(*registrations(6, 10, start=101))
            await bench.until_stored(660)
            frozen.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(frozen.wait(), 60) == 0
    await bench.check_complete(6, 110)


async def _begun(bench: Bench) -> bool:
    return await bench.count("toy") > 20


async def test_a_restored_database_is_refused_and_nothing_is_decided_on_it(bench: Bench) -> None:
    await bench.publish(*registrations(2, 5))
    async with bench.process():
        await bench.until_stored(10)
    await bench.fetch("UPDATE outbox_sequence SET number = number - 1 RETURNING 1")
    await bench.publish(*registrations(2, 5, start=6))
    async with bench.process() as process:
        relay = process.relay
        assert relay is not None

        async def refused() -> bool:
            return relay.halted is not None

        await eventually(refused, what="the relay refuses to start")
        assert relay.halted is not None
        assert relay.halted.reason == "restored_database"
        assert not process.failed.is_set()
        assert process.consumer is not None
        assert not process.consumer.ready
    assert await bench.count("toy") == 10
    # What the runbook says: above all that was published before.
    await bench.fetch("UPDATE outbox_incarnation SET incarnation = 2 RETURNING 1")
    async with bench.process():
        await bench.until_stored(20)


async def test_poison_in_the_service_s_own_name_halts_nothing(bench: Bench) -> None:
    """It claims a number that was never drawn; no reader believes it."""
    await bench.publish(*registrations(1, 2))
    async with bench.process():
        await bench.until_stored(2)
    (item, *_) = await read_events(bench.servers.kafka_bootstrap, bench.prefix, "matches")
    headers = encode_headers(
        event_id="forged", event_type=item.type, source="matching", time=NOW, sequence=SequenceNumber(1, 10**9)
    )
    key = item.key.encode()
    await publish_raw(bench.servers.kafka_bootstrap, bench.prefix, "matches", key=key, value=b"{}", headers=headers)
    await bench.publish(*registrations(1, 2, start=3))
    async with bench.process():
        await bench.until_stored(4)


async def test_a_tombstone_is_published_as_null(bench: Bench) -> None:
    person_id = uuid4()
    async with bench.process() as process:
        await process.runtime.checked.wait()
        async with transaction(process.runtime.pool) as connection:
            await process.runtime.write(connection, [emit(Cause(id="1"), PersonErased(person_id=person_id), time=NOW)])
        process.runtime.wake()
        await eventually(lambda: _empty(bench), what="the outbox is empty")
    (erased,) = await read_events(bench.servers.kafka_bootstrap, bench.prefix, "people")
    assert erased.data == PersonErased(person_id=person_id)
    assert erased.source == "matching"


async def _empty(bench: Bench) -> bool:
    return await bench.count("outbox") == 0


async def test_numbers_have_no_gap_and_follow_the_commits_whatever_the_order_of_keys(bench: Bench) -> None:
    """Transactions that write to the same keys in different orders, some of them aborted."""
    pool = await open_pool(bench.database.url("mentorstream_matching_worker"), size=8, application_name="test")
    chance, connections = random.Random(7), asyncio.Semaphore(8)  # a transaction waits for one five seconds only

    async def write(task: int) -> int:
        events = [waitlisted(program, task) for program in chance.sample(range(6), 4)]
        try:
            async with connections, transaction(pool) as connection:
                await write_outbox(connection, "matching", events)
                await asyncio.sleep(chance.random() / 100)
                if task % 5 == 0:
                    raise RuntimeError("aborted")
        except RuntimeError:
            return 0
        return len(events)

    written = sum(await asyncio.gather(*(write(task) for task in range(60))))
    await pool.close()
    assert await bench.count("outbox") == written
    async with bench.process():
        await eventually(lambda: _empty(bench), what="the outbox is empty")
    numbers: dict[str, list[int]] = {}
    for item in await read_events(bench.servers.kafka_bootstrap, bench.prefix, "matches"):
        assert item.sequence is not None
        numbers.setdefault(item.key, []).append(item.sequence.number)
    assert sum(map(len, numbers.values())) == written
    assert all(found == list(range(1, len(found) + 1)) for found in numbers.values())


async def test_news_of_the_outbox_reach_other_processes(bench: Bench) -> None:
    url = bench.database.url("mentorstream_matching_worker")
    here, there, elsewhere = Wakeups(url, "matching"), Wakeups(url, "matching"), Wakeups(url, "feedback")
    for wakeups in (here, there, elsewhere):
        wakeups.start()
        await asyncio.wait_for(wakeups.outbox.wait(), 10)  # set once it listens
        wakeups.outbox.clear()
    here.wake()
    await asyncio.wait_for(there.outbox.wait(), 10)
    assert not elsewhere.outbox.is_set()
    for wakeups in (here, there, elsewhere):
        await wakeups.stop()


def test_ids_of_what_follows_derive_from_the_cause() -> None:
    again = emit(Cause(id="0-1"), toy.waitlisted(toy.registration(0, 1), NOW), time=NOW)
    assert again.id == waitlisted(0, 1).id
    assert UUID(again.id).version == 5
    assert again.id != emit(Cause(id="0-1"), again.data, time=NOW, name="second").id
