"""The book and the register in PostgreSQL: what a batch of events loads, and how it is written, set by set."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Final
from uuid import UUID

import notifications
from mentorstream_events import derived_id
from mentorstream_runtime.database import columns_of, load_queries

from ..domain.book import Book, Ending, Entry, Posted
from ..domain.people import Register

if TYPE_CHECKING:
    from mentorstream_runtime.database import Connection

CHANNEL: Final = "email"
_COLUMNS: Final = (
    "notification_id",
    "key",
    "channel",
    "program_id",
    "person_id",
    "organisation_id",
    "kind",
    "courtesy",
    "cause_id",
    "traceparent",
    "subject_id",
    "revision",
    "mentions",
    "params",
    "status",
    "status_reason",
    "attempts",
    "message_id",
    "due_at",
    "expires_at",
)
QUERIES: Final = load_queries(notifications.__file__)


def notification_id(key: str) -> UUID:
    """The id of the mail with this key: one for each key and channel."""
    return derived_id(key, CHANNEL)


async def load_book(connection: Connection, subjects: Collection[UUID], programs: Collection[UUID]) -> Book:
    """All mails about the subjects, locked: the sender starts none of them before this transaction ends.

    With how mails of these programs ended that are not planned yet, which only a restored database knows.
    """
    rows = await connection.fetch(QUERIES["load_entries"], list(subjects))
    settled = {
        row["notification_id"]: Ending(row["status"], row["status_reason"], row["message_id"])
        for row in await connection.fetch(QUERIES["load_settled_before"], list(programs))
    }
    return Book((Entry(**row) for row in rows), ending_of=lambda key: settled.get(notification_id(key)))


async def save_book(connection: Connection, book: Book) -> None:
    """Write what the batch added and changed.

    New rows go by COPY: load looked, under the lock of the partition, so a key that exists by now aborts the batch.
    """
    voided = sorted((notification_id(key), reason) for key, reason in book.voided.items())
    if voided:
        await connection.execute(QUERIES["void_notifications"], *columns_of(voided, 2))
    if book.left:
        await connection.execute(QUERIES["save_withdrawals"], list(book.left.keys()), list(book.left.values()))
    if book.returned:
        await connection.execute(QUERIES["forget_withdrawals"], sorted(book.returned))
    records = [
        (
            notification_id(mail.key),
            mail.key,
            CHANNEL,
            mail.occasion.program_id,
            mail.person_id,
            mail.organisation_id,
            mail.kind,
            mail.courtesy,
            mail.occasion.cause_id,
            mail.occasion.traceparent,
            mail.subject_id,
            mail.revision,
            list(mail.mentions),
            mail.params,
            *_status_of(posted),
            mail.due_at,
            mail.expires_at,
        )
        for posted in book.posted
        for mail in (posted.mail,)
    ]
    if records:
        await connection.copy_records_to_table("notification", records=records, columns=_COLUMNS)


def _status_of(posted: Posted) -> tuple[str, str | None, int, str | None]:
    """Status, its reason, attempts, Message-ID."""
    if posted.ending is not None:
        return posted.ending.status, posted.ending.reason, 1, posted.ending.message_id
    return ("waiting", None, 0, None) if posted.void is None else ("superseded", posted.void, 0, None)


async def save_titles(connection: Connection, titles: Mapping[UUID, str]) -> None:
    """Keep the newest title of each program."""
    if titles:
        await connection.execute(QUERIES["save_titles"], list(titles.keys()), list(titles.values()))


async def load_register(connection: Connection, people: Collection[UUID]) -> Register:
    """Versions of the people, locked, and who of them was erased."""
    wanted = list(people)
    versions = await connection.fetch(QUERIES["load_versions"], wanted)
    erased = await connection.fetch(QUERIES["load_erased"], wanted)
    return Register({row["person_id"]: row["version"] for row in versions}, {row["person_id"] for row in erased})


async def save_register(connection: Connection, register: Register) -> None:
    """Write the new versions; erase whoever was erased."""
    if register.newly_erased:
        await connection.execute(QUERIES["erase_people"], sorted(register.newly_erased))
    rows = [
        (
            person.person_id,
            person.organisation_id,
            person.version,
            person.full_name,
            person.email,
            person.locale,
            person.zone,
        )
        for _, person in sorted(register.changed.items())
    ]
    if rows:
        await connection.execute(QUERIES["save_people"], *columns_of(rows, 7))
