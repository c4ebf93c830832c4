"""The consumer loop: takes batches of the partitions it owns, retries what may pass, puts aside what cannot.

Which partitions those are, and from where they are read, is `ownership`; what a batch is, `batch`.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import stamina
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError

from . import metrics, positions
from .batch import JointHandler, Owned, Record, bury_record, handle_batch
from .broker import new_consumer, read_cluster_id, read_partitions, stop_client
from .database import Pool, transaction
from .errors import Fenced, Halted, Rejected, is_conflict, is_contention, is_infrastructure
from .log_place import under_way
from .observer import Observer
from .ownership import HandlerFactory, Listener, Ownership
from .reading import Reading
from .settings import RuntimeSettings
from .tracing import batch_span

if TYPE_CHECKING:
    from .wakeups import Wakeups

log = structlog.get_logger(__name__)
_CONFLICT_LIMIT: Final = 5
_OVERLONG_LIMIT: Final = 3
# Just below the session's idle_in_transaction_session_timeout, which also hits who decides for as long.
_LONG_SECONDS: Final = 4.5
_RATIO_WINDOW: Final = 1000
# More is worth a transaction for each partition: one's is decided while the database answers another's.
_TOGETHER_RECORDS: Final = 200
# The broker answers a fetch after half a second at the latest, also when there is nothing.
_SILENT_SECONDS: Final = 5.0


class Consumer:
    """Reads a service's topics. `run` until `stop`; a batch under way is finished first."""

    def __init__(
        self,
        service: str,
        settings: RuntimeSettings,
        pool: Pool,
        wakeups: Wakeups,
        readers: Mapping[str, HandlerFactory],
    ) -> None:
        self._service = service
        self._settings = settings
        self._pool = pool
        self._wakeups = wakeups
        self._readers = readers
        self._consumer: AIOKafkaConsumer | None = None
        self._observer = Observer(settings, pool)
        self._partitions: list[TopicPartition] = []
        self._ownership = Ownership(settings, pool, readers, partial(self._patiently, as_member=True))
        self._polled: dict[TopicPartition, int | None] = {}
        self._heard_at = 0.0
        self._recent: deque[tuple[int, int]] = deque()
        # Batches of different partitions; relay and timers have the other connections.
        self._at_once = asyncio.Semaphore(max(1, settings.worker_pool_size - 2))
        self._stopping = False
        self._away_since: float | None = None
        self.halted: Halted | None = None
        self.infrastructure_away = False
        self.last_progress = time.monotonic()
        self.processed = 0

    def stop(self) -> None:
        """Finish the batch under way, then end `run`."""
        self._stopping = True

    @property
    def ready(self) -> bool:
        """Whether every assigned partition is claimed and nothing stands in the way."""
        return self._ownership.complete and self.halted is None and not self.infrastructure_away

    @property
    def lag(self) -> int:
        """Records of owned partitions that are known to the consumer and not committed."""
        return sum(lag for _, lag in self._lags())

    def show_lag(self) -> None:
        """Set the gauges of lag."""
        for owned, lag in self._lags():
            metrics.LAG.labels(owned.topic, str(owned.partition)).set(lag)

    def _lags(self) -> Iterator[tuple[Owned, int]]:
        if self._consumer is None:
            return
        for partition in self._ownership.owned.keys() & self._consumer.assignment():
            owned = self._ownership.owned[partition]
            yield owned, max(0, (self._consumer.highwater(partition) or 0) - owned.next_offset)

    def positions(self) -> dict[str, dict[int, int]]:
        """Next offset of each owned partition, by topic without prefix."""
        found: dict[str, dict[int, int]] = {}
        for owned in self._ownership.owned.values():
            found.setdefault(owned.topic, {})[owned.partition] = owned.next_offset
        return found

    async def run(self) -> None:
        """Consume until stopped. Halts, instead of ending, on what an operator must mend."""
        try:
            async for attempt in self._patiently():
                with attempt:
                    await self._session()
        except Halted as halt:
            self.halted = halt
            metrics.HALTED.labels(halt.reason).set(1)
            log.error("consumer_halted", reason=halt.reason, detail=halt.detail, runbook=halt.runbook)
        except Exception as error:
            if not (self._stopping and _passes(error)):
                raise
            log.warning("stopped_unfinished", error=repr(error))

    async def _session(self) -> None:
        """One membership of the group, from start to stop or to a loss of the broker, or of the database for long."""
        async with transaction(self._pool) as connection:  # who cannot leaves the partitions to others
            await positions.try_locking(connection)
        self._away_since = None
        self._ownership.cluster_id = await read_cluster_id(self._settings)
        self._partitions = await read_partitions(self._settings, self._readers)
        consumer = new_consumer(self._settings, positions.group_name(self._settings, self._service))
        self._heard_at = time.monotonic()
        try:
            await consumer.start()
            self._consumer = consumer
            consumer.subscribe(
                [self._settings.topic_prefix + topic for topic in self._readers], listener=Listener(self._ownership)
            )
            reading = Reading(consumer, self._settings.batch_records)
            while not self._stopping:
                await self._ownership.drop_superseded()
                if await self._ownership.claim(consumer):
                    self.last_progress = time.monotonic()
                self._away_since = None  # what waited for the database has its answer
                await self._turn(consumer, reading)
            if not self.infrastructure_away:  # while the relay, which is stopped after this, publishes what was decided
                await self._ownership.hint(consumer, finally_all=True)
        finally:
            self._ownership.leave()
            self._consumer = None
            await stop_client(consumer)
            await self._observer.close()

    async def _turn(self, consumer: AIOKafkaConsumer, reading: Reading) -> None:
        try:
            fetched = await reading.take()
        except NoOffsetForPartitionError:
            return  # not claimed yet, so not sought yet
        except OffsetOutOfRangeError as error:
            await self._ownership.back_in_range(consumer, error)
            return
        self.infrastructure_away = self._is_silent(consumer, bool(fetched))
        if self.infrastructure_away or (not any(records for records in fetched.values()) and self.lag == 0):
            self.last_progress = time.monotonic()
        mine = {partition: self._ownership.in_place(consumer, partition, each) for partition, each in fetched.items()}
        if any(mine.values()):
            async with reading.going_on():
                await self._handle(mine, fetched)
        await self._ownership.hint(consumer)

    async def _handle(
        self, mine: dict[TopicPartition, Owned | None], fetched: Mapping[TopicPartition, Sequence[Record]]
    ) -> None:
        """Handle what was fetched for the partitions that are ours."""
        little = self._little(mine, fetched)
        if little and await self._take_together([(owned, fetched[partition]) for partition, owned in little.items()]):
            mine = {partition: owned for partition, owned in mine.items() if partition not in little}
        # While the database answers one partition's batch, another's is decided. All of them end before any error
        # leaves, so that a session that ends leaves nothing running.
        results = await asyncio.gather(
            *(
                self._take(partition, owned, fetched[partition])
                for partition, owned in mine.items()
                if owned and not owned.one_by_one
            ),
            return_exceptions=True,
        )
        for failure in sorted(filter(None, results), key=lambda failure: not isinstance(failure, Halted)):
            raise failure
        # A record that may kill the process is handled while nothing else is: else others would be suspected with it.
        for partition, owned in mine.items():
            if owned and owned.one_by_one:
                await self._take(partition, owned, fetched[partition])

    def _is_silent(self, consumer: AIOKafkaConsumer, fetched: bool) -> bool:
        """Whether the broker stopped answering fetches. aiokafka waits for it without an error."""
        polled = {
            partition: consumer.last_poll_timestamp(partition)
            for partition in self._ownership.owned.keys() & consumer.assignment()
        }
        now = time.monotonic()
        if fetched or not polled or polled != self._polled:
            self._polled, self._heard_at = polled, now
        silent = now - self._heard_at > _SILENT_SECONDS
        if silent and not self.infrastructure_away:
            log.warning("broker_silent", seconds=round(now - self._heard_at, 1))
        return silent

    @staticmethod
    def _little(
        mine: Mapping[TopicPartition, Owned | None], fetched: Mapping[TopicPartition, Sequence[Record]]
    ) -> dict[TopicPartition, Owned]:
        """The partitions whose records are worth one transaction for all of them; empty where there are not several."""
        joint = {
            partition: owned
            for partition, owned in mine.items()
            if owned and not owned.one_by_one and isinstance(owned.handler, JointHandler)
        }
        few = sum(len(fetched[partition]) for partition in joint) <= _TOGETHER_RECORDS
        return joint if few and len(joint) > 1 and len({owned.topic for owned in joint.values()}) == 1 else {}

    async def _take_together(self, batch: Sequence[tuple[Owned, Sequence[Record]]]) -> bool:
        """Handle the little that several partitions have in one transaction. Returns whether that was done.

        Where anything is in the way, nothing has happened, and each partition's records are taken for themselves.
        """
        try:
            await self._attempt(batch)
        except Halted:
            raise
        except Exception as error:
            why = "infrastructure" if is_infrastructure(error) else "conflict" if is_conflict(error) else "failure"
            metrics.BATCH_RETRIES.labels(batch[0][0].topic, why).inc()
            log.info("not_taken_together", partitions=len(batch), error=repr(error))
            return False
        self.infrastructure_away = False
        return True

    async def _take(self, partition: TopicPartition, owned: Owned, records: Sequence[Record]) -> None:
        async with self._at_once:
            try:
                await self._take_owned(owned, records)
            except Fenced as fenced:
                self._ownership.let_go(partition, fenced)

    async def _take_owned(self, owned: Owned, records: Sequence[Record]) -> None:
        if not owned.one_by_one:
            await self._until_done(owned, records)
            return
        log.warning("taking_one_by_one", topic=owned.topic, partition=owned.partition, records=len(records))
        for record in records:
            if self._stopping:
                return
            async with transaction(self._pool) as connection:
                await positions.suspect(connection, owned.topic, owned.partition, record.offset, owned.epoch)
            try:
                await self._until_done(owned, [record])
            except BaseException:  # also where the end of a drain cancels it
                async with transaction(self._pool) as connection:
                    await positions.acquit(connection, owned.topic, owned.partition, record.offset)
                raise
        owned.one_by_one = False

    async def _until_done(self, owned: Owned, records: Sequence[Record]) -> None:
        """Handle records whatever it takes: wait for infrastructure, decide again, split, put aside.

        Raises Fenced or Halted, and the infrastructure's error where that was away for long.
        """
        async for attempt in self._patiently(as_member=True):
            with attempt:
                await self._settle(owned, records)
                self.infrastructure_away = False

    async def _settle(self, owned: Owned, records: Sequence[Record]) -> None:
        with under_way(owned, records):
            await self._settle_batch(owned, records)

    async def _settle_batch(self, owned: Owned, records: Sequence[Record]) -> None:
        conflicts = failures = 0
        while True:
            began = time.monotonic()
            try:
                await self._attempt([(owned, records)])
            except (Fenced, Halted):
                raise
            except Exception as error:
                if is_infrastructure(error) or (is_contention(error) and conflicts >= _CONFLICT_LIMIT):
                    metrics.BATCH_RETRIES.labels(owned.topic, "infrastructure").inc()
                    if await self._lighten(owned, records, error, time.monotonic() - began):
                        return
                    raise
                if is_conflict(error) and conflicts < _CONFLICT_LIMIT:
                    conflicts += 1
                    metrics.BATCH_RETRIES.labels(owned.topic, "conflict").inc()
                    log.info("batch_conflict", error=repr(error))
                    await asyncio.sleep(0.02 * conflicts)
                    continue
                failures += 1
                metrics.BATCH_RETRIES.labels(owned.topic, "failure").inc()
                log.exception("batch_failed")
                # What a flush rejects, such as an event that is too large, it would reject again.
                if failures < 2 and not isinstance(error, Rejected):
                    continue
                await self._give_up(owned, records, error)
                return
            return

    async def _give_up(self, owned: Owned, records: Sequence[Record], error: Exception) -> None:
        """After failing as a batch: one by one, and one that failed alone is put aside."""
        if len(records) > 1:
            for record in records:
                await self._settle(owned, [record])
            return
        reason, detail = "failed", f"{type(error).__name__} at every attempt"
        if isinstance(error, Rejected):
            reason, detail = error.reason, error.detail
        await self._bury(owned, records[0], reason, detail)

    async def _attempt(self, batch: Sequence[tuple[Owned, Sequence[Record]]]) -> None:
        """Handle the batch, or forget whatever of it is in memory."""
        try:
            with batch_span(
                batch[0][0].topic, lambda: (_traceparent(each) for _, records in batch for each in records)
            ):
                done, dead, published = await handle_batch(
                    self._pool, self._service, batch, limit_bytes=self._settings.event_limit_bytes
                )
        except BaseException:
            for owned, _ in batch:
                owned.forget()
            raise
        self._away_since = None
        if done:  # nothing is done by records that an earlier attempt had finished
            for owned, _ in batch:
                owned.overlong = 0
        if published:
            self._wakeups.wake()
        self._count(done, dead)

    async def _lighten(self, owned: Owned, records: Sequence[Record], error: Exception, seconds: float) -> bool:
        """Handle it otherwise, where the database may have ended a session because its decisions took too long.

        Several records are taken in halves. One that was tried several times is put aside, but only its decision is
        held against it, which waits for nothing: not a slow database. Returns whether the records are dealt with.
        """
        if len(records) > 1:
            if seconds <= _LONG_SECONDS:
                return False
            log.warning("batch_halved", error=repr(error))
            half = len(records) // 2
            await self._settle(owned, records[:half])
            await self._settle(owned, records[half:])
            return True
        if owned.decide_seconds <= _LONG_SECONDS:
            return False
        self._away_since = None  # it was there when the decision began
        owned.overlong += 1
        log.warning("decision_overlong", seconds=round(owned.decide_seconds, 1), attempt=owned.overlong)
        if owned.overlong < _OVERLONG_LIMIT:
            return False
        detail = f"deciding it alone takes {owned.decide_seconds:.1f} s, longer than a session may idle"
        await self._bury(owned, records[0], "too_long", detail)
        owned.overlong = 0
        return True

    async def _bury(self, owned: Owned, record: Record, reason: str, detail: str) -> None:
        await bury_record(self._pool, owned, record, reason, detail)
        self._count(1, 1)

    def _count(self, done: int, dead: int) -> None:
        """Progress, and the share of dead letters: past a ratio something is wrong with the topic or with this code."""
        self.processed += done
        self.last_progress = time.monotonic()
        if not done:
            return
        self._recent.append((done, dead))
        while sum(count for count, _ in self._recent) - self._recent[0][0] >= _RATIO_WINDOW:
            self._recent.popleft()
        total = sum(count for count, _ in self._recent)
        buried = sum(count for _, count in self._recent)
        if buried >= self._settings.dead_letter_minimum and buried > total * self._settings.dead_letter_ratio:
            raise Halted(
                "dead_letter_ratio",
                f"{buried} of the last {total} records became dead letters",
                "docs/operations/dead-letters.md",
            )

    def _patiently(self, *, as_member: bool = False) -> AsyncIterator[stamina.Attempt]:
        """Attempts with backoff, while nobody asks to stop, for as long as others hold what is needed or it is away.

        A membership ends where the infrastructure is away for `stalled_after_seconds`: others may reach it.
        """
        return stamina.retry_context(
            on=lambda error: self._note_away(error) and not (as_member and self._gives_up()),
            attempts=None,
            timeout=None,
            wait_initial=0.1,
            wait_max=3.0,
            wait_jitter=0.1,
        ).__aiter__()

    def _note_away(self, error: Exception) -> bool:
        if not _passes(error):
            return False
        now = time.monotonic()
        self.infrastructure_away, self.last_progress = True, now
        if is_infrastructure(error) and self._away_since is None:
            self._away_since = now
        log.warning("infrastructure_away", error=repr(error))
        return not self._stopping

    def _gives_up(self) -> bool:
        if self._away_since is None or time.monotonic() < self._away_since + self._settings.stalled_after_seconds:
            return False
        self.infrastructure_away = False  # a batch beside this one that hangs is to be seen
        return True

    async def unread(self) -> int:
        """Records of this service's topics, on every partition, that no owner has committed. Asks broker and database.

        Raises what asking raises; ConnectionError while the group is not joined.
        """
        if not self._ownership.joined:
            raise ConnectionError("the consumer has not joined its group")
        return await self._observer.unread(self._partitions)


def _passes(error: BaseException) -> bool:
    """Whether waiting helps: something is away, or others hold what is needed."""
    return is_infrastructure(error) or is_contention(error)


def _traceparent(record: Record) -> str | None:
    value = dict(record.headers).get("ce_traceparent")
    return None if value is None else value.decode("ascii", "replace")
