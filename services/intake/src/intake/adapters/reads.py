"""What partners may read back of what they told us. As the API's role: row-level security decides what is seen."""

from __future__ import annotations

import asyncio
from typing import Any

from asyncpg import Record

from mentorstream_runtime.database import Pool, organisation_scope

from ..domain.book import Organisation
from ..handlers.authentication import FoundCredential
from .postgres import QUERIES


class PostgresCredentials:
    """Finds credentials. Who asks while a query is under way shares the next one.

    Nothing is kept beyond that: every answer comes from a query that began after the question, so a credential that
    was revoked before a request arrived never opens it.
    """

    def __init__(self, api_pool: Pool) -> None:
        self._pool = api_pool
        self._waiting: dict[str, asyncio.Future[FoundCredential | None]] = {}
        self._worker: asyncio.Task[None] | None = None

    async def credential(self, lookup: str) -> FoundCredential | None:
        """The credential with this lookup part, whoever's it is."""
        found = self._waiting.get(lookup)
        if found is None:
            found = self._waiting[lookup] = asyncio.get_running_loop().create_future()
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        return await asyncio.shield(found)  # others may wait for the same one

    async def _work(self) -> None:
        try:
            while self._waiting:
                asked, self._waiting = self._waiting, {}
                try:
                    rows = await self._pool.fetch(QUERIES["find_credentials"], list(asked))
                except Exception as error:
                    for future in asked.values():
                        future.set_exception(error)
                    continue
                found = {row["lookup"]: _credential(row) for row in rows}
                for lookup, future in asked.items():
                    future.set_result(found.get(lookup))
        finally:
            self._worker = None


class PostgresReads:
    """Reads of one organisation's rows."""

    def __init__(self, api_pool: Pool) -> None:
        self._pool = api_pool

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


def _credential(row: Record) -> FoundCredential:
    return FoundCredential(
        organisation=Organisation(row["organisation_id"], row["name"]),
        kind=row["kind"],
        secret_hash=row["secret_hash"],
        sealed_secret=row["sealed_secret"],
        usable=row["usable"],
    )


def _named(row: dict[str, Any], organisation: Organisation) -> str | None:
    """How the organisation writes the program; None for one that was closed to it."""
    owner, reference = row.pop("owner"), row.pop("reference")
    if owner is None:
        return None
    return str(reference) if owner == organisation.name else f"{owner}/{reference}"
