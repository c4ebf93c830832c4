"""The Faust application: one agent over all topics, in this process's own event loop.

Faust leaves nothing behind: no web server, no tables, no topics, no directory; the group has a new name at each start,
and Faust commits no offset. Concurrency is 1: records of a partition keep their order. The agent hands each record to a
reader that never raises, because Faust acknowledges, and so loses, the event of an agent that raised.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final, Protocol
from uuid import uuid4

import faust
import structlog

from mentorstream_runtime.settings import ProcessSettings
from pulse.entrypoints.reader import Record

log = structlog.get_logger(__name__)
_LOOK_SECONDS: Final = 0.5
_NEVER_SECONDS: Final = 10 * 365 * 86_400.0


class _Events(Protocol):
    """A Faust stream, as far as the agent uses it."""

    def events(self) -> AsyncIterator[Any]: ...


class _App(faust.App):
    async def on_first_start(self) -> None:
        """Make no data directory: there are no tables to keep in it."""


class Stream:
    """Reads topics from where its group stands, and hands every record to `take`, which must not raise."""

    def __init__(self, settings: ProcessSettings, topics: Sequence[str], take: Callable[[Record], None]) -> None:
        session_seconds = settings.session_timeout_ms / 1000
        self.group = f"{settings.topic_prefix}pulse-{uuid4()}"
        self.app = _App(
            self.group,
            broker=[f"kafka://{server.strip()}" for server in settings.kafka_bootstrap.split(",")],
            broker_client_id=settings.instance,
            broker_session_timeout=session_seconds,
            broker_heartbeat_interval=session_seconds / 5,
            broker_commit_interval=_NEVER_SECONDS,
            consumer_auto_offset_reset="earliest",
            key_serializer="raw",
            value_serializer="raw",
            autodiscover=False,
            stream_wait_empty=False,  # what is not counted yet at a stop will be read again anyhow
            topic_allow_declare=False,
            topic_disable_leader=True,
            web_enabled=False,
        )
        # Without acknowledgements Faust tracks no offsets, and has none to commit.
        channel = self.app.topic(*(settings.topic_prefix + name for name in topics), acks=False)

        async def count(stream: _Events) -> None:
            async for event in stream.events():
                take(event.message)

        self.app.agent(channel, name="pulse", concurrency=1)(count)
        self.reads = False

        async def note(_app: Any, /, *assigned: Any, **_named: Any) -> None:
            self.reads = any(assigned)

        # Who joins while a broker starts may be given nothing, for ever: Faust takes its topics for missing then.
        self.app.on_partitions_assigned.connect(note)

    async def start(self) -> None:
        """Join the group; records come from then on. Raises KafkaError."""
        await self.app.start()

    async def run(self) -> None:
        """Wait until `stop`. Raises RuntimeError when Faust gave up: the process has to start anew."""
        # Polled: without a worker of its own, Faust tells nobody that it crashed.
        while not self.app.crashed:
            if self.app.should_stop:
                return
            await asyncio.sleep(_LOOK_SECONDS)
        raise RuntimeError("the stream crashed") from self.app.crash_reason

    async def stop(self) -> None:
        """Leave the group."""
        await self.app.stop()
