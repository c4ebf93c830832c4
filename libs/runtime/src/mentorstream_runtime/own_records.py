"""What a service has published itself, read back from its topics and held against its database.

A mark in the database says how far that was done, so a look costs what was published since. The same look tells a
relay that its database is a restored one, tells a restore what to take over, and tells the owner of a compacted topic
that a relay which had been frozen put an old value behind a newer one. Publishes nothing and applies nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec
import structlog
from aiokafka import TopicPartition

from mentorstream_events import TOPIC, TOPICS, SequenceNumber, Undecodable, decode

from .broker import read_cluster_id, read_partitions, tail_reader
from .database import Pool, transaction
from .errors import Halted
from .settings import RuntimeSettings

if TYPE_CHECKING:
    from .batch import Record
    from .database import Connection

log = structlog.get_logger(__name__)
_EVERY_SECONDS: Final = 60.0
_HEADERS: Final = msgspec.msgpack.Decoder(list[tuple[str, bytes | None]])
_MARK: Final = """
    INSERT INTO outbox_mark AS mark (topic, partition, cluster_id, next_offset)
    SELECT topic, partition, $4, next_offset
    FROM unnest($1::text[], $2::int[], $3::bigint[]) AS new (topic, partition, next_offset)
    ORDER BY topic, partition
    ON CONFLICT (topic, partition) DO UPDATE SET
        next_offset = CASE WHEN mark.cluster_id = excluded.cluster_id
                           THEN greatest(mark.next_offset, excluded.next_offset) ELSE excluded.next_offset END,
        cluster_id = excluded.cluster_id
    WHERE (mark.cluster_id, mark.next_offset) <> (excluded.cluster_id, excluded.next_offset)
"""
_DRAWN: Final = """
    SELECT topic, key, number, (SELECT incarnation FROM outbox_incarnation) AS incarnation FROM outbox_sequence
    WHERE (topic, key) IN (SELECT * FROM unnest($1::text[], $2::text[]))
"""

_WAITING: Final = """
    SELECT topic, key, headers FROM outbox WHERE (topic, key) IN (SELECT * FROM unnest($1::text[], $2::text[]))
"""


@dataclass(frozen=True, slots=True)
class OwnRecord:
    """One record that this service published. `topic` is without prefix."""

    record: Record
    topic: str
    key: str
    sequence: SequenceNumber

    @property
    def event_id(self) -> str:
        """Its id, as its headers have it."""
        return (dict(self.record.headers).get("ce_id") or b"").decode("utf-8", "replace")

    @property
    def is_believed(self) -> bool:
        """Whether it is an event, or might be one to a newer version of this service."""
        try:
            decode(self.topic, self.record.key, self.record.value, self.record.headers)
        except Undecodable as error:
            return error.reason in ("unknown_type", "unknown_version")
        return True


class OwnRecords:
    """One look at a service's own topics: from the marks to the ends that they have when it begins."""

    def __init__(self, service: str, settings: RuntimeSettings, pool: Pool) -> None:
        self._service = service
        self._settings = settings
        self._pool = pool
        self._ends: Mapping[TopicPartition, int] = {}
        self._cluster_id = ""
        self._marked: Mapping[TopicPartition, int] = {}

    async def another_cluster(self) -> str | None:
        """The id of the cluster that the marks are of, if it is not this one; None where it is, or there are none."""
        self._cluster_id = await read_cluster_id(self._settings)
        marked: str | None = await self._pool.fetchval(
            "SELECT cluster_id FROM outbox_mark WHERE cluster_id <> $1 LIMIT 1", self._cluster_id
        )
        return marked

    async def since_mark(self, *, only_compacted: bool = False) -> AsyncIterator[list[OwnRecord]]:
        """This service's own records, in the order of each partition, those of compacted topics first.

        Raises Halted where the marks are of another cluster, and KafkaError.
        """
        other = await self.another_cluster()
        if other is not None:
            raise Halted(
                "other_cluster",
                f"{self._service} has published to cluster {other}; this one is {self._cluster_id}",
                "docs/operations/broker-replaced.md",
            )
        mine = [topic.name for topic in TOPICS if self._service in topic.producers]
        partitions = await read_partitions(self._settings, mine)
        rows = await self._pool.fetch("SELECT topic, partition, next_offset FROM outbox_mark")
        marks = {
            TopicPartition(self._settings.topic_prefix + row["topic"], row["partition"]): row["next_offset"]
            for row in rows
        }
        if any(marks.get(partition, 0) < place for partition, place in self._marked.items()):
            raise Halted(
                "restored_database", "the marks of this process are gone: it was restored", "docs/operations/restore.md"
            )
        async with tail_reader(self._settings, partitions) as consumer:
            self._ends = await consumer.end_offsets(partitions)
            starts = await consumer.beginning_offsets(partitions)
            places = {
                # A mark beyond the end is of a topic that was lost; its readers say so.
                partition: max(starts[partition], min(marks.get(partition, 0), end))
                for partition, end in self._ends.items()
            }
            if only_compacted:
                places |= {part: self._ends[part] for part in partitions if not TOPIC[self._name_of(part)].compacted}
            waiting = {partition for partition, place in places.items() if place < self._ends[partition]}
            for partition in partitions:
                consumer.seek(partition, places[partition])
            consumer.pause(*(set(partitions) - waiting))
            # People first: everything else names them.
            for compacted in (True, False):
                group = {part for part in waiting if TOPIC[self._name_of(part)].compacted == compacted}
                while group:
                    fetched = await consumer.getmany(*group, timeout_ms=200)
                    found = [own for records in fetched.values() for own in map(self._own, records) if own is not None]
                    if found:
                        yield found
                    for partition in list(group):  # beyond what compaction or control records left out
                        if await consumer.position(partition) >= self._ends[partition]:
                            group.discard(partition)
                            consumer.pause(partition)

    @property
    def ends(self) -> Mapping[TopicPartition, int]:
        """How far the last look went."""
        return self._ends

    async def mark(
        self, connection: Connection | None = None, *, ends: Mapping[TopicPartition, int] | None = None
    ) -> None:
        """Note that everything up to the ends, by default those of the last look, was numbered in this database."""
        ends = self._ends if ends is None else ends
        columns = (
            [self._name_of(partition) for partition in ends],
            [partition.partition for partition in ends],
            list(ends.values()),
            self._cluster_id,
        )
        if connection is not None:
            await connection.execute(_MARK, *columns)
        else:
            await self._pool.execute(_MARK, *columns)
            self._marked = ends

    async def newer(self, records: Sequence[OwnRecord]) -> list[OwnRecord]:
        """Those that this database did not number: they were published by a later state of it.

        What contradicts its contract is not among them, whatever it says of its source and place: no reader believes
        it, and it would let anybody who can write to a topic halt the service that it names.
        """
        names = list({(own.topic, own.key) for own in records})
        async with transaction(self._pool) as connection:
            rows = await connection.fetch(_DRAWN, [topic for topic, _ in names], [key for _, key in names])
            incarnation = await connection.fetchval("SELECT incarnation FROM outbox_incarnation")
        drawn = {(row["topic"], row["key"]): SequenceNumber(row["incarnation"], row["number"]) for row in rows}
        nothing = SequenceNumber(incarnation, 0)
        return [own for own in records if own.sequence > drawn.get((own.topic, own.key), nothing) and own.is_believed]

    def _name_of(self, partition: TopicPartition) -> str:
        name: str = partition.topic.removeprefix(self._settings.topic_prefix)
        return name

    def _own(self, record: Record) -> OwnRecord | None:
        headers = dict(record.headers)
        if headers.get("ce_source") != self._service.encode() or record.key is None:
            return None
        try:
            number = SequenceNumber.parse((headers.get("ce_sequence") or b"").decode())
            return OwnRecord(
                record, record.topic.removeprefix(self._settings.topic_prefix), record.key.decode(), number
            )
        except ValueError:
            return None  # poison; it is its readers' to bury


