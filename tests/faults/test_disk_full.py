"""F12: the disk under the database is full, then has room again."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from tests.faults.run import Run
from tests.faults.small_disk import SmallDisk, small_disk
from tests.faults.system import own_system

from mentorstream_local.postgres import Postgres

if TYPE_CHECKING:
    from tests.faults.outcomes import Effort, Record

    from mentorstream_local.stack import Stack

pytestmark = pytest.mark.fault("F12")
_ACCEPTED, _UNAVAILABLE = 202, 503


async def test_a_full_disk_is_answered_503_and_everything_goes_on_once_there_is_room(
    record: Record, effort: Effort
) -> None:
    with small_disk(400) as disk, own_system(prepare=lambda stack: _put_on(stack, disk)) as system:
        async with Run.on(system, seed=effort.seed, replays=effort.long) as run:
            load = run.load(people=effort.size(60, 200))
            await run.send(load)
            await run.drain()
            run.driver.answers.clear()
            load, rest = run.load(people=effort.size(120, 400)), asyncio.Event()
            async with run.sending(load, rest=rest):
                await run.until_accepted(load, share=0.2)
                await run.offline(disk.fill)
                filled = time.monotonic()
                rest.set()
                await run.until(
                    lambda: _answers(run, _UNAVAILABLE, filled) >= 10, "ten requests are answered 503", seconds=120
                )
                full = time.monotonic()
                # The server may have crashed over its log: then it is started again, as it would be anywhere.
                crashed = system.postgres.process() is None
                await run.offline(disk.free)
                if crashed:
                    await run.offline(system.postgres.restart)
                await run.until(lambda: _answers(run, _ACCEPTED, full) > 0, "requests are accepted again", seconds=120)
                accepted_again = time.monotonic() - full
            drained = await run.drain()
            await run.live(days=3)
            await run.check()
    assert {answer.status for answer in run.driver.answers} <= {_ACCEPTED, _UNAVAILABLE, 0}
    record(
        answered_503=_answers(run, _UNAVAILABLE, 0),
        database_crashed=crashed,
        accepted_again_seconds=accepted_again,
        drained_seconds=drained,
    )


def _put_on(stack: Stack, disk: SmallDisk) -> None:
    stack.postgres = Postgres(disk.path / "postgres", stack.secrets.postgres_password, ephemeral=True)


def _answers(run: Run, status: int, since: float) -> int:
    return sum(1 for answer in run.driver.answers if answer.status == status and answer.at > since)
