"""Dead letters: records that contradict a contract or that no attempt could handle. Kept whole, listed, redriven.

A redrive publishes the record again, as a new event at the end of its topic, through the outbox, and names the reader
that it is for: the others skip it. Whether its subject changed since, only the topic can tell: who redrives reads what
came after, lets `same_subject` choose, and passes on what it chose. Nothing here talks to a broker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import msgspec
from aiokafka import ConsumerRecord

from mentorstream_events import BY_TYPE, SequenceNumber, Undecodable, decode, derived_id

from .outbox import LIMIT_BYTES, write_raw

if TYPE_CHECKING:
    from .database import Connection

_PACK: Final = msgspec.msgpack.Encoder()
_HEADERS: Final = msgspec.msgpack.Decoder(list[tuple[str, bytes | None]])
_COLUMNS: Final = "id, topic, partition, record_offset, reason, detail, key, headers, value, created_at, redriven_at"

_BURY: Final = """
    INSERT INTO dead_letter (id, topic, partition, record_offset, reason, detail, key, headers, value)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::int[], $4::bigint[], $5::text[], $6::text[], $7::bytea[],
                         $8::bytea[], $9::bytea[])
    ON CONFLICT (topic, partition, record_offset) DO NOTHING -- a replay meets the same record again
"""
# Of records that came later: those that were handled, and that no earlier fact explains. One that became a dead letter
# itself changed nothing; one that repeats an earlier dead letter says what was known before this one.
_COUNT_NEWER: Final = """
    SELECT count(*) FROM unnest($3::bigint[], $4::text[]) AS later (record_offset, event_id)
    WHERE NOT EXISTS (
        SELECT FROM dead_letter AS dead WHERE dead.topic = $1 AND dead.partition = $2
        AND (dead.record_offset = later.record_offset
             OR (dead.redriven_as = later.event_id AND dead.record_offset < $5)))
"""


@dataclass(frozen=True, slots=True)
class Burial:
    """A record and why it is put aside."""

    record: ConsumerRecord[bytes | None, bytes | None]
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A stored dead letter. `headers` as they came; `value` None is a tombstone."""

    id: UUID
    topic: str
    partition: int
    record_offset: int
    reason: str
    detail: str
    key: bytes | None
    headers: list[tuple[str, bytes | None]]
    value: bytes | None
    created_at: datetime
    redriven_at: datetime | None


@dataclass(frozen=True, slots=True)
class Later:
    """Place and event id of a record that came after a dead letter and is about the same."""

    offset: int
    event_id: str


async def bury(connection: Connection, topic: str, burials: Sequence[Burial]) -> None:
    """Store dead letters in the transaction of their batch. `topic` is without prefix."""
    rows = [
        (
            derived_id("dead-letter", topic, burial.record.partition, burial.record.offset),
            topic,
            burial.record.partition,
            burial.record.offset,
            burial.reason,
            burial.detail[:1000].replace("\0", "\N{REPLACEMENT CHARACTER}"),  # PostgreSQL stores no NUL
            burial.record.key,
            _PACK.encode(list(burial.record.headers)),
            burial.record.value,
        )
        for burial in burials
    ]
    await connection.execute(_BURY, *map(list, zip(*rows, strict=True)))


async def list_dead_letters(connection: Connection, *, limit: int = 100, reason: str | None = None) -> list[DeadLetter]:
    """The newest ones first."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM dead_letter WHERE $2::text IS NULL OR reason = $2"  # noqa: S608 - constant columns
        " ORDER BY created_at DESC, id LIMIT $1",
        limit,
        reason,
    )
    return [_dead_letter(row) for row in rows]


async def read_dead_letter(connection: Connection, letter_id: UUID, *, lock: bool = False) -> DeadLetter | None:
    """One dead letter, locked for a redrive if asked."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM dead_letter WHERE id = $1{' FOR UPDATE' if lock else ''}",  # noqa: S608 - constant columns
        letter_id,
    )
    return None if row is None else _dead_letter(row)


