"""Redriving a dead letter: once, in order, for the one reader that could not handle it."""

from __future__ import annotations

import asyncpg
import msgspec
import pytest
from tests.integration.runtime import toy
from tests.integration.runtime.bench import Bench, has_read_all, registrations
from tests.support.records import event, eventually, publish_raw, read_events

from mentorstream_events import encode_headers
from mentorstream_runtime import dead_letters


async def redrive(bench: Bench, *, force: bool = False) -> str:
    """What the command line does, to the only dead letter there is."""
    connection = await asyncpg.connect(bench.database.url("mentorstream_matching_worker"))
    try:
        async with connection.transaction():
            (listed,) = await dead_letters.list_dead_letters(connection)
            letter = await dead_letters.read_dead_letter(connection, listed.id, lock=True)
            assert letter is not None
            return await dead_letters.redrive(connection, "matching", letter, force=force)
    finally:
        await connection.close()


async def buried(bench: Bench) -> bool:
    return await bench.count("dead_letter") == 1 and await bench.count("outbox") == 0


async def test_a_redriven_event_is_handled_at_its_reader_once(bench: Bench) -> None:
    await bench.publish(event(toy.registration(0, 1, industry="reject"), number=1, event_id="first"))
    async with bench.process():
        await eventually(lambda: buried(bench), what="the event is put aside")
        new_id = await redrive(bench)
        await bench.until_stored(1)
        with pytest.raises(ValueError, match="was redriven at"):
            await redrive(bench, force=True)
    first, again = await read_events(bench.servers.kafka_bootstrap, bench.prefix, "registrations")
    assert (again.id, again.redrive_of, again.redrive_for) == (new_id, "first", "matching")
    assert again.data == first.data
    assert again.time == first.time


async def test_readers_skip_what_is_redriven_for_another(bench: Bench) -> None:
    theirs = msgspec.structs.replace(event(toy.registration(0, 1), number=1), redrive_of="x", redrive_for="scheduling")
    await bench.publish(theirs, event(toy.registration(0, 2), number=2))
    async with bench.process() as process:
        await eventually(lambda: has_read_all(process), what="everything read")
    rows = await bench.fetch("SELECT participant_id FROM toy")
    assert [row["participant_id"] for row in rows] == [toy.registration(0, 2).participant_id]


async def test_an_older_fact_is_not_applied_over_newer_ones_unless_forced(bench: Bench) -> None:
    await bench.publish(
        event(toy.registration(0, 1, industry="reject"), number=1), event(toy.registration(0, 2), number=2)
    )
    async with bench.process():
        await bench.until_stored(1)
        with pytest.raises(ValueError, match=r"newer events of .* were handled since"):
            await redrive(bench)
        await redrive(bench, force=True)
        await bench.until_stored(2)


async def test_a_letter_with_headers_that_are_null_can_be_listed_and_redriven(bench: Bench) -> None:
    """Brokers allow null headers; one of them must not stop the relay."""
    item = event(toy.registration(0, 1), number=1)
    assert item.sequence is not None
    good = encode_headers(
        event_id=item.id, event_type=item.type, source=item.source, time=item.time, sequence=item.sequence
    )
    headers: list[tuple[str, bytes]] = [*good, ("ce_id", None), ("x-null", None)]  # type: ignore[list-item]
    prefix, key = bench.prefix, item.key.encode()
    await publish_raw(bench.servers.kafka_bootstrap, prefix, "registrations", key=key, value=b"{", headers=headers)
    async with bench.process() as process:
        await eventually(lambda: buried(bench), what="the record is put aside")
        await redrive(bench, force=True)
        await eventually(lambda: _again(bench), what="it is published, read and put aside again")
        assert process.relay is not None
        assert process.relay.healthy
        await bench.publish(*registrations(1, 1, start=2))
        await bench.until_stored(1)


async def _again(bench: Bench) -> bool:
    return await bench.count("dead_letter") == 2 and await bench.count("outbox") == 0


async def test_a_letter_whose_reason_holds_a_nul_is_stored_under_its_reason(bench: Bench) -> None:
    bootstrap, headers = bench.servers.kafka_bootstrap, [("ce_type", b"nul\0nul")]
    await publish_raw(bootstrap, bench.prefix, "registrations", key=b"k", value=b"", headers=headers)
    async with bench.process():
        await eventually(lambda: buried(bench), what="the record is put aside")
    (letter,) = await bench.fetch("SELECT reason FROM dead_letter")
    assert letter["reason"] == "unknown_type"
