"""Reads on while a batch is handled, so that the next one takes all that has come by then.

By itself aiokafka asks a broker for nothing more while it holds records that nobody took. What comes after the first
record of a turn would then be asked for in the next turn, and be handled in the one after that.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from .batch import Record

log = structlog.get_logger(__name__)
_WAIT_MS: Final = 250
_POLL_SECONDS: Final = 1.0


class Reading:
    """The records of one membership of the group, at most `limit` at a time."""

    def __init__(self, consumer: AIOKafkaConsumer, limit: int) -> None:
        self._consumer = consumer
        self._limit = limit
        self._ahead: dict[TopicPartition, list[Record]] = {}
        self._failure: Exception | None = None

    async def take(self) -> dict[TopicPartition, list[Record]]:
        """What was read ahead, or else what comes within a quarter of a second. Raises what reading raises."""
        ahead, self._ahead = self._ahead, {}
        if ahead:
            return ahead
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        try:
            # Bounded, because aiokafka waits for the end of a rebalance, however long. What a cut-off call had taken
            # is fetched again: `Ownership.in_place` sees that it is missing.
            async with asyncio.timeout(_POLL_SECONDS):
                fetched: dict[TopicPartition, list[Record]] = await self._consumer.getmany(
                    timeout_ms=_WAIT_MS, max_records=self._limit
                )
        except TimeoutError:
            log.debug("rebalance_under_way")
            return {}
        return fetched

    @contextlib.asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """Read ahead meanwhile."""
        reading = asyncio.create_task(self._read_on(), name="read-ahead")
        try:
            yield
        finally:
            reading.cancel()
            await asyncio.wait({reading})

    async def _read_on(self) -> None:
        try:
            while (room := self._limit - sum(map(len, self._ahead.values()))) > 0:
                fetched = await self._consumer.getmany(timeout_ms=_WAIT_MS, max_records=room)
                followed = [self._keep(partition, records) for partition, records in fetched.items()]
                if not all(followed):
                    return
        except Exception as error:
            self._failure = error

    def _keep(self, partition: TopicPartition, records: list[Record]) -> bool:
        """Keep what follows on; returns whether it does.

        Other records are read again, in place: the group may have begun anew meanwhile, or compaction left a gap.
        """
        kept = self._ahead.setdefault(partition, records)
        if kept is records:
            return True
        follows: bool = records[0].offset == kept[-1].offset + 1
        if follows:
            kept.extend(records)
        return follows
