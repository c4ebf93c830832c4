"""The outbox: events are rows of the transaction that decided them, numbered under their key's lock.

Writing is here, publishing in `relay`. An event's id derives from its cause, so deciding again gives the same event.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from mentorstream_events import Event, SequenceNumber, Value, contract_of, derived_text, encode_data, encode_headers

from .database import Table, insert_rows
from .errors import Rejected

if TYPE_CHECKING:
    from .database import Connection

LANES: Final = 4
# Unless an operator raised the broker's message.max.bytes and our limit with it.
LIMIT_BYTES: Final = 900_000
_OUTBOX: Final = Table(
    "outbox", (("lane", "smallint"), ("topic", "text"), ("key", "text"), ("headers", "bytea"), ("value", "bytea"))
)
_PACK: Final = msgspec.msgpack.Encoder()
# Topic and key: what has numbers of its own, and one order.
_Place: TypeAlias = tuple[str, str]
# Of an event: its place, its type, its value.
_Encoded: TypeAlias = tuple[_Place, str, bytes | None]

_DRAW_NUMBERS: Final = """
    INSERT INTO outbox_sequence AS drawn (topic, key, number)
    SELECT topic, key, count FROM unnest($1::text[], $2::text[], $3::bigint[]) AS wanted (topic, key, count)
    ORDER BY topic, key -- one order of locks for everybody
    ON CONFLICT (topic, key) DO UPDATE SET number = drawn.number + excluded.number
    RETURNING topic, key, number, (SELECT incarnation FROM outbox_incarnation) AS incarnation,
              EXISTS (SELECT FROM outbox_published) AS restored
"""
_GIVE_BACK: Final = """
    UPDATE outbox_sequence SET number = number - count
    FROM unnest($1::text[], $2::text[], $3::bigint[]) AS unused (topic, key, count)
    WHERE outbox_sequence.topic = unused.topic AND outbox_sequence.key = unused.key
"""


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """What an outgoing event follows from, when it is not an event: a request over HTTP, a timer that came due."""

    id: str
    traceparent: str | None = None


class Outgoing(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event on its way out. `time` is business time, aware."""

    id: str
    data: Value
    time: datetime
    traceparent: str | None = None
    redrive_of: str | None = None
    redrive_for: str | None = None


def emit(cause: Event[Value] | Cause, data: Value, *, time: datetime, name: object = "") -> Outgoing:
    """An event that follows from `cause`. Several of one type need a `name` each, such as the subject's id."""
    event_type = contract_of(data).name
    return Outgoing(id=derived_text(cause.id, event_type, name), data=data, time=time, traceparent=cause.traceparent)


async def write_outbox(
    connection: Connection, source: str, events: Sequence[Outgoing], *, limit_bytes: int = LIMIT_BYTES
) -> None:
    """Number the events and store them, in the order given, inside the caller's transaction.

    What a restore found published is left out: it was decided again. Raises Rejected("too_large") for an event that the
    broker would refuse. After the commit call `Wakeups.wake`.
    """
    if not events:
        return
    encoded = [_encode(event, limit_bytes) for event in events]
    counts = Counter([place for place, _, _ in encoded])
    numbers, restored = await _draw(connection, counts)
    published = await _published(connection, events, encoded) if restored else frozenset()
    lanes = {place: lane_of(place[1]) for place in counts}
    rows = []
    for event, (place, event_type, value) in zip(events, encoded, strict=True):
        if event.id in published:
            continue
        sequence = numbers[place]
        numbers[place] = SequenceNumber(sequence.incarnation, sequence.number + 1)
        headers = encode_headers(
            event_id=event.id,
            event_type=event_type,
            source=source,
            time=event.time,
            sequence=sequence,
            traceparent=event.traceparent,
            redrive_of=event.redrive_of,
            redrive_for=event.redrive_for,
        )
        rows.append((lanes[place], *place, _PACK.encode(headers), value))
    await insert_rows(connection, [(_OUTBOX, rows)])


async def write_raw(
    connection: Connection,
    *,
    topic: str,
    key: str,
    value: bytes | None,
    headers: Iterable[tuple[str, bytes | None]],
    limit_bytes: int = LIMIT_BYTES,
) -> None:
    """Store one record as it is, with a new sequence number in its headers: what a redrive publishes.

    Raises Rejected("too_large") for a record that the broker would refuse: all behind it would wait for ever.
    """
    numbers, _ = await _draw(connection, Counter({(topic, key): 1}))
    kept = [header for header in headers if header[0] != "ce_sequence"]
    kept.append(("ce_sequence", numbers[topic, key].encode().encode()))
    packed = _PACK.encode(kept)
    size = len(packed) + len(value or b"")
    if size > limit_bytes:
        raise Rejected("too_large", f"the record has {size} bytes; the limit is {limit_bytes}")
    await insert_rows(connection, [(_OUTBOX, [(lane_of(key), topic, key, packed, value)])])


async def forget_published(connection: Connection) -> None:
    """Forget what a restore found, after a month: everything that is decided again was decided by then."""
    await connection.execute("DELETE FROM outbox_published WHERE found_at < clock_timestamp() - interval '30 days'")


def lane_of(key: str) -> int:
    """The lane that publishes this key. One lane has one relay at a time, so a key has one order."""
    return zlib.crc32(key.encode()) % LANES


def _encode(event: Outgoing, limit_bytes: int) -> _Encoded:
    contract = contract_of(event.data)
    value = encode_data(event.data)
    if value is not None and len(value) > limit_bytes:
        raise Rejected("too_large", f"{contract.name} has {len(value)} bytes; the limit is {limit_bytes}")
    return (contract.topic.name, contract.key_of(event.data)), contract.name, value


async def _published(connection: Connection, events: Sequence[Outgoing], encoded: Sequence[_Encoded]) -> frozenset[str]:
    """Ids of those that are on their topics; gives their numbers back, so that readers see no gap."""
    rows = await connection.fetch(
        "SELECT event_id FROM outbox_published WHERE event_id = ANY($1::text[])", [event.id for event in events]
    )
    known = frozenset(row["event_id"] for row in rows)
    unused = Counter(place for event, (place, _, _) in zip(events, encoded, strict=True) if event.id in known)
    if unused:
        await connection.execute(
            _GIVE_BACK, [topic for topic, _ in unused], [key for _, key in unused], list(unused.values())
        )
    return known


async def _draw(connection: Connection, counts: Counter[_Place]) -> tuple[dict[_Place, SequenceNumber], bool]:
    """The first of the run drawn for each topic and key; whether the database was restored."""
    wanted = list(counts.items())
    drawn = await connection.fetch(
        _DRAW_NUMBERS, [pair[0] for pair, _ in wanted], [pair[1] for pair, _ in wanted], [count for _, count in wanted]
    )
    numbers = {
        (row["topic"], row["key"]): SequenceNumber(
            row["incarnation"], row["number"] - counts[row["topic"], row["key"]] + 1
        )
        for row in drawn
    }
    return numbers, any(row["restored"] for row in drawn)
