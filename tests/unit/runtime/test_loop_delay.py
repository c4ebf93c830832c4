"""A blocked event loop is seen."""

from __future__ import annotations

import asyncio
import time

from prometheus_client import REGISTRY

from mentorstream_runtime.loop_delay import watch_loop


def delays(above_seconds: str) -> float:
    """How many were measured that were longer."""
    counted = REGISTRY.get_sample_value("mentorstream_loop_delay_seconds_count") or 0.0
    shorter = REGISTRY.get_sample_value("mentorstream_loop_delay_seconds_bucket", {"le": above_seconds}) or 0.0
    return counted - shorter


async def test_a_blocked_loop_is_measured() -> None:
    before = delays("0.3")
    watching = asyncio.create_task(watch_loop())
    await asyncio.sleep(0)
    time.sleep(0.6)  # noqa: ASYNC251 - a decision that takes too long
    await asyncio.sleep(0.1)
    assert delays("0.3") > before
    watching.cancel()
