"""F1: every worker killed with SIGKILL under load, at random moments and at the points that hurt."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.faults.outcomes import Effort, Record
    from tests.faults.run import Run
    from tests.faults.system import FaultSystem

pytestmark = pytest.mark.fault("F1")
_RECOVERED_SECONDS = 30.0


async def test_all_killed_at_random_moments_under_load(
    system: FaultSystem, run: Run, record: Record, effort: Effort
) -> None:
    slowest = 0.0
    rounds = effort.rounds(2, 20)
    for _ in range(rounds):
        load = run.load(people=effort.size(90, 150))
        async with run.sending(load):
            await run.until_accepted(load, share=run.random.uniform(0.05, 0.8))
            await asyncio.sleep(run.random.uniform(0, 0.3))  # the moment is what is random
            await run.offline(system.kill_all)
            system.resends += 1
            back = time.monotonic()
            await run.offline(system.start_all)
        await run.drain()
        slowest = max(slowest, time.monotonic() - back)
        await run.live(days=2)
    await run.check()
    record(rounds=rounds, slowest_restart_and_drain_seconds=slowest)
    assert slowest < effort.limit(_RECOVERED_SECONDS)
