"""The sender's side of the table of mails: lease what is due, write what became of it, close what is hopeless.

Each call is one transaction. Sending happens between two of them, so a process that dies there leaves a lease behind:
when it ends, the mail is sent again with the same Message-ID. That is the window in which a mail may arrive twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol, cast
from uuid import UUID

from mentorstream_runtime.database import columns_of, transaction

from .. import metrics
from ..domain.delivery import Changed, Verdict
from ..domain.mail import Kind, Params
from ..domain.people import Person
from ..handlers.reporting import report_changes
from .postgres import QUERIES

if TYPE_CHECKING:
    import asyncpg

    from mentorstream_runtime.database import Connection, Pool
    from mentorstream_runtime.outbox import Outgoing


class Outbox(Protocol):
    """Where events go, in the caller's transaction."""

    async def write(self, connection: Connection, events: Sequence[Outgoing]) -> None:
        """Store the events."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DueMail:
    """A leased mail with the people and the title that it shows. `attempt` is the one being made now.

    `people` lacks whoever was erased; the receiver, too, if that happened between two statements.
    """

    notification_id: UUID
    program_id: UUID
    person_id: UUID
    organisation_id: UUID
    kind: Kind
    subject_id: UUID
    revision: int
    mentions: tuple[UUID, ...]
    params: Params
    attempt: int
    due_at: datetime
    expires_at: datetime
    message_id: str
    title: str
    people: Mapping[UUID, Person]

    @property
    def tried_before(self) -> bool:
        """Whether this is not the first attempt."""
        return self.attempt > 1


class Ledger:
    """The table of mails, as the sender uses it."""

    def __init__(
        self, pool: Pool, outbox: Outbox, *, attempts: int, lease_seconds: float, hold_seconds: float, domain: str
    ) -> None:
        self._pool = pool
        self._outbox = outbox
        self._attempts = attempts
        self._lease_seconds = lease_seconds
        self._hold_seconds = hold_seconds
        self._domain = domain

    async def close_hopeless(self, now: datetime, limit: int) -> int:
        """Fail or supersede up to `limit` mails that will never go. Returns how many."""
        found = await self._pool.fetch(QUERIES["find_hopeless"], now, self._attempts, limit)
        if not found:
            return 0
        async with transaction(self._pool) as connection:
            wanted = [row["notification_id"] for row in found]
            rows = await connection.fetch(QUERIES["close_hopeless"], now, wanted, self._attempts)
            await self._report(connection, rows, now)
        return len(rows)

    async def take_due(self, now: datetime, limit: int, again: int) -> list[DueMail]:
        """Lease up to `limit` mails that were held long enough, oldest first; up to `again` of them tried before."""
        held_since = now - timedelta(seconds=self._hold_seconds)
        async with transaction(self._pool) as connection:
            rows = await connection.fetch(
                QUERIES["take_due"], held_since, self._attempts, limit, self._lease_seconds, self._domain, again
            )
            if not rows:
                return []
            wanted = {row["person_id"] for row in rows}.union(*(row["mentions"] for row in rows))
            people = {
                row["person_id"]: Person(**row) for row in await connection.fetch(QUERIES["load_people"], list(wanted))
            }
            programs = list({row["program_id"] for row in rows})
            titles = {
                row["program_id"]: row["title"] for row in await connection.fetch(QUERIES["load_titles"], programs)
            }
        rows.sort(key=lambda row: (row["due_at"], row["notification_id"]))
        return [_due_mail(row, people, titles) for row in rows]

    async def renew(self, mails: Sequence[DueMail]) -> set[UUID]:
        """Begin the leases of mails anew; returns the ids of those that nobody else took over meanwhile."""
        held = columns_of([(mail.notification_id, mail.attempt) for mail in mails], 2)
        rows = await self._pool.fetch(QUERIES["renew_leases"], *held, self._lease_seconds)
        return {row["notification_id"] for row in rows}

    async def settle(self, verdicts: Sequence[tuple[DueMail, Verdict]], now: datetime) -> list[Changed]:
        """Write what became of mails, with their events. Returns the changes that counted.

        A verdict counts not where somebody else took the mail over meanwhile, unless it was sent.
        """
        columns = columns_of(
            [
                (
                    mail.notification_id,
                    mail.attempt,
                    verdict.status,
                    verdict.failure,
                    verdict.code,
                    verdict.delay_seconds,
                    int(verdict.tried),
                )
                for mail, verdict in verdicts
            ],
            7,
        )
        async with transaction(self._pool) as connection:
            rows = await connection.fetch(QUERIES["settle_attempts"], *columns)
            return await self._report(connection, rows, now)

    async def next_due(self) -> datetime | None:
        """The earliest business time at which an open mail goes or expires."""
        return cast("datetime | None", await self._pool.fetchval(QUERIES["next_due"], self._hold_seconds))

    async def count_open(self) -> None:
        """Set the gauges of open mails."""
        row = await self._pool.fetchrow(QUERIES["count_open"])
        if row is not None:
            for state in ("ready", "held"):
                metrics.MAILS_OPEN.labels(state).set(row[state])

    async def _report(self, connection: Connection, rows: Sequence[asyncpg.Record], now: datetime) -> list[Changed]:
        changes = [Changed(**row) for row in rows]
        await self._outbox.write(connection, report_changes(changes, now))
        return changes


def _due_mail(row: asyncpg.Record, people: Mapping[UUID, Person], titles: Mapping[UUID, str]) -> DueMail:
    mentions = tuple(row["mentions"])
    return DueMail(
        notification_id=row["notification_id"],
        program_id=row["program_id"],
        person_id=row["person_id"],
        organisation_id=row["organisation_id"],
        kind=row["kind"],
        subject_id=row["subject_id"],
        revision=row["revision"],
        mentions=mentions,
        params=row["params"],
        attempt=row["attempts"],
        due_at=row["due_at"],
        expires_at=row["expires_at"],
        message_id=row["message_id"],
        title=titles[row["program_id"]],
        people={person_id: people[person_id] for person_id in (row["person_id"], *mentions) if person_id in people},
    )
