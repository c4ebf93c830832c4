"""Keys of coordinators: made, shut out and listed by operators, checked on every request.

A key belongs to one organisation and has one role. A viewer reads; a coordinator also acts. The key itself is returned
once, by `add_key`; nothing here can show it again. A revoked key opens nothing from the next request on, because
nothing is remembered between requests but who failed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal
from uuid import UUID

from mentorstream_runtime.database import transaction
from mentorstream_runtime.keys import FailedAttempts, NewKey, Unauthenticated, is_key, new_key, split_key

if TYPE_CHECKING:
    from mentorstream_runtime.database import Pool

KEY_PREFIX: Final = "msc"
KeyRole = Literal["viewer", "coordinator"]
_LABEL_LIMIT: Final = 100
# Whoever mistypes does so a few times; a program that got a revoked key goes on for ever.
_MOST_FAILURES: Final = 20
_REFILL_SECONDS: Final = 15.0


class KeyRefused(ValueError):
    """What was asked for cannot be done; the message says why."""


class TooManyAttempts(Exception):
    """This source failed too often of late. `wait_seconds` says when its failures are told apart again."""

    def __init__(self, wait_seconds: float) -> None:
        super().__init__(f"wait {wait_seconds:.0f} s")
        self.wait_seconds = wait_seconds


@dataclass(frozen=True, slots=True)
class Coordinator:
    """Who asks: a key of an organisation. `label` is what the operators called it."""

    lookup: str
    organisation_id: UUID
    role: KeyRole
    label: str

    @property
    def may_act(self) -> bool:
        return self.role == "coordinator"


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A key without its secret."""

    lookup: str
    organisation_id: UUID
    role: KeyRole
    label: str
    created_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None


async def add_key(pool: Pool, queries: Mapping[str, str], organisation_id: UUID, role: KeyRole, label: str) -> NewKey:
    """Make a key and store what is kept of it. Raises KeyRefused for a label that says nothing."""
    label = " ".join(label.split())
    if not 1 <= len(label) <= _LABEL_LIMIT:
        raise KeyRefused(f"a label has 1 to {_LABEL_LIMIT} characters, such as whose key it is")
    made = new_key(KEY_PREFIX)
    async with transaction(pool) as connection:
        await connection.execute(
            queries["add_coordinator_key"], made.lookup, organisation_id, role, label, made.secret_hash
        )
    return made


async def revoke_key(pool: Pool, queries: Mapping[str, str], lookup: str) -> None:
    """Shut a key out from the next request on. Raises KeyRefused when no such key works."""
    async with transaction(pool) as connection:
        revoked = await connection.fetchval(queries["revoke_coordinator_key"], lookup)
    if revoked is None:
        raise KeyRefused(f"no key {lookup!r} works; see: coordinators list")


async def list_keys(pool: Pool, queries: Mapping[str, str]) -> Sequence[ListedKey]:
    """All keys there ever were, by organisation."""
    return [ListedKey(**row) for row in await pool.fetch(queries["list_coordinator_keys"])]


class CoordinatorKeys:
    """Says who sent a request, as the API's role."""

    def __init__(self, api_pool: Pool, queries: Mapping[str, str]) -> None:
        self._pool = api_pool
        self._queries = queries
        self._attempts = FailedAttempts(_MOST_FAILURES, _REFILL_SECONDS)

    async def by_key(self, parts: tuple[str, str] | None, source: str) -> Coordinator:
        """The coordinator with this key (lookup part and secret). `source` is where the request comes from.

        Raises Unauthenticated, and TooManyAttempts where that happened too often from there. A key that works always
        does: many may come from one address, and one of them with a wrong key shuts nobody else out.
        """
        try:
            return await self._known(parts)
        except Unauthenticated:
            wait = self._attempts.wait_seconds(source, time.monotonic())
            if wait:
                raise TooManyAttempts(wait) from None
            self._attempts.note(source, time.monotonic())
            raise

    async def still_there(self, lookup: str) -> Coordinator | None:
        """The coordinator with this lookup part while the key works: for who has shown the secret before."""
        row = await self._pool.fetchrow(self._queries["find_coordinator_key"], lookup)
        if row is None or not row["usable"]:
            return None
        return Coordinator(row["lookup"], row["organisation_id"], row["role"], row["label"])

    async def _known(self, parts: tuple[str, str] | None) -> Coordinator:
        row = await self._pool.fetchrow(self._queries["find_coordinator_key"], parts[0]) if parts else None
        if parts is None or row is None or not is_key(parts[1], row["secret_hash"]) or not row["usable"]:
            raise Unauthenticated("this key is unknown or revoked")
        await self._pool.execute(self._queries["note_coordinator_key"], row["lookup"])
        return Coordinator(row["lookup"], row["organisation_id"], row["role"], row["label"])


def parts_of(key: str) -> tuple[str, str] | None:
    """Lookup part and secret of a coordinator's key as somebody typed it; None for what is none."""
    return split_key(KEY_PREFIX, key.strip())
