"""The driven clock: business time moves only when nothing is left to do, so every run goes the same way.

Each service tells at `/quiescence` what it has still to do. Time may move once all of them say twice, with unchanged
counters, that nothing is: one look is not enough, because what one service had just finished may be on its way to one
that was asked before. While some are still at work only those are asked, for a look costs every service something.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import aiohttp
import asyncpg

_SETTLE_SECONDS: Final = 180.0
_FIRST_PAUSE_SECONDS: Final = 0.01
_LONGEST_PAUSE_SECONDS: Final = 0.08


class NotSettledError(RuntimeError):
    """The services went on working, or could not tell, for longer than anything in the demo takes."""


class DrivenTime:
    """Moves business time for services whose addresses of health are given."""

    def __init__(self, clock: asyncpg.Connection[asyncpg.Record], services: Mapping[str, str]) -> None:
        self._clock = clock
        self._services = services
        # Asked some ten times a second: aiohttp's client needs a fifth of the processor time of httpx's for that.
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(15))
        self.now: datetime | None = None

    async def close(self) -> None:
        """Close the connections to the services."""
        await self._http.close()

    async def set(self, now: datetime) -> None:
        """Make it this time, and tell everybody who waits for time to pass."""
        async with self._clock.transaction():
            await self._clock.execute(
                "INSERT INTO clock.business_time (now) VALUES ($1) ON CONFLICT (only_row) DO UPDATE SET now = $1", now
            )
            await self._clock.execute("NOTIFY business_time")
        self.now = now

    async def settle(self) -> datetime | None:
        """Wait until nothing is left to do now. Returns the next time at which something is due, if any.

        Raises NotSettledError with what each service last said.
        """
        deadline = time.monotonic() + _SETTLE_SECONDS
        before: list[Any] | None = None
        while True:
            states = await self._look(self._services)
            busy = [name for name, state in states.items() if not _is_idle(state)]
            if not busy:
                counters = [(state["processed"], state["taken"]) for state in states.values()]
                if counters == before:
                    dues = [datetime.fromisoformat(state["next_due"]) for state in states.values() if state["next_due"]]
                    return min(dues, default=None)
                before = counters
                continue
            before = None
            await self._wait_for(busy, deadline)

    async def _wait_for(self, busy: Collection[str], deadline: float) -> None:
        """Wait until those who were busy are not, each at its own moment; what they caused is for the next full look.

        Raises NotSettledError at the deadline.
        """
        pause = _FIRST_PAUSE_SECONDS
        while busy:
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            states = await self._look([name for name in busy if name in self._services])  # they may come and go
            busy = [name for name, state in states.items() if not _is_idle(state)]
            if busy and time.monotonic() > deadline:
                said = "; ".join(f"{name}: {state}" for name, state in (await self._look(self._services)).items())
                raise NotSettledError(f"not settled within {_SETTLE_SECONDS:.0f} s: {said}")

    async def _look(self, names: Collection[str]) -> dict[str, dict[str, Any]]:
        """What the services of these names say, all asked at once."""
        addresses = {name: self._services[name] for name in names}
        said = await asyncio.gather(*map(self._ask, addresses.values()))
        return dict(zip(addresses, said, strict=True))

    async def _ask(self, url: str) -> dict[str, Any]:
        try:
            async with self._http.get(f"{url}/quiescence") as answer:
                state: dict[str, Any] = await answer.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            return {"unknown": type(error).__name__}
        return state


def next_step(now: datetime, due: datetime | None, until: datetime, step: timedelta) -> datetime:
    """The next time to move to: the first step at or after what is due next, and never beyond `until`."""
    if due is None:
        return until
    steps = max(1, -(-(due - now) // step))
    return min(until, now + steps * step)


def _is_idle(state: Mapping[str, Any]) -> bool:
    return "unknown" not in state and not (state["lag"] or state["outbox"] or state["due"])
