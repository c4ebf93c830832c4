"""What acceptance needs of the outside: a transaction under organisations' locks, and business time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from mentorstream_runtime.outbox import Outgoing

from ..domain.book import Book, Organisation
from ..domain.records import Person

RequestKey = tuple[UUID, str, str]  # organisation, and its own source and id


@dataclass(frozen=True, slots=True)
class Needs:
    """What the requests of one organisation name.

    `line_references` are those whose own manager may change, `vocabularies` programs whose vocabulary may.
    """

    references: frozenset[str] = frozenset()
    line_references: frozenset[str] = frozenset()
    programs: frozenset[tuple[str, str]] = frozenset()
    organisations: frozenset[str] = frozenset()
    vocabularies: frozenset[tuple[str, str]] = frozenset()


class Earlier(msgspec.Struct, frozen=True, gc=False):
    """A request accepted before, with the answer that was given, in JSON, and the time that it told."""

    digest: bytes
    answer: bytes
    accepted_at: str


class AcceptedRow(msgspec.Struct, frozen=True, gc=False):
    """A request to be remembered as accepted, with the answer in JSON."""

    key: RequestKey
    digest: bytes
    answer: bytes


class Transaction(Protocol):
    """One open transaction that holds its organisations' locks. It commits when its block ends without an error."""

    organisations: Sequence[Organisation]

    async def earlier(self, keys: Sequence[RequestKey]) -> Mapping[RequestKey, Earlier]:
        """Which of these were accepted before."""
        ...

    async def open_books(self, needs: Mapping[UUID, Needs]) -> Mapping[UUID, Book]:
        """Lock the programs concerned and fetch all that the requests touch, by organisation."""
        ...

    async def named(self, names: frozenset[str]) -> Mapping[str, UUID]:
        """Ids of those of the named organisations that exist."""
        ...

    async def store(self, books: Sequence[Book], accepted: Sequence[AcceptedRow], now: datetime) -> None:
        """Write what changed in the books, and which requests were accepted now."""
        ...

    async def lines_of(self, program_id: UUID, levels: int) -> Sequence[tuple[UUID, Sequence[UUID]]]:
        """Chains of managers of everybody in a program who has a manager, whichever organisation they are of."""
        ...

    async def erase(self, person: Person, now: datetime) -> None:
        """Delete all that is known of a person, and enter their id into the ledger of the erased."""
        ...

    async def publish(self, events: Sequence[Outgoing]) -> None:
        """Put facts into the outbox."""
        ...


class Store(Protocol):
    """Opens transactions. `wake` after a commit lets the outbox be published at once."""

    def transaction(
        self, organisations: Sequence[Organisation], *, wait: bool
    ) -> AbstractAsyncContextManager[Transaction]:
        """A transaction under the organisations' locks. `wait`: of one only; else those held are left out."""
        ...

    def wake(self) -> None:
        """Something is in the outbox."""
        ...
