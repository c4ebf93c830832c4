"""Replay: read a service's topics to their ends, decide everything again, publish nothing.

Into an empty database it rebuilds the service's state; what was decided before is decided the same way, with the same
ids. It joins no consumer group, so it disturbs nobody; it claims the partitions' rows, so nobody may work beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import structlog
from aiokafka import TopicPartition

from . import positions
from .batch import Owned, handle_batch
from .broker import read_cluster_id, read_partitions, tail_reader
from .database import Pool, transaction

if TYPE_CHECKING:
    from .ownership import HandlerFactory
    from .settings import RuntimeSettings

log = structlog.get_logger(__name__)


async def replay_topics(
    service: str, settings: RuntimeSettings, pool: Pool, readers: Mapping[str, HandlerFactory]
) -> int:
    """Handle every record up to the ends that the topics have now; returns how many there were.

    Raises Halted where database and broker do not belong together, and whatever handling raises: a replay does not
    wait, it is run again.
    """
    cluster_id = await read_cluster_id(settings)
    partitions = await read_partitions(settings, readers)
    replayed = 0
    async with tail_reader(settings, partitions) as consumer:
        starts = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
        owned: dict[TopicPartition, Owned] = {}
        for partition in partitions:
            topic = partition.topic.removeprefix(settings.topic_prefix)
            async with transaction(pool) as connection:
                claim = await positions.claim(
                    connection,
                    topic,
                    partition.partition,
                    log_start=starts[partition],
                    log_end=ends[partition],
                    cluster_id=cluster_id,
                )
            positions.check_bounds(
                topic, partition.partition, claim.next_offset, log_start=starts[partition], log_end=ends[partition]
            )
            owned[partition] = Owned(topic, partition.partition, readers[topic](), claim.epoch, claim.next_offset)
            consumer.seek(partition, claim.next_offset)
        places = {partition: item.next_offset for partition, item in owned.items()}
        while any(places[partition] < end for partition, end in ends.items()):
            fetched = await consumer.getmany(timeout_ms=200, max_records=settings.batch_records)
            for partition, records in fetched.items():
                wanted = [record for record in records if record.offset < ends[partition]]
                done, _, _ = await handle_batch(
                    pool, service, owned[partition], wanted, limit_bytes=settings.event_limit_bytes, publish=False
                )
                replayed += done
            for partition in partitions:  # beyond what compaction left out
                places[partition] = max(places[partition], await consumer.position(partition))
    log.info("replayed", records=replayed)
    return replayed
