"""Reads topics from some place to their ends: for checks and figures, and to see what came after a dead letter.

Takes part in no group and uses none of the services' own code.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from mentorstream_events import Event, Undecodable, Value, decode


@dataclass(frozen=True, slots=True)
class TopicRecord:
    """One record. `event` is None for what contradicts its contract; `refusal` says why then."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    event: Event[Value] | None
    refusal: str | None = None


Record: TypeAlias = "ConsumerRecord[bytes | None, bytes | None]"


class Unreadable(LookupError):
    """The records asked for are not there (any more)."""


async def read_records(bootstrap: str, prefix: str, topic: str) -> list[TopicRecord]:
    """All records that a topic has now, in order within each partition. Raises what reading raises."""
    partitions = await _partitions(bootstrap, prefix + topic)
    async with _reader(bootstrap, partitions) as consumer:
        return [
            _record(topic, r.partition, r.offset, r.key, r.value, tuple(r.headers))
            async for batch in _batches(consumer, partitions)
            for r in batch
        ]


async def count_records(bootstrap: str, prefix: str, topics: Sequence[str]) -> dict[str, int]:
    """How many records each topic was ever given, without reading them."""
    counts = {}
    for topic in topics:
        partitions = await _partitions(bootstrap, prefix + topic)
        async with _reader(bootstrap, partitions) as consumer:
            counts[topic] = sum((await consumer.end_offsets(partitions)).values())
    return counts


async def read_after(bootstrap: str, partition: TopicPartition, offset: int) -> AsyncGenerator[Sequence[Record], None]:
    """What one partition has after an offset now, some records at a time. `partition` is named with its prefix.

    Raises Unreadable where records after the offset expired, or the log never had that offset, and what reading raises.
    """
    async with _reader(bootstrap, [partition]) as consumer:
        start = (await consumer.beginning_offsets([partition]))[partition]
        end = (await consumer.end_offsets([partition]))[partition]
        if not start <= offset + 1 <= end:
            raise Unreadable(f"{partition.topic} partition {partition.partition} has records {start} to {end} only")
        consumer.seek(partition, offset + 1)
        async for batch in _batches(consumer, [partition]):
            yield batch


async def _partitions(bootstrap: str, name: str) -> list[TopicPartition]:
    """All partitions of the topic with this full name."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        return [TopicPartition(name, partition) for partition in sorted(await producer.partitions_for(name))]


@contextlib.asynccontextmanager
async def _reader(bootstrap: str, partitions: Sequence[TopicPartition]) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign(partitions)
        yield consumer
    finally:
        await asyncio.sleep(0)  # aiokafka awaits a task that it cancelled; one that never ran yet would cancel us too
        await consumer.stop()


async def _batches(consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]) -> AsyncIterator[Sequence[Record]]:
    """From where the consumer stands to the ends that the partitions have now."""
    ends = await consumer.end_offsets(partitions)
    while True:
        # Asked, not counted: compaction leaves offsets out.
        if all([await consumer.position(partition) >= end for partition, end in ends.items()]):
            return
        for partition, records in (await consumer.getmany(timeout_ms=200)).items():
            yield [record for record in records if record.offset < ends[partition]]


def _record(
    topic: str,
    partition: int,
    offset: int,
    key: bytes | None,
    value: bytes | None,
    headers: tuple[tuple[str, bytes], ...],
) -> TopicRecord:
    try:
        return TopicRecord(partition, offset, key, value, headers, decode(topic, key, value, headers))
    except Undecodable as error:
        return TopicRecord(partition, offset, key, value, headers, None, error.reason)
