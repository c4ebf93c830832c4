"""Business time: from the database and never from the host, or moved by a driver and followed at once."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest
from tests.integration.runtime import toy
from tests.integration.runtime.bench import Bench
from tests.support.records import eventually
from tests.support.services import set_clock

from mentorstream_runtime.clock import DatabaseClock
from mentorstream_runtime.database import open_pool
from mentorstream_runtime.process import Parts, Process


async def test_the_database_s_clock_does_not_know_the_host_s(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = await open_pool(bench.database.url("mentorstream_matching_worker"), size=1, application_name="test")
    clock = DatabaseClock(pool)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    before = await pool.fetchval("SELECT clock_timestamp()")
    first = await clock.now()
    after = await pool.fetchval("SELECT clock_timestamp()")
    assert before <= first <= after
    await pool.close()
    # Between two readings it needs no database either, and goes on.
    assert first <= await clock.now() < first + timedelta(seconds=10)


async def test_timers_follow_the_driven_clock_when_it_moves(bench: Bench) -> None:
    """They look once an hour by themselves here, so only the news of the move can have woken them."""
    timer = toy.ToyTimer()
    early = timer.due - timedelta(seconds=1)
    await set_clock(bench.database, early)
    settings = bench.settings(clock="driven", timer_seconds=3600)
    async with Process("matching", settings, lambda _: Parts(timers=[timer]), mode="worker") as process:
        # Once by themselves, and once because the listener says that it listens now: no other look is to come.
        await eventually(lambda: _looked_twice(timer), what="the timers wait for news")
        assert process.timers is not None
        assert (timer.ran_at, process.timers.taken) == (None, 0)
        assert await process.timers.next_due() == timer.due
        await set_clock(bench.database, timer.due)
        await asyncio.wait_for(timer.done.wait(), 20)
        assert (timer.ran_at, process.timers.taken) == (timer.due, 1)
        assert await process.timers.next_due() is None


async def _looked_twice(timer: toy.ToyTimer) -> bool:
    return timer.looks == 2


async def test_a_timer_that_fails_is_tried_again_and_holds_up_no_other(bench: Bench) -> None:
    class Failing(toy.ToyTimer):
        name = "failing"
        failures = 0

        async def run_due(self, now: object) -> int:
            self.failures += 1
            if self.failures > 2:
                self.done.set()
            raise ZeroDivisionError("asked to")

    failing, other = Failing(), toy.ToyTimer()
    settings = bench.settings(timer_seconds=0.05)
    async with Process("matching", settings, lambda _: Parts(timers=[failing, other]), mode="worker") as process:
        await asyncio.wait_for(failing.done.wait(), 20)
        await asyncio.wait_for(other.done.wait(), 20)  # the database's clock is past its time
        assert not process.failed.is_set()
