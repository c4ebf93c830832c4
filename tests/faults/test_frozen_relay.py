"""F17: a relay frozen with records in its hands, succeeded by another one, thaws and sends what is long overtaken."""

from __future__ import annotations

import contextlib
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import psutil
import pytest
from tests.support.records import eventually

from mentorstream_events import TOPICS
from mentorstream_local.records import read_records

if TYPE_CHECKING:
    from tests.faults.outcomes import Effort, Record
    from tests.faults.run import Run
    from tests.faults.system import FaultService, FaultSystem

pytestmark = pytest.mark.fault("F17")
_TAKEN_OVER_SECONDS: Final = 60.0
_STEP_SECONDS: Final = 5.0
_MOST_STEPS: Final = 60
# Small batches, so that a load is many of them; a short lease, so that the test need not wait for the real one.
_RELAYS: Final = {"MENTORSTREAM_RELAY_BATCH": "10", "MENTORSTREAM_LANE_LEASE_SECONDS": "2"}


async def test_a_relay_frozen_mid_batch_overwrites_nothing_newer_when_it_thaws(
    system: FaultSystem, run: Run, record: Record, effort: Effort
) -> None:
    repeats: dict[str, int] = {}
    for service in ("intake", "matching", "scheduling", "feedback", "notifications")[: effort.size(1, 5)]:
        first = system.services[service]
        first.variables |= _RELAYS
        if service == "notifications":
            system.resends += 2
        await run.offline(first.restart)
        frozen = await run.offline(system.add_worker, service, variables=_RELAYS)
        frozen.point = f"before_acknowledgement:stop:{run.random.randint(3, 9)}"
        await run.offline(frozen.restart)
        before = await _repeats(system, service)
        load = run.load(people=effort.size(90, 200))
        async with run.sending(load):
            await _until_frozen(run, frozen)
            await _until_published(run, service)
        await _until_published(run, service)
        frozen.thaw()
        await run.drain()
        repeats[service] = await _repeats(system, service) - before
        assert repeats[service] > 0, "what it held is published a second time, or nothing was tested"
        await run.live(days=3)
        await run.offline(system.remove, frozen.name)
    await run.check()
    record(published_again=repeats)


async def _until_frozen(run: Run, worker: FaultService) -> None:
    """Time passes meanwhile: feedback publishes once meetings were held. Nobody is waited for, for it may be frozen."""
    for _ in range(_MOST_STEPS):
        with contextlib.suppress(TimeoutError):
            await run.until(lambda: _is_frozen(worker), "it freezes", seconds=_STEP_SECONDS)
            return
        await run.move_to(run.system.now + timedelta(hours=12))
        await run.answer()
    raise AssertionError(f"{worker.name} published too little to freeze at {worker.point}")


def _is_frozen(service: FaultService) -> bool:
    process = service.process()
    return process is not None and process.status() == psutil.STATUS_STOPPED


async def _until_published(run: Run, service: str) -> None:
    """Wait until nothing is left in the service's outbox: its other relay has taken all lanes over."""
    async with run.connection() as connection:

        async def empty() -> bool:
            return not await connection.fetchval(f"SELECT EXISTS (SELECT FROM {service}.outbox)")

        await eventually(empty, what=f"the outbox of {service} is empty", seconds=_TAKEN_OVER_SECONDS)


async def _repeats(system: FaultSystem, service: str) -> int:
    """Records that were published a second time."""
    wiring = system.wiring
    found: Counter[tuple[str, bytes | None, bytes]] = Counter()
    for topic in TOPICS:
        if service in topic.producers:
            for each in await read_records(wiring.servers.kafka_bootstrap, wiring.topic_prefix, topic.name):
                headers = dict(each.headers)
                if headers.get("ce_source") == service.encode():
                    found[topic.name, each.key, headers["ce_sequence"]] += 1
    return sum(count - 1 for count in found.values())