def same_subject(service: str, letter: DeadLetter) -> Callable[[ConsumerRecord[bytes | None, bytes | None]], bool]:
    """Which later records of the letter's partition might have changed what it is about, for this service.

    They have its key and name its subject. A letter that cannot be decoded has no known subject, and some types have
    none: then every record of its key does.
    """
    subject, type_alone = _subject(letter)
    attributes = dict(letter.headers)
    event_type, source, own = attributes.get("ce_type"), attributes.get("ce_source"), _number(attributes)

    def matches(record: ConsumerRecord[bytes | None, bytes | None]) -> bool:
        if record.key != letter.key:
            return False
        headers = dict(record.headers)
        if headers.get("ce_redrivefor", service.encode()) != service.encode():
            return False
        number = _number(headers)
        if own is not None and number is not None and number <= own and headers.get("ce_source") == source:
            return False  # a relay that was killed sent it twice
        if type_alone:
            return headers.get("ce_type") == event_type
        # Ids are random or hashed, and always written the same way: a value that names one holds its text.
        return not subject or (record.value is not None and any(each in record.value for each in subject))

    return matches


def _number(attributes: Mapping[str, bytes | None]) -> SequenceNumber | None:
    try:
        return SequenceNumber.parse((attributes.get("ce_sequence") or b"").decode("ascii", "replace"))
    except ValueError:
        return None  # it was never in any order


def _subject(letter: DeadLetter) -> tuple[tuple[bytes, ...], bool]:
    """The subject's ids as they stand in values, and whether it is the key itself."""
    try:
        event = decode(letter.topic, letter.key, letter.value, [(n, v) for n, v in letter.headers if v is not None])
    except Undecodable:
        return (), False
    contract = BY_TYPE[event.type]
    values = tuple(str(getattr(event.data, field)).encode() for field in contract.subject)
    return values, contract.key_field in contract.subject


async def redrive(
    connection: Connection,
    service: str,
    letter: DeadLetter,
    *,
    later: Sequence[Later] = (),
    limit_bytes: int = LIMIT_BYTES,
) -> str:
    """Publish the record again for this service alone, in the caller's transaction; returns the new event's id.

    `later` is what came after it on its partition and is about the same; none when that does not matter.
    Raises ValueError when it was redriven before, has no key to be ordered by, is larger than the limit, or one of the
    later ones was handled, or will be before it.
    """
    if letter.redriven_at is not None:
        raise ValueError(f"dead letter {letter.id} was redriven at {letter.redriven_at.isoformat()}")
    if letter.key is None:
        raise ValueError(f"dead letter {letter.id} has no key; it cannot be put in order")
    newer = await connection.fetchval(
        _COUNT_NEWER,
        letter.topic,
        letter.partition,
        [each.offset for each in later],
        [each.event_id for each in later],
        letter.record_offset,
    )
    if newer:
        raise ValueError(
            f"{newer} newer events about the same came since; redriving would apply an older fact over them"
        )
    new_id = str(derived_id("redrive", letter.id))
    attributes = dict(letter.headers)
    attributes["ce_redriveof"] = attributes.get("ce_id") or str(letter.id).encode()
    attributes["ce_redrivefor"] = service.encode()
    attributes["ce_id"] = new_id.encode()
    attributes["ce_source"] = service.encode()
    key = letter.key.decode("utf-8", "replace")
    await write_raw(
        connection,
        topic=letter.topic,
        key=key,
        value=letter.value,
        headers=attributes.items(),
        limit_bytes=limit_bytes,
    )
    await connection.execute(
        "UPDATE dead_letter SET redriven_at = clock_timestamp(), redriven_as = $2 WHERE id = $1", letter.id, new_id
    )
    return new_id


async def delete_expired(connection: Connection) -> int:
    """Delete dead letters past their time."""
    status: str = await connection.execute("DELETE FROM dead_letter WHERE expires_at < clock_timestamp()")
    return int(status.rsplit(" ", 1)[-1])


def _dead_letter(row: Any) -> DeadLetter:
    fields = dict(row)
    fields["headers"] = _HEADERS.decode(fields["headers"])
    return DeadLetter(**fields)
