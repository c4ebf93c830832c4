"""Kafka: the clients as this project uses them, and what is asked of the cluster beside consuming and producing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Final

import stamina
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError, for_code

from mentorstream_events import TOPIC

from . import lenient_headers
from .errors import Halted
from .settings import ProcessSettings, RuntimeSettings

log = structlog.get_logger(__name__)
lenient_headers.install()
_STOP_SECONDS: Final = 2.0
_COORDINATOR_SECONDS: Final = 30.0
_UNKNOWN_TOPIC: Final = UnknownTopicOrPartitionError.errno


@contextlib.asynccontextmanager
async def _admin(settings: ProcessSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap, client_id=settings.instance)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def read_cluster_id(settings: ProcessSettings) -> str:
    """The id of the cluster: another one means that the broker's data was replaced. Raises KafkaError."""
    async with _admin(settings) as admin:
        return str((await admin.describe_cluster())["cluster_id"])


async def read_partitions(settings: ProcessSettings, topics: Iterable[str]) -> list[TopicPartition]:
    """Every partition of the topics (names without prefix, partitions with it), sorted.

    Raises Halted where a topic does not exist (services never create one) or has another count than declared,
    KafkaError where the broker cannot tell yet.
    """
    names = {settings.topic_prefix + name: name for name in topics}
    async with _admin(settings) as admin:
        described = {topic["topic"]: topic for topic in await admin.describe_topics(list(names))}
    codes = {full: described[full]["error_code"] if full in described else _UNKNOWN_TOPIC for full in names}
    missing = [full for full, code in codes.items() if code == _UNKNOWN_TOPIC]
    if missing:
        raise Halted("topic_missing", f"topics do not exist: {', '.join(missing)}", "docs/operations/topics.md")
    for full, name in names.items():
        if codes[full]:
            raise for_code(codes[full])(f"topic {full}")
        found = len(described[full]["partitions"])
        expected = TOPIC[name].partitions if settings.topic_partitions is None else settings.topic_partitions
        if expected not in (0, found):
            detail = f"topic {full} has {found} partitions, expected {expected}: keys would move between partitions"
            raise Halted("partition_count", detail, "docs/operations/topics.md")
    return sorted(TopicPartition(full, part["partition"]) for full in names for part in described[full]["partitions"])


async def read_committed(settings: ProcessSettings, group: str) -> dict[TopicPartition, int]:
    """The offsets that a group has committed; none where there is no such group. Raises KafkaError."""
    # A broker that has just started says for a moment that it does not know yet who looks after the group.
    async for attempt in stamina.retry_context(on=KafkaError, attempts=None, timeout=_COORDINATOR_SECONDS):
        with attempt:
            async with _admin(settings) as admin:
                found = await admin.list_consumer_group_offsets(group)
    return {partition: committed.offset for partition, committed in found.items()}


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


def new_observer(settings: ProcessSettings) -> AIOKafkaConsumer:
    """A consumer of no group and no partitions, for asking about offsets."""
    return AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
    )


async def stop_client(client: Any) -> None:
    """Stop a consumer or producer, for which a broker that is away is waited for two seconds only.

    In a task of its own: aiokafka awaits tasks of its own that it cancelled, and one that never ran yet would cancel
    the caller too.
    """
    stopping = asyncio.create_task(client.stop(), name="stop-client")
    done, _ = await asyncio.wait({stopping}, timeout=_STOP_SECONDS)
    if not done:
        stopping.cancel()
        await asyncio.wait({stopping}, timeout=_STOP_SECONDS / 4)
    if not stopping.done() or stopping.cancelled() or stopping.exception() is not None:
        log.info("client_not_stopped", client=type(client).__name__)


@contextlib.asynccontextmanager
async def tail_reader(
    settings: ProcessSettings, partitions: Sequence[TopicPartition]
) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of no group, assigned these partitions, for looking at what is there."""
    consumer = new_observer(settings)
    try:
        await consumer.start()
        consumer.assign(partitions)
        yield consumer
    finally:
        await stop_client(consumer)
