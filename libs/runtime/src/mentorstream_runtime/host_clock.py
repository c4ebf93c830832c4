"""How far this host's wall clock is from the database's: signatures are held against it.

Business time is the database's, so a wrong clock breaks no decision; this only says that there is one.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import structlog

from . import metrics
from .errors import is_infrastructure

if TYPE_CHECKING:
    from .database import Pool

log = structlog.get_logger(__name__)
_EVERY_SECONDS: Final = 10.0
# More than a slow answer or a slewing time service accounts for; partners' signatures bear five minutes.
_WRONG_SECONDS: Final = 5.0


async def watch_host_clock(pool: Pool, *, every_seconds: float = _EVERY_SECONDS) -> None:
    """Compare until cancelled; log when the clock turns out wrong, and when it is right again."""
    was_wrong = False
    while True:
        try:
            offset = await _offset_seconds(pool)
        except Exception as error:
            if not is_infrastructure(error):
                raise
        else:
            metrics.HOST_CLOCK_OFFSET_SECONDS.set(offset)
            is_wrong = abs(offset) > _WRONG_SECONDS
            if is_wrong != was_wrong:
                (log.error if is_wrong else log.info)(
                    "host_clock_wrong" if is_wrong else "host_clock_right", offset_seconds=round(offset, 1)
                )
            was_wrong = is_wrong
        await asyncio.sleep(every_seconds)


async def _offset_seconds(pool: Pool) -> float:
    """How far ahead the host is. The database read its clock between our two looks: the middle errs least."""
    async with pool.acquire() as connection:  # not between the looks: waiting for a connection takes what it takes
        before = time.time()
        theirs: float = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8")
        return (before + time.time()) / 2 - theirs
