"""How much of its topics a service has not read yet, whoever owns the partitions. Takes no record itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition

from . import positions
from .broker import new_observer, stop_client
from .database import Pool
from .settings import RuntimeSettings


class Observer:
    """A connection of its own for asking about offsets: the broker answers one request of a connection at a time, and
    the consumer's own always has a fetch that waits for records."""

    def __init__(self, settings: RuntimeSettings, pool: Pool) -> None:
        self._settings = settings
        self._pool = pool
        self._client: AIOKafkaConsumer | None = None
        self._opening = asyncio.Lock()

    async def unread(self, partitions: Sequence[TopicPartition]) -> int:
        """Records of these partitions that no owner has committed. Raises what asking broker and database raises."""
        client = await self._open()
        ends = await client.end_offsets(partitions)
        places = await positions.read_places(self._pool, self._settings.topic_prefix)
        if missing := [partition for partition in partitions if partition not in places]:
            places |= await client.beginning_offsets(missing)
        return sum(max(0, end - places[partition]) for partition, end in ends.items())

    async def close(self) -> None:
        """Give the connection back; asking again opens another."""
        client, self._client = self._client, None
        if client is not None:
            await stop_client(client)

    async def _open(self) -> AIOKafkaConsumer:
        async with self._opening:
            if self._client is None:
                client = new_observer(self._settings)
                try:
                    await client.start()
                except BaseException:
                    await stop_client(client)
                    raise
                self._client = client
            return self._client
