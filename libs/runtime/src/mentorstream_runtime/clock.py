"""Business time as a port: the database's clock in production, a moved one in demo and tests.

Only business time comes from here. Time-outs, retries, leases and watchdogs are always real time. A decision never
asks the clock: its `now` is an argument.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .database import Pool

_RESYNC_SECONDS = 10.0


class Clock(Protocol):
    """Tells business time."""

    async def now(self) -> datetime:
        """The current business time, aware, in UTC."""
        ...


class DatabaseClock:
    """The database's time, carried between readings by the monotonic clock: a host's wall clock plays no part."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._base: datetime | None = None
        self._read_at = 0.0
        self._lock = asyncio.Lock()

    async def now(self) -> datetime:
        """The database's time; read at most every ten seconds."""
        elapsed = time.monotonic() - self._read_at
        if self._base is None or elapsed > _RESYNC_SECONDS:
            async with self._lock:
                elapsed = time.monotonic() - self._read_at
                if self._base is None or elapsed > _RESYNC_SECONDS:
                    base = await self._pool.fetchval("SELECT clock_timestamp()")
                    self._read_at, elapsed = time.monotonic(), 0.0
                    self._base = base.astimezone(UTC)
        assert self._base is not None  # noqa: S101 - set above, under the lock
        return self._base + timedelta(seconds=elapsed)


class DrivenClock:
    """Time that a driver moves (table clock.business_time). Read at each call, so that no one sees an old time."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def now(self) -> datetime:
        """The driven time. Raises LookupError when no driver has set one."""
        value = await self._pool.fetchval("SELECT now FROM clock.business_time")
        if value is None:
            raise LookupError("clock.business_time is empty: the driven clock was never set")
        now: datetime = value.astimezone(UTC)
        return now
