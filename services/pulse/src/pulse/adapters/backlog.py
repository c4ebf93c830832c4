"""Reads what the topics hold at a start, in batches: Faust, record by record, takes four times as long.

It commits for Faust's group where it ended, and Faust goes on from there, also after a lost session. A group with a
place does not end by itself for a week, so it is deleted at the end; after a crash the broker drops it then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.errors import GroupIdNotFound, NoError, for_code
from aiokafka.protocol.admin import DeleteGroupsRequest

from mentorstream_runtime.batch import Record
from mentorstream_runtime.broker import stop_client
from mentorstream_runtime.settings import ProcessSettings

log = structlog.get_logger(__name__)
_BATCH: Final = 500  # some 20 ms, in which nothing else goes on


async def read_backlog(
    settings: ProcessSettings, group: str, ends: Mapping[TopicPartition, int], take: Callable[[Record], None]
) -> None:
    """Hand every record up to the ends to `take`, and commit the place for the group. Raises KafkaError."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        client_id=settings.instance,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    try:
        await consumer.start()
        consumer.assign(list(ends))
        unread = set(ends)
        while unread:
            for records in (await consumer.getmany(*unread, timeout_ms=200, max_records=_BATCH)).values():
                for record in records:
                    take(record)
            await asyncio.sleep(0)
            unread = {partition for partition in unread if await consumer.position(partition) < ends[partition]}
        await consumer.commit({partition: await consumer.position(partition) for partition in ends})
    finally:
        await stop_client(consumer)


async def forget_group(settings: ProcessSettings, group: str) -> None:
    """Delete a group that has no members any more. Raises KafkaError."""
    client = AIOKafkaClient(bootstrap_servers=settings.kafka_bootstrap, client_id=settings.instance)
    try:
        await client.bootstrap()
        node = await client.coordinator_lookup(CoordinationType.GROUP, group)
        answer = await client.send(node, DeleteGroupsRequest([group]))
        ((_, code),) = answer.results
        if code not in (NoError.errno, GroupIdNotFound.errno):  # there was no time for a place to be committed
            raise for_code(code)(group)
    finally:
        await client.close()
