"""Which partitions a process owns: claims by epoch, seeks to where the row stands, letting go when fenced.

Kafka's group decides who should own a partition; the row in PostgreSQL decides who does. Handles no record, but for one
that kills whoever does.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

import stamina
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, OffsetOutOfRangeError

from mentorstream_events import TOPIC

from . import metrics, positions
from .batch import Handler, Owned, Record, bury_record
from .database import Pool, transaction
from .errors import Fenced, Halted
from .hints import Hints
from .positions import Claim
from .settings import RuntimeSettings

log = structlog.get_logger(__name__)
HandlerFactory: TypeAlias = Callable[[], Handler]
_KILL_LIMIT: Final = 3
_RECLAIM_SECONDS: Final = 2.0
_CHECK_EPOCHS_SECONDS: Final = 2.0


class Ownership:
    """The partitions that the group assigned to this process, and those of them that it owns.

    `patiently` gives attempts with backoff while the infrastructure is away, for as long as a membership bears that.
    """

    def __init__(
        self,
        settings: RuntimeSettings,
        pool: Pool,
        readers: Mapping[str, HandlerFactory],
        patiently: Callable[[], AsyncIterator[stamina.Attempt]],
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._readers = readers
        self._patiently = patiently
        self._claim_after: dict[TopicPartition, float] = {}
        self._to_seek: set[TopicPartition] = set()
        self._hints = Hints(pool)
        self._check_epochs_at = 0.0
        self.cluster_id = ""
        self.owned: dict[TopicPartition, Owned] = {}
        self.assigned: set[TopicPartition] = set()
        self.joined = False

    @property
    def complete(self) -> bool:
        """Whether the group was joined and every assigned partition is owned."""
        return self.joined and self.assigned <= self.owned.keys()

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        """Called by the group: these are ours now, if nobody else claims them."""
        self.assigned = set(partitions)
        for partition in set(self.owned) - self.assigned:
            owned = self.owned.pop(partition)
            _forget_lag(owned)
        for owned in self.owned.values():
            owned.sought = None
        # Kept ones are still ours unless somebody raised their epoch meanwhile, which the next batch would find.
        self._to_seek = set(self.owned)
        self.joined = self.joined or not self.assigned

    def leave(self) -> None:
        """The membership of the group is over, and everything owned with it."""
        self.assign(())
        self._hints = Hints(self._pool)  # others may tell meanwhile
        self.joined = False

    async def claim(self, consumer: AIOKafkaConsumer) -> bool:
        """Claim what is assigned and not owned yet, and seek there. Returns whether there was any.

        Raises Halted where there is no right place.
        """
        waiting = [
            partition
            for partition in sorted(self.assigned - self.owned.keys())
            if self._claim_after.get(partition, 0.0) <= time.monotonic()
        ]
        for partition in self._to_seek & self.owned.keys():
            _seek(consumer, partition, self.owned[partition].next_offset)
        self._to_seek.clear()
        if not waiting:
            return False
        starts = await consumer.beginning_offsets(waiting)
        ends = await consumer.end_offsets(waiting)
        for partition in waiting:
            topic = partition.topic.removeprefix(self._settings.topic_prefix)
            claim = await self._claim(topic, partition.partition, starts[partition], ends[partition])
            if claim.next_offset > ends[partition]:  # the owner before was reading on when we asked for the end
                ends |= await consumer.end_offsets([partition])
            positions.check_bounds(
                topic, partition.partition, claim.next_offset, log_start=starts[partition], log_end=ends[partition]
            )
            if TOPIC[topic].compacted and starts[partition] < claim.next_offset < ends[partition]:
                await self._refuse_if_long_behind(consumer, partition, topic, claim.next_offset)
            if partition not in self.assigned:
                continue  # revoked meanwhile; the next owner raises the epoch again
            owned = Owned(
                topic=topic,
                partition=partition.partition,
                handler=self._readers[topic](),
                epoch=claim.epoch,
                next_offset=claim.next_offset,
                one_by_one=claim.one_by_one,
            )
            self.owned[partition] = owned
            metrics.CLAIMS.labels(topic).inc()
            log.info("partition_claimed", topic=topic, partition=partition.partition, epoch=claim.epoch)
            if claim.suspect_count >= _KILL_LIMIT:
                try:
                    await self._bury_killer(consumer, partition, owned, claim.suspect_offset)
                except Fenced as fenced:
                    self.let_go(partition, fenced)
                    continue
            _seek(consumer, partition, owned.next_offset)
        self.joined = True
        return True

    async def _refuse_if_long_behind(
        self, consumer: AIOKafkaConsumer, partition: TopicPartition, topic: str, next_offset: int
    ) -> None:
        """Halt where tombstones that nobody here has read may be gone: whoever they erased would stay for ever.

        Half of the time for which the broker keeps them is left for reading on, and for whoever has to act.
        """
        kept_ms = int(TOPIC[topic].config["delete.retention.ms"])
        limit_ms = int(time.time() * 1000) - kept_ms // 2
        young = (await consumer.offsets_for_times({partition: limit_ms}))[partition]
        if young is None or next_offset < young.offset:
            raise Halted(
                "people_behind",
                f"{topic} partition {partition.partition}: records from {next_offset} on have waited for days",
                "docs/operations/restore.md",
            )

    async def _claim(self, topic: str, partition: int, log_start: int, log_end: int) -> Claim:
        """Claim it, however long an owner that froze inside a batch holds its row."""
        async for attempt in self._patiently():
            with attempt:
                if attempt.num > 1:
                    await self._end_overdue()
                async with transaction(self._pool) as connection:
                    claim = await positions.claim(
                        connection, topic, partition, log_start=log_start, log_end=log_end, cluster_id=self.cluster_id
                    )
        return claim

    async def _end_overdue(self) -> None:
        async with transaction(self._pool) as connection:
            ended = await positions.end_overdue(connection)
        if ended:
            log.warning("sessions_ended", sessions=ended, detail="in a transaction for too long, frozen inside a COPY")

    async def _bury_killer(
        self, consumer: AIOKafkaConsumer, partition: TopicPartition, owned: Owned, suspect_offset: int | None
    ) -> None:
        """Put aside the record that killed its process three times running, if it is the next one that there is."""
        _seek(consumer, partition, owned.next_offset)
        for _ in range(50):
            fetched = await consumer.getmany(partition, timeout_ms=200, max_records=1)
            for record in fetched.get(partition, ()):
                if record.offset == suspect_offset:
                    detail = f"its process died {_KILL_LIMIT} times while handling it alone"
                    await bury_record(self._pool, owned, record, "killed_process", detail)
                return

    def in_place(
        self, consumer: AIOKafkaConsumer, partition: TopicPartition, records: Sequence[Record]
    ) -> Owned | None:
        """The owned partition, if these records begin where its last batch ended.

        Records fetched before the claim, or before a seek, are not ours to take: None, and a seek to the right place.
        """
        owned = self.owned.get(partition)
        if owned is None or not records:
            return None
        if records[0].offset == owned.next_offset:
            return owned
        if records[0].offset > owned.next_offset and owned.sought == owned.next_offset:
            return owned  # asked for exactly this offset: compaction or a control record left the gap
        owned.sought = owned.next_offset
        _seek(consumer, partition, owned.next_offset)
        return None

    async def back_in_range(self, consumer: AIOKafkaConsumer, error: OffsetOutOfRangeError) -> None:
        """After a fetch outside the log: seek again where the log has the place by now. Raises Halted where not."""
        partitions = [partition for partition in self.owned if partition in error.args[0]]
        starts = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
        for partition in partitions:
            owned = self.owned[partition]
            positions.check_bounds(
                owned.topic,
                owned.partition,
                owned.next_offset,
                log_start=starts[partition],
                log_end=ends[partition],
            )
            _seek(consumer, partition, owned.next_offset)

    async def drop_superseded(self) -> None:
        """Let go of partitions that somebody claimed, or an operator rewound, while there was nothing to read.

        Every batch finds that out by itself; this is for partitions where no batch comes.
        """
        if not self.owned or time.monotonic() < self._check_epochs_at:
            return
        self._check_epochs_at = time.monotonic() + _CHECK_EPOCHS_SECONDS
        async for attempt in self._patiently():
            with attempt:
                rows = await self._pool.fetch("SELECT topic, partition, epoch FROM consumer_position")
        epochs = {(row["topic"], row["partition"]): row["epoch"] for row in rows}
        for partition, owned in list(self.owned.items()):
            if epochs.get((owned.topic, owned.partition)) != owned.epoch:
                self.let_go(partition, Fenced(f"epoch {owned.epoch} is over"))

    def let_go(self, partition: TopicPartition, fenced: Fenced) -> None:
        """Somebody else owns it. Kafka will say whose it is; if it is still ours then, claim it again."""
        owned = self.owned.pop(partition, None)
        if owned is None:
            return
        _forget_lag(owned)
        metrics.FENCED.labels(owned.topic).inc()
        log.warning("fenced", topic=owned.topic, partition=owned.partition, detail=str(fenced))
        self._claim_after[partition] = time.monotonic() + _RECLAIM_SECONDS

    async def hint(self, consumer: AIOKafkaConsumer, *, finally_all: bool = False) -> None:
        """Tell Kafka how far this group is."""
        if finally_all:
            await self._hints.tell_all(consumer, self.owned)
        else:
            await self._hints.tell(consumer, self.owned)


class Listener(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka's base is untyped
    """Passes the group's word on. Does no work: aiokafka only logs what is raised here, and fetches meanwhile."""

    def __init__(self, ownership: Ownership) -> None:
        self._ownership = ownership

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Nothing: the epoch fences, and a batch under way may finish."""

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._ownership.assign(assigned)


def _forget_lag(owned: Owned) -> None:
    """It is somebody else's to tell now."""
    with contextlib.suppress(KeyError):  # it was never told
        metrics.LAG.remove(owned.topic, str(owned.partition))


def _seek(consumer: AIOKafkaConsumer, partition: TopicPartition, offset: int) -> None:
    """Read on from there, unless the group took the partition away and its listener was not called yet."""
    with contextlib.suppress(IllegalStateError):
        consumer.seek(partition, offset)
