"""A service run inside a test, at the test's own database and topics, with a clock that the test moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import asyncpg
from tests.support.records import eventually, publish, read_events

from mentorstream_events import Event, Value
from mentorstream_runtime.process import Process
from mentorstream_runtime.settings import RuntimeSettings

if TYPE_CHECKING:
    from datetime import datetime

    import httpx
    from tests.support.shared_servers import Database

    from mentorstream_local.stack import Servers

SettingsT = TypeVar("SettingsT", bound=RuntimeSettings)
ValueT = TypeVar("ValueT", bound=Value)
LINK_SECRETS = ["test-link-secret-of-some-length"]


def settings_for(
    settings_class: type[SettingsT],
    servers: Servers,
    database: Database,
    topic_prefix: str,
    *,
    service: str,
    **overrides: Any,
) -> SettingsT:
    """Settings of one service on free ports, with a short group session so that a take-over does not take long."""
    values: dict[str, Any] = {
        "kafka_bootstrap": servers.kafka_bootstrap,
        "topic_prefix": topic_prefix,
        "topic_partitions": 0,
        "database_url": database.url(f"mentorstream_{service}_worker"),
        "api_database_url": database.url(f"mentorstream_{service}_api"),
        "http_port": 0,
        "metrics_port": 0,
        "link_secrets": LINK_SECRETS,
        "session_timeout_ms": 2000,
        "timer_seconds": 0.1,
        **overrides,
    }
    return settings_class(**values)


@dataclass
class RunningService(Generic[SettingsT]):
    """A running service and what the tests of every service do with it. `others` are more workers of it.

    `name` is the service's and its schema's, `emits` the topic that its tests look at.
    """

    name: ClassVar[str]
    emits: ClassVar[str]

    process: Process[SettingsT]
    client: httpx.AsyncClient
    servers: Servers
    database: Database
    topic_prefix: str
    others: tuple[Process[SettingsT], ...] = ()

    async def move_clock(self, now: datetime) -> None:
        """Set business time and wait until all that is due then was done."""
        await set_clock(self.database, now)
        await self.settle()

    async def publish(self, *events: Event[Value]) -> None:
        """Publish events as they are, and wait until the service has handled all and published what follows."""
        await publish(self.servers.kafka_bootstrap, self.topic_prefix, events)
        await self.settle()

    async def settle(self) -> None:
        """Wait until nothing is left to do."""
        await eventually(self._idle, what="nothing to read, nothing due, outboxes empty")

    async def _idle(self) -> bool:
        # What is due becomes events, events become records, and records, once handled, may make something due: looked
        # at in this order nothing slips through but by a batch, of whichever worker, that ended meanwhile. The database
        # tells of all workers' batches, also of such as this test has no hold of.
        before = await self._positions()
        for process in (self.process, *self.others):
            consumer, relay, timers = process.consumer, process.relay, process.timers
            assert consumer is not None
            assert relay is not None
            assert timers is not None
            due = await timers.next_due()
            if not consumer.ready or (due is not None and due <= await process.runtime.clock.now()):
                return False
            if await relay.depth() or await consumer.unread():
                return False
        return await self._positions() == before

    async def _positions(self) -> list[asyncpg.Record]:
        """How far each partition was read, whoever read it."""
        query = "SELECT topic, partition, next_offset FROM consumer_position ORDER BY topic, partition"
        return await self.process.runtime.pool.fetch(query)

    async def events(self, kind: type[ValueT], topic: str = "") -> list[ValueT]:
        """All events of one kind, in order within each key."""
        return [item.data for item in await self.published(topic) if isinstance(item.data, kind)]

    async def published(self, topic: str = "") -> list[Event[Value]]:
        """All events of a topic, key by key."""
        found = await read_events(self.servers.kafka_bootstrap, self.topic_prefix, topic or self.emits)
        return sorted(found, key=lambda item: item.key)  # a stable sort: in order within each

    async def rows(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """Look into the service's schema, as the database's superuser."""
        connection = await asyncpg.connect(self.database.admin_url)
        try:
            await connection.execute(f"SET search_path = {self.name}, public")
            return await connection.fetch(query, *arguments)
        finally:
            await connection.close()


async def set_clock(database: Database, now: datetime, *, only_if_unset: bool = False) -> None:
    """Set the driven clock and wake who waits for it."""
    connection = await asyncpg.connect(database.url("mentorstream_clock"))
    try:
        action = "NOTHING" if only_if_unset else "UPDATE SET now = excluded.now"
        await connection.execute(
            f"INSERT INTO clock.business_time (now) VALUES ($1) ON CONFLICT (only_row) DO {action}", now
        )
        await connection.execute("NOTIFY business_time")
    finally:
        await connection.close()
