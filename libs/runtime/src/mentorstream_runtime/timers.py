"""Timers: take what is due by business time, batch by batch, under the same locks as the consumer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import structlog

from . import metrics
from .clock import Clock
from .errors import is_conflict, is_infrastructure
from .settings import RuntimeSettings
from .wakeups import Wakeups, wait_for

log = structlog.get_logger(__name__)


class Timer(Protocol):
    """Work that business time makes due."""

    name: str

    async def run_due(self, now: datetime) -> int:
        """Take at most a bounded batch of what is due, in transactions of its own. Returns how many it took."""
        ...

    async def next_due(self) -> datetime | None:
        """Business time of the earliest item that waits; None where nothing waits."""
        ...


class Timers:
    """Runs a service's timers until `stop`; one failing timer does not hold up the others."""

    def __init__(self, settings: RuntimeSettings, clock: Clock, wakeups: Wakeups, timers: Sequence[Timer]) -> None:
        self._settings = settings
        self._clock = clock
        self._wakeups = wakeups
        self._timers = timers
        self._stopping = False
        self.taken = 0

    def stop(self) -> None:
        """Finish the batch under way, then end `run`."""
        self._stopping = True
        self._wakeups.clock.set()

    async def run(self) -> None:
        """Look for due work every `timer_seconds`, and at once when the driven clock moves."""
        while not self._stopping:
            for timer in self._timers:
                await self._run(timer)
            await wait_for(self._wakeups.clock, self._settings.timer_seconds)

    async def _run(self, timer: Timer) -> None:
        with structlog.contextvars.bound_contextvars(timer=timer.name):
            await self._run_due(timer)

    async def _run_due(self, timer: Timer) -> None:
        try:
            while not self._stopping:
                count = await timer.run_due(await self._clock.now())
                if count == 0:
                    return
                self.taken += count
                metrics.TIMER_RUNS.labels(timer.name).inc(count)
                self._wakeups.wake()
        except Exception as error:
            # Nothing was done: its transaction is gone. The next look, a second later, is the retry.
            expected = is_infrastructure(error) or is_conflict(error)
            metrics.TIMER_FAILURES.labels(timer.name, type(error).__name__).inc()
            log.warning("timer_failed", error=repr(error), exc_info=not expected)
            await asyncio.sleep(0.05)

    async def next_due(self) -> datetime | None:
        """The earliest business time for which any timer waits."""
        dues = [due for timer in self._timers if (due := await timer.next_due()) is not None]
        return min(dues, default=None)