async def overtaken(pool: Pool, records: Sequence[OwnRecord]) -> set[str]:
    """Keys whose last record here is older than what had been acknowledged.

    A relay that froze after it read its rows, and thawed when its successor had published them and more, puts an old
    value behind a newer one. Readers drop it by its number, but compaction would keep it and remove the newer one.
    """
    last = {(own.topic, own.key): own.sequence for own in records}
    topics, keys = [topic for topic, _ in last], [key for _, key in last]
    # One moment for both: what is numbered and waits no more was acknowledged.
    async with pool.acquire(timeout=5) as connection, connection.transaction(isolation="repeatable_read"):
        drawn = await connection.fetch(_DRAWN, topics, keys)
        waiting = await connection.fetch(_WAITING, topics, keys)
    published = {(row["topic"], row["key"]): SequenceNumber(row["incarnation"], row["number"]) for row in drawn}
    for row in waiting:
        number = SequenceNumber.parse((dict(_HEADERS.decode(row["headers"]))["ce_sequence"] or b"").decode())
        name = row["topic"], row["key"]
        published[name] = min(SequenceNumber(number.incarnation, number.number - 1), published[name])
    return {key for (topic, key), sequence in last.items() if sequence < published.get((topic, key), sequence)}


async def keep_marks(own: OwnRecords, pool: Pool, reissue: Callable[[Sequence[str]], Awaitable[None]]) -> None:
    """Move the marks every minute, so that a start or a restore has little to look at. Runs until cancelled.

    What runs here has numbered all that it publishes, so only compacted topics are read: for keys whose newest value
    was overtaken by an older one, which are given to `reissue`. Raises Halted when the database went back meanwhile.
    """
    while True:
        await asyncio.sleep(_EVERY_SECONDS)
        try:
            await move_marks(own, pool, reissue)
        except Halted:
            raise
        except Exception as error:  # the next look does it
            log.info("marks_not_moved", error=repr(error))


async def move_marks(own: OwnRecords, pool: Pool, reissue: Callable[[Sequence[str]], Awaitable[None]]) -> None:
    """One such look."""
    suspects = await _overtaken_since_mark(own, pool)
    ends = own.ends  # what comes after that is for the next look: the second one here tells nothing new
    if suspects:  # or what is newer was under way: then it is there at the second look
        suspects &= await _overtaken_since_mark(own, pool)
    if suspects:
        log.warning("old_value_overtook", keys=len(suspects))
        await reissue(sorted(suspects))
    await own.mark(ends=ends)


async def _overtaken_since_mark(own: OwnRecords, pool: Pool) -> set[str]:
    found = [record async for records in own.since_mark(only_compacted=True) for record in records]
    return await overtaken(pool, [record for record in found if TOPIC[record.topic].compacted])
