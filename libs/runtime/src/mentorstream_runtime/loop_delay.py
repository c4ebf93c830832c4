"""How late the event loop runs what is due: the sign of code that blocks it, which nothing in the process sees.

Decisions are synchronous, so some delay is normal under load. One of seconds means that leases, heartbeats and health
checks are late, too.
"""

from __future__ import annotations

import asyncio
from typing import Final

from . import metrics

_EVERY_SECONDS: Final = 0.25


async def watch_loop() -> None:
    """Measure until cancelled. A histogram, because a gauge would forget what happened between two scrapes."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _EVERY_SECONDS
        await asyncio.sleep(_EVERY_SECONDS)
        metrics.LOOP_DELAY_SECONDS.observe(max(0.0, loop.time() - due))
