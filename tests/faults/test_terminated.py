"""F2: SIGTERM to everything in the middle of the load, as an upgrade or a node that is drained sends it."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import pytest

from mentorstream_local.records import read_records

if TYPE_CHECKING:
    from tests.faults.outcomes import Effort, Record
    from tests.faults.run import Run
    from tests.faults.system import FaultService, FaultSystem

_ENDED_SECONDS: Final = 10.0
_TOPICS: Final = ("registrations", "people", "matches", "meetings", "notifications")
_READERS: Final = ("matching", "scheduling", "feedback", "notifications")


@pytest.mark.fault("F2")
async def test_all_end_in_time_and_nothing_is_done_again(
    system: FaultSystem, run: Run, record: Record, effort: Effort
) -> None:
    slowest = 0.0
    rounds = effort.rounds(1, 10)
    for _ in range(rounds):
        repeated = await _published_twice(system)
        load = run.load(people=effort.size(90, 200))
        async with run.sending(load):
            await run.until_accepted(load, share=run.random.uniform(0.2, 0.7))
            ended = await run.offline(_terminate_all, system)
            assert {name: code for name, (code, _) in ended.items()} == dict.fromkeys(system.services, 0)
            slowest = max(slowest, *(seconds for _, seconds in ended.values()))
            await run.offline(system.start_all)
        await run.drain()
        assert await _published_twice(system) == repeated
        read_again = {name: system.metric(name, "mentorstream_records_total", outcome="repeated") for name in _READERS}
        assert read_again == dict.fromkeys(_READERS, 0)
        await run.live(days=2)
    await run.check()  # with no mail more often than before: `system.resends` was not raised
    record(rounds=rounds, slowest_end_seconds=slowest)
    assert slowest < effort.limit(_ENDED_SECONDS)


def _terminate_all(system: FaultSystem) -> dict[str, tuple[int | None, float]]:
    """Exit code of each process, and seconds until it was gone."""

    def terminate(service: FaultService) -> tuple[int | None, float]:
        started = time.monotonic()
        service.stop(timeout_seconds=60)
        return service.exit_code, time.monotonic() - started

    with ThreadPoolExecutor(len(system.services)) as pool:
        return dict(zip(system.services, pool.map(terminate, system.services.values()), strict=True))


async def _published_twice(system: FaultSystem) -> int:
    """How many records of the topics repeat an event."""
    wiring = system.wiring
    count = 0
    for topic in _TOPICS:
        records = await read_records(wiring.servers.kafka_bootstrap, wiring.topic_prefix, topic)
        ids = Counter(record.event.id for record in records if record.event is not None)
        count += sum(times - 1 for times in ids.values())
    return count
