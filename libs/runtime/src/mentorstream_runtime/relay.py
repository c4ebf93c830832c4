"""The relay: publishes the outbox in order and deletes what the broker acknowledged.

The outbox is split into lanes by key; a lane has one relay at a time, by a lease that ends by the database's clock.
A relay that was frozen and thaws may publish once more what its successor published: readers drop that by sequence.
Rows are deleted one by one after the acknowledgement, never up to a position: rows commit late.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import structlog
from aiokafka import AIOKafkaProducer, TopicPartition

from . import metrics, points
from .broker import new_producer, stop_client
from .database import Pool
from .errors import Halted, is_infrastructure
from .outbox import LANES
from .own_records import OwnRecords
from .partitioning import partition_of
from .settings import RuntimeSettings
from .wakeups import Wakeups, wait_for

log = structlog.get_logger(__name__)
_UNPACK: Final = msgspec.msgpack.Decoder(list[tuple[str, bytes | None]])
_TARGETS_KEPT: Final = 20_000
_SILENT_SECONDS: Final = 5.0
_RELEASE_SECONDS: Final = 1.0

# A relay counts while its lease lasts, whether or not it holds a lane: so that a new one gets its share.
_BE_COUNTED: Final = """
    INSERT INTO outbox_relay (name, expires_at) VALUES ($1, clock_timestamp() + make_interval(secs => $2))
    ON CONFLICT (name) DO UPDATE SET expires_at = excluded.expires_at
"""
_HOLD_LANES: Final = """
    WITH alive AS (
        SELECT count(*) FILTER (WHERE name <> $1) + 1 AS relays
        FROM outbox_relay WHERE expires_at > clock_timestamp()
    ),
    share AS (SELECT ceil($3::numeric / relays)::int AS lanes FROM alive),
    mine AS (
        SELECT lane FROM outbox_lane
        WHERE holder = $1 OR expires_at <= clock_timestamp()
        ORDER BY (holder = $1 AND expires_at > clock_timestamp()) DESC NULLS LAST, lane
        LIMIT (SELECT lanes FROM share)
        FOR UPDATE SKIP LOCKED
    )
    UPDATE outbox_lane AS lane SET
        holder = CASE WHEN lane.lane IN (SELECT lane FROM mine) THEN $1 END,
        expires_at = CASE WHEN lane.lane IN (SELECT lane FROM mine)
                          THEN clock_timestamp() + make_interval(secs => $2) ELSE '-infinity' END
    WHERE lane.lane IN (SELECT lane FROM mine) OR lane.holder = $1
    RETURNING lane.lane, lane.holder
"""
_RELEASE_LANES: Final = """
    WITH gone AS (DELETE FROM outbox_relay WHERE name = $1 OR expires_at < clock_timestamp() - interval '1 hour')
    UPDATE outbox_lane SET holder = NULL, expires_at = '-infinity' WHERE holder = $1
"""
_DELETE: Final = "DELETE FROM outbox WHERE position = ANY($1::bigint[])"
_PENDING: Final = """
    SELECT position, topic, key, headers, value FROM outbox
    WHERE lane = ANY($2::smallint[]) AND position <> ALL ($1::bigint[]) ORDER BY position LIMIT $3
