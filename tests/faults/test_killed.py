"""F1: every worker killed with SIGKILL under load, at random moments and at the points where it hurts most."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

import pytest

from mentorstream_local.daemons import StartError

if TYPE_CHECKING:
    from random import Random

    from tests.faults.outcomes import Effort, Record
    from tests.faults.run import Run
    from tests.faults.system import FaultService, FaultSystem

pytestmark = pytest.mark.fault("F1")
_RECOVERED_SECONDS: Final = 30.0
_OF_A_BATCH: Final = ("before_commit", "after_commit", "before_kafka_commit")
_OF_A_RELAY: Final = ("before_acknowledgement", "after_acknowledgement")
# Each point in one service at least, all in one go: a service with two dies again once it is back.
_AT_ONCE: Final = {
    "intake": ["before_acknowledgement"],
    "matching": ["before_commit", "after_commit"],
    "scheduling": ["after_acknowledgement"],
    "feedback": ["before_kafka_commit"],
    "notifications": ["after_smtp_data"],
}
# Which service passes which points while people register.
_POINTS: Final = {
    "intake": _OF_A_RELAY,
    "matching": (*_OF_A_BATCH, *_OF_A_RELAY),
    "scheduling": (*_OF_A_BATCH, *_OF_A_RELAY),
    "feedback": _OF_A_BATCH,
    "notifications": (*_OF_A_BATCH, "after_smtp_data"),
}


async def test_all_killed_at_random_moments_under_load(
    system: FaultSystem, run: Run, record: Record, effort: Effort
) -> None:
    slowest = 0.0
    rounds = effort.rounds(1, 20)
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


async def test_killed_at_named_points(system: FaultSystem, run: Run, record: Record, effort: Effort) -> None:
    rounds = effort.rounds(1, 10)
    slowest = 0.0
    for number in range(rounds):
        chosen = _AT_ONCE if number == 0 else _some_of_each(run.random)
        slowest = max(slowest, await _die_at(system, run, chosen))
        await run.live(days=2)
    await run.check()
    record(rounds=rounds, slowest_drain_seconds=slowest)
    assert slowest < effort.limit(_RECOVERED_SECONDS)


def _some_of_each(random: Random) -> dict[str, list[str]]:
    return {service: random.sample(points, 2) for service, points in _POINTS.items()}


async def _die_at(system: FaultSystem, run: Run, chosen: Mapping[str, list[str]]) -> float:
    """Let each of these services die at its points under load, start them again, drain. Returns how long that took."""
    for service in chosen:
        await run.offline(system.services[service].kill)
        system.services[service].point = f"{chosen[service][0]}:kill:{run.random.randint(1, 2)}"
    async with asyncio.TaskGroup() as group:
        for service in chosen:
            group.create_task(_start_armed(run, system.services[service]))
    load = run.load(people=60)
    async with run.sending(load), asyncio.TaskGroup() as group:
        for service, points in chosen.items():
            system.resends += len(points)
            group.create_task(_start_again(run, system.services[service], points))
    back = time.monotonic()
    await run.drain()
    return time.monotonic() - back


async def _start_again(run: Run, process: FaultService, points: list[str]) -> None:
    """Wait until it died at its point, and start it for the next: those behind it wait for what it has to say."""
    for point, then in zip(points, [*points[1:], None], strict=True):
        await _until_dead(run, process, point)
        assert process.exit_code == -signal.SIGKILL, f"{process.name} ended otherwise, {point}"
        process.point = None if then is None else f"{then}:kill:1"
        if then is None:
            await run.offline(process.start)
        else:
            await _start_armed(run, process)


async def _until_dead(run: Run, process: FaultService, point: str) -> None:
    """In the life before it may have done all that there was to do, and pass its point no more: then there is more."""
    dies = partial(run.until, lambda: process.process() is None, f"{process.name} dies {point}")
    for _ in range(2):
        with contextlib.suppress(TimeoutError):
            await dies(seconds=15)
            return
        await run.send(run.load(people=12))
    await dies(seconds=60)


async def _start_armed(run: Run, process: FaultService) -> None:
    """Start it; where something waits for it, it may pass its point before it is ready."""
    with contextlib.suppress(StartError):
        await run.offline(process.start)
