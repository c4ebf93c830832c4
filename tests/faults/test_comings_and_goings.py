"""F10: workers of one service join and leave all the time, one to five of them, and every decision is made once."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from tests.faults.outcomes import Effort, Record
    from tests.faults.run import Run
    from tests.faults.system import FaultSystem

_MOST: Final = 5
_EVERY_SECONDS: Final = 5.0


@pytest.mark.fault("F10")
async def test_workers_join_and_leave(system: FaultSystem, run: Run, record: Record, effort: Effort) -> None:
    changes = effort.rounds(3, 24)
    for number in range(changes):
        began = time.monotonic()
        load = run.load(people=effort.size(36, 90))
        async with run.sending(load):
            await run.until_accepted(load, share=0.2)
            await _change(system, run, grow=number < 2)
        if effort.long:
            await asyncio.sleep(max(0.0, began + _EVERY_SECONDS - time.monotonic()))  # the rhythm that is promised
    await run.drain()
    await run.live(days=2)
    claims = sum(system.metric(each.name, "mentorstream_partition_claims_total") for each in system.of("matching"))
    # Two that decided over one program at once, or from old memory, break the order of its events, or a capacity.
    await run.check()
    record(changes=changes, claims_by_those_left=int(claims))


async def _change(system: FaultSystem, run: Run, *, grow: bool) -> None:
    """One more, or one less: by SIGTERM or by SIGKILL."""
    workers = [worker.name for worker in system.of("matching")]
    further = [name for name in workers if name != "matching"]
    if grow or len(workers) == 1 or (len(workers) < _MOST and run.random.random() < 0.5):
        await run.offline(system.add_worker, "matching")
    else:
        leaver, kill = run.random.choice(further), run.random.random() < 0.5
        code = await run.offline(system.remove, leaver, kill=kill)
        assert kill or code == 0
