"""Wakes sleeping loops when there is work, in this process at once and in others by NOTIFY.

NOTIFY is sent after the commit, on a connection of its own and at most one at a time: inside the transaction it would
put all commits of the database in one queue. A lost one costs a second, because every loop also looks by itself. Where
this process's relay has all lanes nobody else has anything to publish, and none is sent.
"""

from __future__ import annotations

import asyncio
import contextlib

import asyncpg
import structlog

from .database import SESSION_SETTINGS
from .errors import is_infrastructure

log = structlog.get_logger(__name__)
BUSINESS_TIME_CHANNEL = "business_time"


class Wakeups:
    """One LISTEN connection of a process. `outbox` and `clock` are set when there is news and cleared by who waits."""

    def __init__(self, url: str, service: str) -> None:
        self._url = url
        self._channel = f"{service}_outbox"
        self._dirty = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        # Whether the relay of this process has all lanes.
        self.alone = False
        self.outbox = asyncio.Event()
        self.clock = asyncio.Event()

    def wake(self) -> None:
        """Events were committed to the outbox: relays here and elsewhere look now."""
        self.outbox.set()
        if not self.alone:
            self._dirty.set()

    def start(self) -> None:
        """Begin to listen; reconnects by itself."""
        self._task = asyncio.create_task(self._run(), name="wakeups")

    async def stop(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            try:
                await self._listen()
            except Exception as error:
                if not is_infrastructure(error):
                    log.exception("wakeups_failed", error=repr(error))
            await asyncio.sleep(1.0)

    async def _listen(self) -> None:
        connection = await asyncpg.connect(
            self._url, timeout=5, command_timeout=5, server_settings={**SESSION_SETTINGS, "application_name": "wakeups"}
        )
        lost = asyncio.Event()

        def on_lost(_connection: object) -> None:
            lost.set()
            self._dirty.set()

        connection.add_termination_listener(on_lost)
        try:
            await connection.add_listener(self._channel, lambda *_: self.outbox.set())
            await connection.add_listener(BUSINESS_TIME_CHANNEL, lambda *_: self.clock.set())
            self.outbox.set()
            self.clock.set()
            while not lost.is_set():
                await self._dirty.wait()
                self._dirty.clear()
                if not lost.is_set():
                    await connection.execute("SELECT pg_notify($1, '')", self._channel)
        finally:
            connection.terminate()


async def wait_for(event: asyncio.Event, seconds: float) -> None:
    """Wait until the event is set or the time is over, and clear it."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    event.clear()
