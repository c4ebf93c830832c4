"""What the system costs while nobody does anything: all services run, ready and with nothing to do."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from .bed import Bed
from .findings import Findings

_SERVICES: Final = ("intake", "matching", "scheduling", "feedback", "notifications", "pulse")
_SETTLE_SECONDS: Final = 10.0


async def run_idle(bed: Bed, findings: Findings, *, seconds: float) -> None:
    """Processor time of each service over that long, and the most of them as a share of a core."""
    async with bed.place() as place:
        for service in _SERVICES:
            await place.start_service(service, mode="all", extra={"MENTORSTREAM_CLOCK": "database"})
        await asyncio.sleep(_SETTLE_SECONDS)
        before, started = [worker.cpu_times() for worker in place.workers], time.monotonic()
        await asyncio.sleep(seconds)
        after, passed = [worker.cpu_times() for worker in place.workers], time.monotonic() - started
    shares = [
        (now.user + now.system - then.user - then.system) / passed for then, now in zip(before, after, strict=True)
    ]
    for service, share in zip(_SERVICES, shares, strict=True):
        findings.idle(service, share)
    findings.ratio("idle_share_of_a_core", max(shares))
