"""F11: a worker frozen past its session's end, in the middle of a batch; another takes over; the first one thaws."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import psutil
import pytest

from mentorstream_local.demo.facts import digest_state

if TYPE_CHECKING:
    from tests.faults.outcomes import Effort, Record
    from tests.faults.run import Run
    from tests.faults.system import FaultService, FaultSystem

_TAKEN_OVER_SECONDS: Final = 15.0
_WAIT_SECONDS: Final = 90.0


@pytest.mark.fault("F11")
async def test_a_zombie_writes_nothing(system: FaultSystem, run: Run, record: Record, effort: Effort) -> None:
    zombie = system.services["matching"]
    successor = await run.offline(system.add_worker, "matching")
    slowest, fenced = 0.0, 0
    # Inside a transaction it also holds locks that its successor needs.
    points = ("before_commit", "after_commit") if effort.long else ("before_commit",)
    for point in points * effort.rounds(1, 3):
        zombie.point = f"{point}:stop:1"
        await run.offline(zombie.restart)
        # Ids of programs are new each time: of so many some are on a partition of the one that freezes.
        load = run.load(people=effort.size(60, 300), programs=24)
        async with run.sending(load):
            await run.until(lambda: _is_frozen(zombie), f"matching freezes {point}")
            frozen = time.monotonic()
        await _until_read(system, successor)
        slowest = max(slowest, time.monotonic() - frozen)
        before = await digest_state(system.admin_url)
        await run.offline(zombie.thaw)
        await run.until(zombie.is_ready, "the zombie is among the living", look_seconds=0.2)
        await run.drain()
        after = await digest_state(system.admin_url)
        changed = {table for table in before if table.startswith("matching.") and before[table] != after[table]}
        assert changed == set(), "what was decided changed after the thaw"
        fenced += len(system.said("matching", "fenced"))
        await run.live(days=2)
    await run.check()
    record(slowest_takeover_seconds=slowest, fenced=fenced)
    assert slowest < effort.limit(_TAKEN_OVER_SECONDS)


def _is_frozen(service: FaultService) -> bool:
    process = service.process()
    return process is not None and process.status() == psutil.STATUS_STOPPED


async def _until_read(system: FaultSystem, successor: FaultService) -> None:
    """Wait until intake published everything and the successor's service read all of it, on every partition."""
    deadline = time.monotonic() + _WAIT_SECONDS
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(12)) as http:
        states: dict[str, Any] = {}
        while time.monotonic() < deadline:
            states = {each.name: await _state(http, each) for each in (system.services["intake"], successor)}
            outbox, lag = states["intake"].get("outbox"), states[successor.name].get("lag")
            if outbox == 0 and lag == 0:
                return
            await asyncio.sleep(0.05)
    raise TimeoutError(f"waited {_WAIT_SECONDS:.0f} s for: the successor has read everything; {states}")


async def _state(http: aiohttp.ClientSession, service: FaultService) -> dict[str, Any]:
    async with http.get(f"{service.metrics_url}/quiescence") as answer:
        state: dict[str, Any] = await answer.json()
        return state
