"""Who wants no courtesy mails. Read as the API's role, within the link's organisation; changed as the worker's."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from mentorstream_runtime.database import organisation_scope, transaction
from mentorstream_runtime.links import BadLink

from .postgres import QUERIES

if TYPE_CHECKING:
    from mentorstream_runtime.database import Pool


class Preferences:
    """The preferences of people that this service knows."""

    def __init__(self, pool: Pool, api_pool: Pool) -> None:
        self._pool = pool
        self._api_pool = api_pool

    async def unsubscribed(self, organisation_id: UUID, person_id: UUID) -> bool:
        """Whether the person stopped courtesy mails. Raises BadLink for nobody of this organisation."""
        async with organisation_scope(self._api_pool, organisation_id) as connection:
            row = await connection.fetchrow(QUERIES["read_preference"], person_id)
        if row is None:
            raise BadLink("forged")
        return bool(row["unsubscribed"])

    async def choose(self, organisation_id: UUID, person_id: UUID, *, courtesy: bool, now: datetime) -> None:
        """Stop or resume courtesy mails. Raises BadLink as `unsubscribed` does, also after an erasure meanwhile."""
        await self.unsubscribed(organisation_id, person_id)
        async with transaction(self._pool) as connection:
            if await connection.fetchval(QUERIES["lock_person"], person_id) != organisation_id:
                raise BadLink("forged")
            if courtesy:
                await connection.execute(QUERIES["resubscribe"], person_id)
            else:
                await connection.execute(QUERIES["unsubscribe"], person_id, organisation_id, now)
