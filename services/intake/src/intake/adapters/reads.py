"""What partners may read back of what they told us. As the API's role: row-level security decides what is seen."""

from __future__ import annotations

from typing import Any

from mentorstream_runtime.database import Pool, organisation_scope

from ..domain.book import Organisation
from ..handlers.authentication import FoundCredential
from .postgres import QUERIES


class PostgresReads:
    """Reads of one organisation's rows."""

    def __init__(self, api_pool: Pool) -> None:
        self._pool = api_pool

    async def credential(self, lookup: str) -> FoundCredential | None:
        """The credential with this lookup part, whoever's it is."""
        row = await self._pool.fetchrow(QUERIES["find_credential"], lookup)
        if row is None:
            return None
        return FoundCredential(
            organisation=Organisation(row["organisation_id"], row["name"]),
            kind=row["kind"],
            secret_hash=row["secret_hash"],
            sealed_secret=row["sealed_secret"],
            usable=row["usable"],
        )

    async def programs(self, organisation: Organisation) -> list[dict[str, Any]]:
        """Programs that the organisation owns or may take part in, with how many of its people are in each."""
        async with organisation_scope(self._pool, organisation.organisation_id) as connection:
            rows = await connection.fetch(QUERIES["read_programs"])
        return [{**row, "program": _named(row, organisation)} for row in map(dict, rows)]

    async def person(self, organisation: Organisation, reference: str) -> dict[str, Any] | None:
        """A person and their places in programs; None when nobody is known by this reference."""
        async with organisation_scope(self._pool, organisation.organisation_id) as connection:
            person = await connection.fetchrow(QUERIES["read_person"], reference)
            if person is None:
                return None
            places = await connection.fetch(QUERIES["read_places"], person["person_id"])
        return {
            **person,
            "participants": [{**row, "program": _named(row, organisation)} for row in map(dict, places)],
        }


def _named(row: dict[str, Any], organisation: Organisation) -> str | None:
    """How the organisation writes the program; None for one that was closed to it."""
    owner, reference = row.pop("owner"), row.pop("reference")
    if owner is None:
        return None
    return str(reference) if owner == organisation.name else f"{owner}/{reference}"
