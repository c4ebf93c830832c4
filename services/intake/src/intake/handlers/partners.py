"""Adding, re-keying and shutting out partner organisations, for the operators' command line.

A secret is returned once, from the call that made it; nothing here can show it again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, Protocol
from uuid import UUID

from .credentials import Kind, NewCredential, Sealer, new_key, new_signing_secret

Wanted = Literal["key", "signing", "both"]
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class PartnerError(ValueError):
    """What was asked for cannot be done; the message says why."""


@dataclass(frozen=True, slots=True)
class Partner:
    """An organisation and the credentials just made for it."""

    name: str
    organisation_id: UUID
    credentials: tuple[NewCredential, ...]


@dataclass(frozen=True, slots=True)
class ListedCredential:
    """A credential without its secret."""

    lookup: str
    kind: Kind
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class ListedPartner:
    """An organisation and all credentials that it ever had."""

    name: str
    title: str
    organisation_id: UUID
    credentials: tuple[ListedCredential, ...]


class PartnerTransaction(Protocol):
    """One open transaction on organisations and credentials."""

    async def add_organisation(self, organisation_id: UUID, name: str, title: str) -> bool:
        """Whether it was new."""
        ...

    async def find_organisation(self, name: str) -> UUID | None:
        """Its id, locked until the end of the transaction."""
        ...

    async def add_credential(self, organisation_id: UUID, credential: NewCredential) -> None:
        """Store what is kept of a credential."""
        ...

    async def end_credentials(self, organisation_id: UUID, kind: Kind, but: str, after: timedelta) -> None:
        """Let the credentials of this kind, but the named one, end after a while."""
        ...

    async def revoke(self, organisation_id: UUID, lookup: str | None) -> Sequence[str]:
        """Shut one credential, or all, out at once; returns the lookup parts of those that still worked."""
        ...

    async def partners(self) -> Sequence[ListedPartner]:
        """Everybody, by name."""
        ...


class PartnerStore(Protocol):
    """Opens transactions."""

    def transaction(self) -> AbstractAsyncContextManager[PartnerTransaction]:
        """A transaction that commits when its block ends without an error."""
        ...


async def add_partner(
    store: PartnerStore, sealer: Sealer, organisation_id: UUID, name: str, title: str, wanted: Wanted
) -> Partner:
    """Create an organisation with its first credentials. Raises PartnerError for a bad or taken name."""
    if not _NAME.fullmatch(name):
        raise PartnerError(f"{name!r} is no short name: expected 1 to 63 lower-case letters, digits and hyphens")
    credentials = _made(wanted, sealer)
    async with store.transaction() as transaction:
        if not await transaction.add_organisation(organisation_id, name, title):
            raise PartnerError(
                f"there is an organisation {name!r} already; for new credentials: partners rotate {name}"
            )
        for credential in credentials:
            await transaction.add_credential(organisation_id, credential)
    return Partner(name, organisation_id, credentials)


async def rotate_credentials(
    store: PartnerStore, sealer: Sealer, name: str, wanted: Wanted, grace: timedelta | None
) -> Partner:
    """Make new credentials. The older ones of the kind end after `grace`; None: they work until revoked.

    Raises PartnerError for an unknown organisation.
    """
    credentials = _made(wanted, sealer)
    async with store.transaction() as transaction:
        organisation_id = await _found(transaction, name)
        for credential in credentials:
            await transaction.add_credential(organisation_id, credential)
            if grace is not None:
                await transaction.end_credentials(organisation_id, credential.kind, credential.lookup, grace)
    return Partner(name, organisation_id, credentials)


async def revoke_credentials(store: PartnerStore, name: str, lookup: str | None) -> Sequence[str]:
    """Shut one credential out from the next request on, or all of the organisation when `lookup` is None.

    Returns the lookup parts of those that worked until now. Raises PartnerError when there was nothing to revoke.
    """
    async with store.transaction() as transaction:
        revoked = await transaction.revoke(await _found(transaction, name), lookup)
    if not revoked:
        what = f"no working credential {lookup!r}" if lookup else "no working credential"
        raise PartnerError(f"{name} has {what}; see: partners list")
    return revoked


async def list_partners(store: PartnerStore) -> Sequence[ListedPartner]:
    """All organisations with their credentials, without secrets."""
    async with store.transaction() as transaction:
        return await transaction.partners()


async def _found(transaction: PartnerTransaction, name: str) -> UUID:
    organisation_id = await transaction.find_organisation(name)
    if organisation_id is None:
        raise PartnerError(f"there is no organisation {name!r}; see: partners list")
    return organisation_id


def _made(wanted: Wanted, sealer: Sealer) -> tuple[NewCredential, ...]:
    made = []
    if wanted in ("key", "both"):
        made.append(new_key())
    if wanted in ("signing", "both"):
        made.append(new_signing_secret(sealer))
    return tuple(made)