"""
# Deleting what is acknowledged and reading on are one statement, where something is deleted: one answer to wait for.
_DELETE_AND_PENDING: Final = f"WITH acknowledged AS ({_DELETE}) {_PENDING}"
# Deleting waits for the disk, and whoever waits for the next event would wait too: so not at every look.
_DELETE_SECONDS: Final = 0.05
_DELETE_ROWS: Final = 200


class Relay:
    """Publishes the outbox of one service. `run` until `stop`, which first publishes what is left."""

    def __init__(self, service: str, settings: RuntimeSettings, pool: Pool, wakeups: Wakeups) -> None:
        self._service = service
        self._settings = settings
        self._pool = pool
        self._wakeups = wakeups
        self._idle_seconds = min(1.0, settings.lane_lease_seconds / 3)
        self._producer: AIOKafkaProducer | None = None
        self._targets: dict[tuple[str, str], TopicPartition] = {}
        self._lanes: list[int] = []
        self._acknowledged: list[int] = []
        self._delete_at = 0.0
        self._renew_at = 0.0
        self._ends_at = 0.0
        self._stopping = False
        self.healthy = False
        self.halted: Halted | None = None
        # Set once nothing on the topics is newer than this database. Until then nothing may draw a number from it.
        self.checked = asyncio.Event()

    def stop(self) -> None:
        """Publish what the lanes still hold, then end `run`."""
        self._stopping = True
        self._wakeups.outbox.set()

    async def run(self, *, check_only: bool = False) -> None:
        """Publish until stopped. A broker or database that is away is waited for.

        With `check_only` it ends once the database was held against the topics: for a process that only writes.
        """
        delay = 0.1
        try:
            while True:
                try:
                    if not self.checked.is_set():
                        await self._refuse_if_behind()
                        self.checked.set()
                    if check_only:
                        return
                    pause = await self._turn()
                    self.healthy, delay = True, 0.1
                    if pause and self._stopping and not self._acknowledged:
                        return
                    if pause and not self._stopping:
                        await wait_for(self._wakeups.outbox, pause)
                except Halted as halt:
                    self.healthy, self.halted = False, halt
                    metrics.HALTED.labels(halt.reason).set(1)
                    log.error("relay_halted", reason=halt.reason, detail=halt.detail, runbook=halt.runbook)
                    return
                except Exception as error:
                    self.healthy = False
                    metrics.RELAY_FAILURES.labels(type(error).__name__).inc()
                    log.warning(
                        "relay_failed", error=repr(error), again_in_seconds=delay, exc_info=not is_infrastructure(error)
                    )
                    # After a fatal error an idempotent producer refuses everything: a new one starts clean.
                    await self._drop_producer()
                    if self._stopping:
                        return
                    await asyncio.sleep(delay)
                    delay = min(delay * 2, 5.0)
        finally:
            await self._drop_producer()
            await self._release_lanes()

    async def depth(self) -> int:
        """Events that wait to be published, of all lanes; not those that are, and wait to be deleted."""
        row = await self._pool.fetchrow(
            "SELECT count(*) AS depth, coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0) AS age"
            " FROM outbox WHERE position <> ALL ($1::bigint[])",
            self._acknowledged,
        )
        assert row is not None  # noqa: S101 - an aggregate has one row
        metrics.OUTBOX_DEPTH.set(row["depth"])
        metrics.OUTBOX_AGE_SECONDS.set(float(row["age"]))
        return int(row["depth"])

    async def _turn(self) -> float:
        """One look at the outbox. Returns after how many seconds to look again, unless woken."""
        now = time.monotonic()
        if now >= self._renew_at:
            await self._delete_acknowledged()  # before somebody else gets their lane, and publishes them again
            await self._hold_lanes()
        deleting = len(self._acknowledged) >= _DELETE_ROWS or now >= self._delete_at or self._stopping
        rows = await self._pool.fetch(
            _DELETE_AND_PENDING if self._acknowledged and deleting else _PENDING,
            self._acknowledged,
            self._lanes,
            self._settings.relay_batch,
        )
        if deleting:
            self._acknowledged = []
        if not rows:
            return max(0.001, self._delete_at - now) if self._acknowledged else self._idle_seconds
        if time.monotonic() >= self._ends_at:  # frozen meanwhile: others may have published these rows, and newer ones
            self._renew_at = 0.0
            return 0.0
        await self._publish(rows)
        points.reach("after_acknowledgement")
        if not self._acknowledged:
            self._delete_at = time.monotonic() + _DELETE_SECONDS
        self._acknowledged += [row["position"] for row in rows]
        return _DELETE_SECONDS if len(rows) < self._settings.relay_batch else 0.0

    async def _delete_acknowledged(self) -> None:
        if self._acknowledged:
            await self._pool.execute(_DELETE, self._acknowledged)
            self._acknowledged = []

    async def _hold_lanes(self) -> None:
        lease, asked_at = self._settings.lane_lease_seconds, time.monotonic()
        await self._pool.execute(_BE_COUNTED, self._settings.instance, lease)
        rows = await self._pool.fetch(_HOLD_LANES, self._settings.instance, lease, LANES)
        self._lanes = sorted(row["lane"] for row in rows if row["holder"] is not None)
        self._renew_at, self._ends_at = asked_at + lease / 3, asked_at + lease
        self._wakeups.alone = len(self._lanes) == LANES
        metrics.RELAY_LANES.set(len(self._lanes))

    async def _release_lanes(self) -> None:
        self._wakeups.alone = False
        try:
            async with asyncio.timeout(_RELEASE_SECONDS):
                await self._delete_acknowledged()
                await self._pool.execute(_RELEASE_LANES, self._settings.instance)
        except Exception as error:  # the lease ends by itself
            log.info("lanes_not_released", error=repr(error))

    async def _publish(self, rows: list[Any]) -> None:
        """Send rows in order, as whole batches for each partition, and wait until all are acknowledged."""
        producer = await self._open_producer()
        batches: dict[TopicPartition, list[Any]] = {}
        counts: dict[str, int] = {}
        partitions: dict[str, list[TopicPartition]] = {}
        for row in rows:
            _, topic, name, packed, value = row
            key, headers = name.encode(), _UNPACK.decode(packed)
            target = self._targets.get((topic, name))
            if target is None:
                if topic not in partitions:
                    partitions[topic] = await self._partitions_of(producer, topic)
                target = self._keep_target(topic, name, partitions[topic][partition_of(key, len(partitions[topic]))])
            builders = batches.get(target)
            if builders is None:
                builders = batches[target] = [producer.create_batch()]
            # An empty batch takes any one record. A full one refuses the next.
            if builders[-1].append(key=key, value=value, timestamp=None, headers=headers) is None:
                builders.append(producer.create_batch())
                builders[-1].append(key=key, value=value, timestamp=None, headers=headers)
            counts[topic] = counts.get(topic, 0) + 1
        sending = asyncio.gather(
            *(self._send(producer, builders, target) for target, builders in batches.items()), return_exceptions=True
        )
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(sending), _SILENT_SECONDS)
        if not sending.done():  # an idempotent producer tries for ever; say so meanwhile
            self.healthy = False
            log.warning("broker_silent", seconds=_SILENT_SECONDS)
        for result in await sending:
            if isinstance(result, BaseException):
                raise result
        for topic, count in counts.items():
            metrics.PUBLISHED.labels(topic).inc(count)

    @staticmethod
    async def _send(producer: AIOKafkaProducer, builders: Sequence[Any], target: TopicPartition) -> None:
        """Send one partition's batches, each when the one before was acknowledged.

        A batch that gives up (no leader for long) before it was numbered would not stop the one behind it, and readers
        would then take its events, which come late, for repeats.
        """
        for builder in builders:
            builder.close()
            acknowledged = await producer.send_batch(builder, target.topic, partition=target.partition)
            points.reach("before_acknowledgement")
            await acknowledged

    async def _partitions_of(self, producer: AIOKafkaProducer, topic: str) -> list[TopicPartition]:
        full = self._settings.topic_prefix + topic
        return [TopicPartition(full, number) for number in sorted(await producer.partitions_for(full))]

    def _keep_target(self, topic: str, key: str, target: TopicPartition) -> TopicPartition:
        """Remember where a key belongs, because hashing it takes longer than all else that is done for a record."""
        if len(self._targets) >= _TARGETS_KEPT:
            self._targets.clear()
        self._targets[topic, key] = target
        return target

    async def _open_producer(self) -> AIOKafkaProducer:
        if self._producer is None:
            self._producer = new_producer(self._settings)
            await self._producer.start()
        return self._producer

    async def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        self._targets.clear()
        if producer is not None:
            await stop_client(producer)

    async def _refuse_if_behind(self) -> None:
        """Halt when a topic holds newer events of this service than its database drew: it is a restored one."""
        own = OwnRecords(self._service, self._settings, self._pool)
        async for found in own.since_mark():
            for record in await own.newer(found):
                raise Halted(
                    "restored_database",
                    f"topic {record.topic} holds {record.sequence} of key {record.key}; this database drew less: it was"
                    " restored",
                    "docs/operations/restore.md",
                )
        await own.mark()
