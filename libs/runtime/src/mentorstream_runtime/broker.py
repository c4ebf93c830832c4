"""Kafka: the clients as this project uses them, and what is asked of the cluster beside consuming and producing."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from mentorstream_events import TOPIC

from .errors import Halted
from .settings import RuntimeSettings


async def read_cluster_id(settings: RuntimeSettings) -> str:
    """The id of the cluster: another one means that the broker's data was replaced. Raises KafkaError."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap, client_id=settings.instance)
    await admin.start()
    try:
        return str((await admin.describe_cluster())["cluster_id"])
    finally:
        await admin.close()


def new_consumer(settings: RuntimeSettings, group: str) -> AIOKafkaConsumer:
    """A consumer that never commits by itself and never chooses an offset by itself."""
    return AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        client_id=settings.instance,
        group_id=group,
        group_instance_id=f"{group}-{settings.instance}" if settings.static_membership else None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        fetch_max_bytes=settings.fetch_bytes,
        max_partition_fetch_bytes=max(1024 * 1024, settings.fetch_bytes // 8),
        session_timeout_ms=settings.session_timeout_ms,
        heartbeat_interval_ms=max(200, settings.session_timeout_ms // 5),
        rebalance_timeout_ms=max(10_000, settings.session_timeout_ms),
        retry_backoff_ms=200,
    )


def new_producer(settings: RuntimeSettings) -> AIOKafkaProducer:
    """An idempotent producer: within its life, what it sends to a partition arrives once and in order."""
    return AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap,
        client_id=settings.instance,
        enable_idempotence=True,
        max_batch_size=256 * 1024,
        max_request_size=1024 * 1024,
        request_timeout_ms=10_000,
        retry_backoff_ms=200,
    )


@contextlib.asynccontextmanager
async def tail_reader(settings: RuntimeSettings) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of no group, for looking at topics."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def check_partitions(settings: RuntimeSettings, topics: Iterable[str], *, strict: bool) -> None:
    """Hold the partition counts against the topic table.

    Raises Halted where a topic is missing, or, with `strict`, where its count differs: keys would move.
    """
    async with tail_reader(settings) as consumer:
        existing = await consumer.topics()
        for name in topics:
            full = settings.topic_prefix + name
            if full not in existing:
                raise Halted("topic_missing", f"topic {full} does not exist", "docs/operations/topics.md")
            found = len(consumer.partitions_for_topic(full) or ())
            if strict and found != TOPIC[name].partitions:
                raise Halted(
                    "partition_count",
                    f"topic {full} has {found} partitions, expected {TOPIC[name].partitions}",
                    "docs/operations/topics.md",
                )


async def end_offsets(consumer: AIOKafkaConsumer, topics: Iterable[str]) -> dict[TopicPartition, int]:
    """The end of every partition of the topics, by full names."""
    partitions = [
        TopicPartition(topic, partition)
        for topic in topics
        for partition in sorted(consumer.partitions_for_topic(topic) or ())
    ]
    return dict(await consumer.end_offsets(partitions)) if partitions else {}
