"""Reads whole topics, for checks and figures. Takes part in no group and uses none of the services' own code."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

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


async def read_records(bootstrap: str, prefix: str, topic: str) -> list[TopicRecord]:
    """All records that a topic has now, in order within each partition. Raises what reading raises."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        known = sorted(await producer.partitions_for(prefix + topic))
    partitions = [TopicPartition(prefix + topic, partition) for partition in known]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        places = dict(await consumer.beginning_offsets(partitions))
        found: list[TopicRecord] = []
        while any(places[partition] < end for partition, end in ends.items()):
            for partition, records in (await consumer.getmany(timeout_ms=200)).items():
                found += [
                    _record(topic, partition.partition, r.offset, r.key, r.value, tuple(r.headers))
                    for r in records
                    if r.offset < ends[partition]
                ]
                places[partition] = records[-1].offset + 1
            for partition in partitions:  # beyond what compaction left out
                places[partition] = max(places[partition], await consumer.position(partition))
        return found
    finally:
        await asyncio.sleep(0)  # aiokafka awaits a task that it cancelled; one that never ran yet would cancel us too
        await consumer.stop()


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
