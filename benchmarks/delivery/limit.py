"""The limit: a worker that does all that ours does to the world, and decides nothing.

Arranged as ours is: batches of one partition, one transaction with the position and the outbox, a relay beside it in
the same process. It decodes every record, and then stores and publishes what ours had stored and published for it:
the rows are read at the start and are ready for the driver. What ours takes longer than this is what deciding costs,
with all that is in between.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import pickle
import signal
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.partitioner import DefaultPartitioner

from mentorstream_events import decode
from mentorstream_runtime.database import open_pool
from mentorstream_runtime.outbox import lane_of

if TYPE_CHECKING:
    from mentorstream_local.records import TopicRecord

BATCH: Final = 4000
RELAY_BATCH: Final = 2000
_AT_ONCE: Final = 2  # batches, of different partitions
_COLUMNS: Final = {
    "participant": "program_id participant_id person_id organisation_id joined_at capacity details",
    "match": "match_id program_id mentor_id mentor_person_id mentor_organisation_id mentee_id mentee_person_id"
    " mentee_organisation_id status slot capacity score facets shared policy_version waiting_since proposed_at"
    " expires_at confirmed_at ends_at ended_at end_reason",
    "match_organisation": "match_id organisation_id",
    "waiting": "program_id participant_id organisation_id since reasons",
    "outbox": "lane topic key headers value",
}
_JSON: Final = frozenset({"details", "facets", "shared", "reasons"})
_PACK: Final = msgspec.msgpack.Encoder()
_UNPACK: Final = msgspec.msgpack.Decoder(list[tuple[str, bytes]])


@dataclass(slots=True)
class Consequences:
    """What a registration led to, as rows for each table."""

    rows: dict[str, list[tuple[Any, ...]]] = field(default_factory=lambda: defaultdict(list))


async def record(admin: Any, topic: str, published: Iterable[TopicRecord], path: Path) -> None:
    """Write down what ours stored, and published on `topic`, by (program, event time) of the registration behind it."""
    found: dict[tuple[str, datetime], Consequences] = defaultdict(Consequences)
    for table, moment in (("participant", "joined_at"), ("match", "proposed_at"), ("waiting", "since")):
        columns = _COLUMNS[table].split()
        for row in await admin.fetch(f"SELECT {', '.join(columns)} FROM matching.{table}"):
            values = tuple(
                msgspec.Raw(value.encode()) if name in _JSON and value is not None else value
                for name, value in row.items()
            )
            found[str(row["program_id"]), row[moment]].rows[table].append(values)
            if table == "match":
                sides = {row["mentor_organisation_id"], row["mentee_organisation_id"]}
                consequences = found[str(row["program_id"]), row[moment]]
                consequences.rows["match_organisation"] += [(row["match_id"], side) for side in sides]
    for event in published:
        decided_at = datetime.fromisoformat(dict(event.headers)["ce_time"].decode())
        key = (event.key or b"").decode()
        packed = _PACK.encode(list(event.headers))
        found[key, decided_at].rows["outbox"].append((lane_of(key), topic, key, packed, event.value))
    with path.open("wb") as file:
        pickle.dump({key: dict(value.rows) for key, value in found.items()}, file)


def _read(path: Path) -> Any:
    return pickle.loads(path.read_bytes())  # noqa: S301 - this run wrote it


async def main() -> None:
    """Run until terminated."""
    settings = os.environ
    rows = _read(Path(settings["LIMIT_ROWS"]))
    gc.freeze()
    gc.set_threshold(100_000, 50, 1000)
    pool = await open_pool(settings["LIMIT_DATABASE"], size=_AT_ONCE + 2, application_name="limit")
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    wake = asyncio.Event()
    tasks = [
        asyncio.create_task(_consume(pool, rows, wake)),
        asyncio.create_task(_relay(pool, wake)),
        asyncio.create_task(stopping.wait()),
    ]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    os._exit(0)


async def _consume(pool: Any, rows: dict[tuple[str, datetime], dict[str, list[Any]]], wake: asyncio.Event) -> None:
    settings = os.environ
    prefix, mine = settings["LIMIT_PREFIX"], settings["LIMIT_PARTITIONS"].split(",")
    partitions = [TopicPartition(f"{prefix}registrations", int(number)) for number in mine]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings["LIMIT_BOOTSTRAP"],
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_bytes=8 * 2**20,
        max_partition_fetch_bytes=2**20,
    )
    await consumer.start()
    consumer.assign(partitions)
    print("ready", flush=True)
    at_once = asyncio.Semaphore(_AT_ONCE)
    while True:
        fetched = await consumer.getmany(timeout_ms=100, max_records=BATCH)
        async with asyncio.TaskGroup() as group:
            for partition, records in fetched.items():
                group.create_task(_take(pool, rows, at_once, wake, partition.partition, records))


async def _take(
    pool: Any, rows: Any, at_once: asyncio.Semaphore, wake: asyncio.Event, partition: int, records: Sequence[Any]
) -> None:
    out: dict[str, list[Any]] = defaultdict(list)
    async with at_once, pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "INSERT INTO consumer_position (topic, partition, epoch, next_offset, cluster_id)"
            " VALUES ('registrations', $1, 1, $2, '') ON CONFLICT (topic, partition)"
            " DO UPDATE SET next_offset = excluded.next_offset",
            partition,
            records[-1].offset + 1,
        )
        for each in records:
            event = decode("registrations", each.key, each.value, each.headers)
            consequences = rows.get((event.key, event.time))
            if consequences:
                for table, found in consequences.items():
                    out[table] += found
        for table, columns in _COLUMNS.items():
            if out[table]:
                await connection.copy_records_to_table(table, records=out[table], columns=columns.split())
    wake.set()


async def _relay(pool: Any, wake: asyncio.Event) -> None:
    settings = os.environ
    prefix = settings["LIMIT_PREFIX"]
    lanes = [int(lane) for lane in settings["LIMIT_LANES"].split(",")]
    producer = AIOKafkaProducer(
        bootstrap_servers=settings["LIMIT_BOOTSTRAP"], enable_idempotence=True, max_batch_size=256 * 1024
    )
    await producer.start()
    partitions = sorted(await producer.partitions_for(f"{prefix}matches"))
    chosen = DefaultPartitioner()
    place_of: dict[str, int] = {}
    while True:
        pending = await pool.fetch(
            "SELECT position, key, headers, value FROM outbox WHERE lane = ANY($1::smallint[])"
            " ORDER BY position LIMIT $2",
            lanes,
            RELAY_BATCH,
        )
        if not pending:
            wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(wake.wait(), 0.5)
            continue
        batches: dict[int, list[Any]] = {}
        for _, key, headers, value in pending:
            raw = key.encode()
            place = place_of.get(key)
            if place is None:
                place = place_of[key] = chosen(raw, partitions, partitions)
            builders = batches.setdefault(place, [])
            unpacked = _UNPACK.decode(headers)
            if not builders or builders[-1].append(key=raw, value=value, timestamp=None, headers=unpacked) is None:
                builders.append(producer.create_batch())
                builders[-1].append(key=raw, value=value, timestamp=None, headers=unpacked)
        await asyncio.gather(
            *(_send(producer, f"{prefix}matches", place, builders) for place, builders in batches.items())
        )
        await pool.execute("DELETE FROM outbox WHERE position = ANY($1::bigint[])", [row[0] for row in pending])


async def _send(producer: Any, topic: str, partition: int, builders: Sequence[Any]) -> None:
    for builder in builders:
        builder.close()
        await (await producer.send_batch(builder, topic, partition=partition))


if __name__ == "__main__":
    asyncio.run(main())
