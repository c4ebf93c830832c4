"""Dead letters: records that contradict a contract or that no attempt could handle. Kept whole, listed, redriven.

A redrive publishes the record again, as a new event at the end of its topic, through the outbox, and names the reader
that it is for: the others skip it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import msgspec
from aiokafka import ConsumerRecord

from mentorstream_events import SequenceNumber, derived_id

from .outbox import write_raw

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


async def redrive(connection: Connection, service: str, letter: DeadLetter, *, force: bool = False) -> str:
    """Publish the record again for this service alone, in the caller's transaction; returns the new event's id.

    Raises ValueError when it was redriven before, has no key to be ordered by, or its subject changed since (an event
    of the same key, beyond the dead one, was handled); `force` overrides the last.
    """
    if letter.redriven_at is not None:
        raise ValueError(f"dead letter {letter.id} was redriven at {letter.redriven_at.isoformat()}")
    if letter.key is None:
        raise ValueError(f"dead letter {letter.id} has no key; it cannot be put in order")
    key = letter.key.decode("utf-8", "replace")
    attributes = dict(letter.headers)
    if not force and await _subject_changed(connection, letter, key, attributes):
        raise ValueError(f"newer events of {key} were handled since; redriving would apply an older fact over them")
    new_id = str(derived_id("redrive", letter.id))
    attributes["ce_redriveof"] = attributes.get("ce_id") or str(letter.id).encode()
    attributes["ce_redrivefor"] = service.encode()
    attributes["ce_id"] = new_id.encode()
    attributes["ce_source"] = service.encode()
    await write_raw(connection, topic=letter.topic, key=key, value=letter.value, headers=attributes.items())
    await connection.execute(
        "UPDATE dead_letter SET redriven_at = clock_timestamp(), redriven_as = $2 WHERE id = $1", letter.id, new_id
    )
    return new_id


async def delete_expired(connection: Connection) -> int:
    """Delete dead letters past their time."""
    status: str = await connection.execute("DELETE FROM dead_letter WHERE expires_at < clock_timestamp()")
    return int(status.rsplit(" ", 1)[-1])


async def _subject_changed(
    connection: Connection, letter: DeadLetter, key: str, attributes: dict[str, bytes | None]
) -> bool:
    source, sequence = attributes.get("ce_source"), attributes.get("ce_sequence")
    if source is None or sequence is None:
        return False
    try:
        own = SequenceNumber.parse(sequence.decode("ascii", "replace"))
    except ValueError:
        return False  # it was never in any order
    seen = await connection.fetchrow(
        "SELECT incarnation, number FROM sequence_seen WHERE topic = $1 AND source = $2 AND key = $3",
        letter.topic,
        source.decode("utf-8", "replace"),
        key,
    )
    return seen is not None and (seen["incarnation"], seen["number"]) > own


def _dead_letter(row: Any) -> DeadLetter:
    fields = dict(row)
    fields["headers"] = _HEADERS.decode(fields["headers"])
    return DeadLetter(**fields)
