"""Reading a service's topics without its group: all of them for a replay, what was decided before for a restore.

It joins no consumer group, so it disturbs nobody; it claims the partitions' rows, so nobody may work beside it. It does
not wait for what is away: it is run again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import structlog
from aiokafka import TopicPartition

from mentorstream_events import TOPIC

from . import positions
from .batch import Owned, Record, bury_record, handle_batch
from .broker import read_cluster_id, read_committed, read_partitions, tail_reader
from .database import Pool, transaction
from .errors import Fenced, Halted, Rejected, is_contention, is_infrastructure

if TYPE_CHECKING:
    from .ownership import HandlerFactory
    from .settings import RuntimeSettings

log = structlog.get_logger(__name__)


async def replay_topics(
    service: str, settings: RuntimeSettings, pool: Pool, readers: Mapping[str, HandlerFactory]
) -> int:
    """Decide everything up to the ends that the topics have now, publish nothing; returns how many records there were.

    Into an empty database it rebuilds the service's state; what was decided before is decided the same way, with the
    same ids. Raises Halted where database and broker do not belong together, and whatever handling raises.
    """
    _, ends = await _bounds(settings, await read_partitions(settings, readers))

    async def handle(owned: Owned, records: Sequence[Record]) -> int:
        limit = settings.event_limit_bytes
        done, _, _ = await handle_batch(pool, service, [(owned, records)], limit_bytes=limit, publish=False)
        return done

    replayed = await _read(settings, pool, readers, ends, handle)
    log.info("replayed", records=replayed)
    return replayed


async def reread_topics(
    service: str, settings: RuntimeSettings, pool: Pool, readers: Mapping[str, HandlerFactory]
) -> int:
    """Handle again, after the database went back, what the lost state had decided; returns how many records there were.

    Its group has told Kafka up to where that was: see `hints`. Compacted topics are not among them, a restore begins
    those anew. A record that cannot be handled is put aside, as it was then.
    """
    topics = [topic for topic in readers if not TOPIC[topic].compacted]
    if not topics:
        return 0
    committed = await read_committed(settings, positions.group_name(settings, service))
    partitions = await read_partitions(settings, topics)
    starts, ends = await _bounds(settings, partitions)
    places = starts | await positions.read_places(pool, settings.topic_prefix)
    # What it has told of records beyond the log's end says nothing of those that will come there.
    decided = {partition: min(committed.get(partition, 0), end) for partition, end in ends.items()}
    # Below 0 is who begins anew by an operator's word.
    behind = {partition: end for partition, end in decided.items() if 0 <= places[partition] < end}

    async def handle(owned: Owned, records: Sequence[Record]) -> int:
        try:
            await handle_batch(pool, service, [(owned, records)], limit_bytes=settings.event_limit_bytes)
        except (Fenced, Halted):
            raise
        except Exception as error:
            owned.forget()
            if is_infrastructure(error) or is_contention(error):  # no fault of a record: the command is run again
                raise
            if len(records) > 1:
                return sum([await handle(owned, [record]) for record in records])
            log.warning("not_read_again", topic=owned.topic, offset=records[0].offset, error=repr(error))
            reason, detail = "failed", f"{type(error).__name__} when it was read again"
            if isinstance(error, Rejected):
                reason, detail = error.reason, error.detail
            await bury_record(pool, owned, records[0], reason, detail)
        return len(records)

    return await _read(settings, pool, readers, behind, handle)


async def _bounds(
    settings: RuntimeSettings, partitions: Sequence[TopicPartition]
) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
    async with tail_reader(settings, partitions) as consumer:
        return await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)


async def _read(
    settings: RuntimeSettings,
    pool: Pool,
    readers: Mapping[str, HandlerFactory],
    ends: Mapping[TopicPartition, int],
    handle: Callable[[Owned, Sequence[Record]], Awaitable[int]],
) -> int:
    """Handle these partitions' records up to their ends, from where the database stands."""
    if not ends:
        return 0
    cluster_id = await read_cluster_id(settings)
    partitions = sorted(ends)
    count = 0
    async with tail_reader(settings, partitions) as consumer:
        starts = await consumer.beginning_offsets(partitions)
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
        while unread := [partition for partition, end in ends.items() if places[partition] < end]:
            fetched = await consumer.getmany(*unread, timeout_ms=200, max_records=settings.batch_records)
            for partition, records in fetched.items():
                if wanted := [record for record in records if record.offset < ends[partition]]:
                    count += await handle(owned[partition], wanted)
            for partition in unread:  # beyond what compaction left out
                places[partition] = max(places[partition], await consumer.position(partition))
    return count
