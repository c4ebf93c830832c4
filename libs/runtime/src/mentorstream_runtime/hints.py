"""What Kafka is told of how far a group is: for lag monitors, and for a restore of a database that has forgotten it.

Nothing that runs depends on it. A restore takes it for certain that everything below was decided and that what came of
it is on the topics, so an offset is committed only after both: the commit of its batch, and the acknowledgement of
every event that was in the outbox then. It never goes back: a database that was put back, and begins to work before it
is restored, may not erase what the lost one has told.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from . import points
from .batch import Owned
from .database import Pool
from .errors import is_contention, is_infrastructure

log = structlog.get_logger(__name__)
_EVERY_SECONDS: Final = 1.0
_LAST_SECONDS: Final = 2.0
_LOOK_SECONDS: Final = 0.05
_OUTBOX: Final = "SELECT min(position) AS first, max(position) AS last FROM outbox"


class Hints:
    """Of one membership. `tell` whenever there is a moment, `tell_all` at its end."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._told: dict[TopicPartition, int] = {}
        # To be told as soon as the outbox is beyond the row that was its last when these were noted.
        self._noted: dict[TopicPartition, int] = {}
        self._last = 0
        self._tell_after = 0.0

    async def tell(self, consumer: AIOKafkaConsumer, owned: Mapping[TopicPartition, Owned]) -> None:
        """Look whether there is something to tell, once a second at most."""
        if time.monotonic() >= self._tell_after and self._untold(owned):
            self._tell_after = time.monotonic() + _EVERY_SECONDS
            await self._tell(consumer, owned)

    async def tell_all(self, consumer: AIOKafkaConsumer, owned: Mapping[TopicPartition, Owned]) -> None:
        """Tell everything, if the relay publishes what is decided within moments, and nothing is away."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_SECONDS):
                while self._untold(owned):
                    if not await self._tell(consumer, owned):
                        return
                    await asyncio.sleep(_LOOK_SECONDS)

    def _untold(self, owned: Mapping[TopicPartition, Owned]) -> dict[TopicPartition, int]:
        return {
            partition: each.next_offset
            for partition, each in owned.items()
            if each.next_offset > self._told.get(partition, 0)
        }

    async def _tell(self, consumer: AIOKafkaConsumer, owned: Mapping[TopicPartition, Owned]) -> bool:
        """Tell what is published by now. Returns whether database and broker answered."""
        untold = self._untold(owned)
        try:
            # Bounded, because aiokafka tries again for as long as the broker is away.
            async with asyncio.timeout(_EVERY_SECONDS):
                published = await self._published(untold)
                ours = [each for each in published if each in untold and each in consumer.assignment()]
                for partition in ours:
                    if partition not in self._told:
                        self._told[partition] = await consumer.committed(partition) or 0
                offsets = {each: published[each] for each in ours if published[each] > self._told[each]}
                if offsets:
                    points.reach("before_kafka_commit")
                    await consumer.commit(offsets)
                    self._told.update(offsets)
        except Exception as error:
            if not (isinstance(error, KafkaError) or is_infrastructure(error) or is_contention(error)):
                raise
            log.debug("offset_hint_failed", error=repr(error))
            return False
        return True

    async def _published(self, decided: dict[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Of what was decided by now, or at an earlier look, that which waits in the outbox no more."""
        outbox = await self._pool.fetchrow(_OUTBOX)
        assert outbox is not None  # noqa: S101 - an aggregate has one row
        if outbox["first"] is None:
            self._noted = {}
            return decided
        published: dict[TopicPartition, int] = {}
        if outbox["first"] > self._last:
            published, self._noted = self._noted, {}
        if not self._noted:
            self._noted, self._last = decided, outbox["last"]
        return published
