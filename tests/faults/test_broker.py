"""F3 and F4: the broker killed and restarted; the broker frozen and thawed. Partners must not notice either."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.outcomes import Effort, Record
    from tests.faults.run import Run
    from tests.faults.system import FaultSystem

_ACCEPTED: Final = 202


@pytest.mark.fault("F3")
async def test_a_killed_broker_comes_back(system: FaultSystem, run: Run, record: Record, effort: Effort) -> None:
    taken, drained = 0, 0.0
    rounds = effort.rounds(1, 5)
    for _ in range(rounds):
        accepted, seconds = await _without(run, system.broker.kill, system.broker.restart, 0.0)
        taken, drained = taken + accepted, max(drained, seconds)
        await run.live(days=2)
    await run.check()
    record(rounds=rounds, accepted_while_away=taken, slowest_drain_seconds=drained)


@pytest.mark.fault("F4")
async def test_a_frozen_broker_thaws(system: FaultSystem, run: Run, record: Record, effort: Effort) -> None:
    frozen_seconds = effort.size(7, 30)
    accepted, drained = await _without(run, system.broker.freeze, system.broker.thaw, frozen_seconds)
    silent = [name for name in ("matching", "scheduling", "notifications") if system.said(name, "broker_silent")]
    await run.live(days=2)
    await run.check()
    assert silent, "nobody said that the broker was silent"
    record(frozen_seconds=frozen_seconds, accepted_while_away=accepted, drain_seconds=drained)


async def _without(
    run: Run, away: Callable[[], object], back: Callable[[], object], seconds: float
) -> tuple[int, float]:
    """Send a load, half of it while the broker is away for `seconds` at least.

    Returns how many requests were accepted meanwhile, and how long the drain took from its return on.
    """
    load, rest = run.load(people=90), asyncio.Event()
    async with run.sending(load, rest=rest):
        await run.until_accepted(load, share=0.2)
        await run.offline(away)
        gone = time.monotonic()
        rest.set()
        await run.until_accepted(load, share=0.8)
        await asyncio.sleep(max(0.0, gone + seconds - time.monotonic()))  # how long it is away is the fault itself
        statuses = [answer.status for answer in run.driver.answers if answer.at - answer.seconds > gone]
        returned = time.monotonic()
        await run.offline(back)
    await run.drain()
    assert set(statuses) == {_ACCEPTED}, "intake needs no broker to accept"
    return len(statuses), time.monotonic() - returned
