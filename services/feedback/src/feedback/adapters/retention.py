"""Texts that nobody needs any more are deleted; ratings stay, they name nobody."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from mentorstream_runtime.database import Pool, transaction

_BATCH = 500


class TextRetention:
    """A timer: deletes texts that are older than the retention, a bounded number at a time.

    Changes neither programs nor meetings and publishes nothing, so it needs no lock but that of the rows themselves.
    """

    name = "text_retention"

    def __init__(self, pool: Pool, queries: Mapping[str, str], retention: timedelta) -> None:
        self._pool = pool
        self._queries = queries
        self._retention = retention

    async def run_due(self, now: datetime) -> int:
        """Delete some texts submitted at or before `now` minus the retention; returns of how many answers."""
        async with transaction(self._pool) as connection:
            status: str = await connection.execute(self._queries["delete_texts_before"], now - self._retention, _BATCH)
        return int(status.removeprefix("UPDATE "))

    async def next_due(self) -> datetime | None:
        """When the oldest text is to go, or None where there is none."""
        oldest: datetime | None = await self._pool.fetchval(self._queries["oldest_text"])
        return oldest + self._retention if oldest is not None else None
