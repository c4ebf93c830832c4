"""Organisations and their credentials in PostgreSQL, as the worker: for the operators' command line only."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from itertools import groupby
from uuid import UUID

from mentorstream_runtime.database import Connection, Pool, transaction

from ..handlers.credentials import Kind, NewCredential
from ..handlers.partners import ListedCredential, ListedPartner
from .postgres import QUERIES


class PostgresPartners:
    """Opens transactions."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresPartnerTransaction]:
        """A transaction that commits when its block ends without an error."""
        async with transaction(self._pool) as connection:
            yield PostgresPartnerTransaction(connection)


class PostgresPartnerTransaction:
    """One open transaction on organisations and credentials."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add_organisation(self, organisation_id: UUID, name: str, title: str) -> bool:
        """Whether it was new."""
        added = await self._connection.fetchval(QUERIES["add_organisation"], organisation_id, name, title)
        return added is not None

    async def find_organisation(self, name: str) -> UUID | None:
        """Its id, locked until the end of the transaction."""
        found: UUID | None = await self._connection.fetchval(QUERIES["find_organisation"], name)
        return found

    async def add_credential(self, organisation_id: UUID, credential: NewCredential) -> None:
        """Store what is kept of a credential."""
        await self._connection.execute(
            QUERIES["add_credential"],
            credential.lookup,
            organisation_id,
            credential.kind,
            credential.secret_hash,
            credential.sealed_secret,
        )

    async def end_credentials(self, organisation_id: UUID, kind: Kind, but: str, after: timedelta) -> None:
        """Let the credentials of this kind, but the named one, end after a while."""
        await self._connection.execute(QUERIES["end_credentials"], organisation_id, kind, but, after)

    async def revoke(self, organisation_id: UUID, lookup: str | None) -> Sequence[str]:
        """Shut one credential, or all, out at once; returns the lookup parts of those that still worked."""
        rows = await self._connection.fetch(QUERIES["revoke_credentials"], organisation_id, lookup)
        return [row["lookup"] for row in rows]

    async def partners(self) -> Sequence[ListedPartner]:
        """Everybody, by name."""
        rows = await self._connection.fetch(QUERIES["list_organisations"])
        return [
            ListedPartner(
                name,
                title,
                organisation_id,
                tuple(
                    ListedCredential(
                        row["lookup"], row["kind"], row["created_at"], row["expires_at"], row["revoked_at"]
                    )
                    for row in group
                    if row["lookup"] is not None
                ),
            )
            for (name, title, organisation_id), group in groupby(
                rows, key=lambda row: (row["name"], row["title"], row["organisation_id"])
            )
        ]
