"""Redriving a dead letter: once, in order, for the one reader that could not handle it."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from tests.integration.runtime import toy
from tests.integration.runtime.bench import Bench, has_read_all, registrations
from tests.support.records import event, eventually, publish_raw, read_events
from typer.testing import CliRunner

from mentorstream_events import encode_headers
from mentorstream_events.registrations import ParticipantRegistered
from mentorstream_local.cli import app


def blocking(number: int, other: int) -> ParticipantRegistered:
    """The n-th registration, rejected once; it names the other's person, so that one might change the other."""
    item = toy.registration(0, number, industry="reject")
    return msgspec.structs.replace(item, blocks=(toy.registration(0, other).person_id,))


class Refused(Exception):
    """The command exited with 1; its last line."""


async def redrive(bench: Bench, *, force: bool = False, number: int = 0) -> str:
    """Redrive a dead letter, as the command line does: the first one there is, or the `number`-th after it."""
    letters = await bench.fetch("SELECT id FROM dead_letter ORDER BY partition, record_offset")
    where = ["--bootstrap", bench.servers.kafka_bootstrap, "--prefix", bench.prefix]
    url = ["--database-url", bench.database.url("mentorstream_matching_worker")]
    command = ["deadletters", "redrive", "matching", str(letters[number]["id"]), *where, *url]
    outcome = await asyncio.to_thread(CliRunner().invoke, app, [*command, *(["--force"] if force else [])])
    if outcome.exit_code == 1:
        raise Refused(outcome.output)
    assert outcome.exit_code == 0, outcome.output
    return outcome.output.split("published again as event ")[1].split(",")[0]


async def buried(bench: Bench) -> bool:
    return await bench.count("dead_letter") == 1 and await bench.count("outbox") == 0


async def test_a_redriven_event_is_handled_at_its_reader_once(bench: Bench) -> None:
    await bench.publish(event(toy.registration(0, 1, industry="reject"), number=1, event_id="first"))
    async with bench.process():
        await eventually(lambda: buried(bench), what="the event is put aside")
        new_id = await redrive(bench)
        await bench.until_stored(1)
        with pytest.raises(Refused, match="was redriven at"):
            await redrive(bench, force=True)
    first, again = await read_events(bench.servers.kafka_bootstrap, bench.prefix, "registrations")
    assert (again.id, again.redrive_of, again.redrive_for) == (new_id, "first", "matching")
    assert again.data == first.data
    assert again.time == first.time


async def test_a_record_as_large_as_the_broker_takes_is_not_redriven_and_holds_up_nobody(bench: Bench) -> None:
    """A redrive adds headers to it: published, it would be refused for ever, and so would all behind it."""
    await publish_raw(
        bench.servers.kafka_bootstrap, bench.prefix, "registrations", key=b"key", value=b"x" * (1024 * 1024 - 200)
    )
    async with bench.process():
        await eventually(lambda: buried(bench), what="the record is put aside")
        with pytest.raises(Refused, match=r"too_large: the record has 10[0-9]{5} bytes"):
            await redrive(bench, force=True)
        await bench.publish(*registrations(1, 1))
        await bench.until_stored(1)


async def test_readers_skip_what_is_redriven_for_another(bench: Bench) -> None:
    theirs = msgspec.structs.replace(event(toy.registration(0, 1), number=1), redrive_of="x", redrive_for="scheduling")
    await bench.publish(theirs, event(toy.registration(0, 2), number=2))
    async with bench.process() as process:
        await eventually(lambda: has_read_all(process), what="everything read")
    rows = await bench.fetch("SELECT participant_id FROM toy")
    assert [row["participant_id"] for row in rows] == [toy.registration(0, 2).participant_id]


async def test_an_older_fact_is_not_applied_over_a_newer_one_of_its_subject_unless_forced(bench: Bench) -> None:
    naming = msgspec.structs.replace(toy.registration(0, 2), managers=(toy.registration(0, 1).person_id,))
    await bench.publish(event(toy.registration(0, 1, industry="reject"), number=1), event(naming, number=2))
    async with bench.process():
        await bench.until_stored(1)
        with pytest.raises(Refused, match="1 newer events about the same came since"):
            await redrive(bench)
        await redrive(bench, force=True)
        await bench.until_stored(2)


async def test_newer_events_of_others_in_its_program_do_not_matter(bench: Bench) -> None:
    await bench.publish(
        event(toy.registration(0, 1, industry="reject"), number=1), event(toy.registration(0, 2), number=2)
    )
    async with bench.process():
        await bench.until_stored(1)
        await redrive(bench)
        await bench.until_stored(2)


async def test_what_became_a_dead_letter_itself_or_was_known_before_does_not_matter(bench: Bench) -> None:
    await bench.publish(event(blocking(1, 2), number=1), event(blocking(2, 1), number=2))
    async with bench.process():
        await eventually(lambda: _again(bench), what="both are put aside")
        await redrive(bench, number=0)
        await bench.until_stored(1)
        await redrive(bench, number=1)
        await bench.until_stored(2)


async def test_when_the_newer_of_two_was_redriven_the_older_is_refused(bench: Bench) -> None:
    await bench.publish(event(blocking(1, 2), number=1), event(blocking(2, 1), number=2))
    async with bench.process():
        await eventually(lambda: _again(bench), what="both are put aside")
        await redrive(bench, number=1)
        await bench.until_stored(1)
        with pytest.raises(Refused, match="1 newer events about the same"):
            await redrive(bench, number=0)


async def test_where_the_log_does_not_tell_what_came_since_it_is_refused_unless_forced(bench: Bench) -> None:
    await bench.publish(event(toy.registration(0, 1, industry="reject"), number=1))
    async with bench.process():
        await eventually(lambda: buried(bench), what="the event is put aside")
        await bench.fetch("UPDATE dead_letter SET record_offset = 1000")  # as if the broker's data was replaced
        with pytest.raises(Refused, match="has records 0 to 1 only"):
            await redrive(bench)
        await redrive(bench, force=True)


async def test_of_a_record_that_cannot_be_decoded_any_later_one_of_its_key_might_be_newer(bench: Bench) -> None:
    item = event(toy.registration(0, 1), number=1)
    assert item.sequence is not None
    headers = encode_headers(
        event_id=item.id, event_type=item.type, source=item.source, time=item.time, sequence=item.sequence
    )
    bootstrap, key = bench.servers.kafka_bootstrap, item.key.encode()
    await publish_raw(bootstrap, bench.prefix, "registrations", key=key, value=b"{", headers=headers)
    await bench.publish(event(toy.registration(0, 2), number=2))
    async with bench.process():
        await bench.until_stored(1)
        with pytest.raises(Refused, match="1 newer events about the same"):
            await redrive(bench)


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
