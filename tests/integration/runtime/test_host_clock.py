"""A host whose clock is wrong says so, and says when it is right again."""

from __future__ import annotations

import asyncio
import time

import pytest
import structlog
from prometheus_client import REGISTRY
from tests.integration.runtime.bench import Bench
from tests.support.records import eventually

from mentorstream_runtime.database import open_pool
from mentorstream_runtime.host_clock import watch_host_clock

_AHEAD_SECONDS = 7200.0


async def test_a_wrong_clock_is_told_and_measured(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = await open_pool(bench.database.url("mentorstream_matching_worker"), size=1, application_name="test")
    true_time, ahead = time.time, [_AHEAD_SECONDS]
    monkeypatch.setattr(time, "time", lambda: true_time() + ahead[0])
    with structlog.testing.capture_logs() as said:
        watching = asyncio.create_task(watch_host_clock(pool, every_seconds=0.02))
        try:

            async def told() -> bool:
                return bool(said)

            await eventually(told, what="the wrong clock is told")
            offset = REGISTRY.get_sample_value("mentorstream_host_clock_offset_seconds")
            assert offset == pytest.approx(_AHEAD_SECONDS, abs=5)
            ahead[0] = 0.0

            async def right_again() -> bool:
                return len(said) > 1

            await eventually(right_again, what="it is right again")
        finally:
            watching.cancel()
            await asyncio.wait([watching])
            await pool.close()
    assert [line["event"] for line in said] == ["host_clock_wrong", "host_clock_right"]  # once each, not every time
