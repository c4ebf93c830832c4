"""Who was erased while this service was away for so long that the tombstone expired is forgotten all the same."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import asyncpg
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from tests.support.notifications_service import known
from tests.support.records import T0, eventually
from tests.support.services import settings_for

from mentorstream_events import SequenceNumber, encode_data, encode_headers
from mentorstream_events.people import PersonKnown
from mentorstream_runtime.process import Process
from notifications.bootstrap import build
from notifications.settings import NotificationsSettings

if TYPE_CHECKING:
    from tests.support.shared_servers import Database

    from mentorstream_local.stack import Servers

_DAY_MS = 86_400_000


async def test_who_is_long_behind_halts_and_reads_people_anew(
    servers: Servers, database: Database, topic_prefix: str
) -> None:
    settings = settings_for(
        NotificationsSettings, servers, database, topic_prefix, service="notifications", lane_lease_seconds=1.0
    )
    stays, gone = known(uuid4(), "Ada"), known(uuid4(), "Bob")
    target = TopicPartition(f"{topic_prefix}people", 0)
    await _let_producers_stamp(servers, target.topic)
    await _append(servers, target, stays, number=1, days_ago=9)
    async with Process("notifications", settings, build, mode="worker"):
        await eventually(lambda: _knows(database, {stays.person_id}), what="the one on the topic is known")
    # The other one's records were compacted away, and the tombstone expired.
    await _execute(
        database,
        "INSERT INTO notifications.person VALUES ($1, $2, 1, 'Bob', 'bob@example.org', 'en', 'UTC')",
        gone.person_id,
        gone.organisation_id,
    )
    await _append(servers, target, known(stays.person_id, "Ada", version=2), number=2, days_ago=5)
    async with Process("notifications", settings, build, mode="worker") as process:
        await eventually(lambda: _halted(process), what="it halts")
        assert process.consumer is not None
        assert process.consumer.halted is not None
        assert process.consumer.halted.reason == "people_behind"
    async with Process("notifications", settings, build, mode="restore") as process:
        await asyncio.wait_for(process.finished.wait(), 60)
    assert await _knows(database, {stays.person_id})
    async with Process("notifications", settings, build, mode="worker") as process:
        await eventually(lambda: _has_read(process), what="it reads on")
    assert await _execute(database, "SELECT version FROM notifications.person") == [(2,)]
    assert await _execute(database, "SELECT person_id FROM notifications.erased_person") == [(gone.person_id,)]


async def _let_producers_stamp(servers: Servers, topic: str) -> None:
    """Have the broker keep the times of `_append`: a test cannot wait for days."""
    configs = {"cleanup.policy": "compact", "message.timestamp.type": "CreateTime"}
    admin = AIOKafkaAdminClient(bootstrap_servers=servers.kafka_bootstrap)
    await admin.start()
    try:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=configs)])
    finally:
        await admin.close()
    # The broker answers before its logs know. What is for another reader is passed over by this one.
    async with AIOKafkaProducer(bootstrap_servers=servers.kafka_bootstrap) as producer:

        async def keeps_times() -> bool:
            other = [("ce_redrivefor", b"another")]
            sent = await producer.send_and_wait(topic, b"", b"probe", partition=1, headers=other)
            return bool(sent.timestamp_type == 0)

        await eventually(keeps_times, what="the broker keeps the times of producers")


async def _append(servers: Servers, target: TopicPartition, data: PersonKnown, *, number: int, days_ago: int) -> None:
    headers = encode_headers(
        event_id=str(uuid4()),
        event_type="mentorstream.person.known.v1",
        source="intake",
        time=T0,
        sequence=SequenceNumber(1, number),
    )
    async with AIOKafkaProducer(bootstrap_servers=servers.kafka_bootstrap) as producer:
        await producer.send_and_wait(
            target.topic,
            encode_data(data),
            key=str(data.person_id).encode(),
            partition=target.partition,
            headers=headers,
            timestamp_ms=int(time.time() * 1000) - days_ago * _DAY_MS,
        )


async def _execute(database: Database, query: str, *arguments: object) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(database.admin_url)
    try:
        return [tuple(row) for row in await connection.fetch(query, *arguments)]
    finally:
        await connection.close()


async def _knows(database: Database, people: set[UUID]) -> bool:
    rows = await _execute(database, "SELECT person_id FROM notifications.person")
    return {row[0] for row in rows} == people


async def _halted(process: Process[NotificationsSettings]) -> bool:
    return process.consumer is not None and process.consumer.halted is not None


async def _has_read(process: Process[NotificationsSettings]) -> bool:
    assert process.consumer is not None
    return process.consumer.ready and await process.consumer.unread() == 0
