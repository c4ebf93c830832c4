"""Coordinators of tests: keys, and what is asked with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matching
from matching.adapters.coordinator_keys import KeyRole, add_key, revoke_key
from mentorstream_runtime.database import load_queries

if TYPE_CHECKING:
    from uuid import UUID

    from tests.integration.matching.running import MatchingService

QUERIES = load_queries(str(matching.__file__))


@dataclass
class Caller:
    """Somebody with a key."""

    service: MatchingService
    key: str
    lookup: str

    async def get(self, path: str, **query: Any) -> Any:
        return await self.service.client.get(path, params=query, headers=self.headers)

    async def post(self, path: str, json: Any = None, **headers: str) -> Any:
        return await self.service.client.post(path, json=json, headers=self.headers | headers)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    async def revoke(self) -> None:
        await revoke_key(self.service.process.runtime.pool, QUERIES, self.lookup)


async def caller(service: MatchingService, organisation_id: UUID, role: KeyRole = "coordinator") -> Caller:
    """A new key of an organisation."""
    made = await add_key(service.process.runtime.pool, QUERIES, organisation_id, role, "a test")
    return Caller(service, made.key, made.lookup)
