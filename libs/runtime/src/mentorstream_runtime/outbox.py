"""The outbox: events are rows of the transaction that decided them, numbered under their key's lock.

Writing is here, publishing in `relay`. An event's id derives from its cause, so deciding again gives the same event.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from mentorstream_events import Event, SequenceNumber, Value, contract_of, derived_id, encode_data, encode_headers

from .errors import Rejected

if TYPE_CHECKING:
    from .database import Connection

LANES: Final = 4
_PACK: Final = msgspec.msgpack.Encoder()

_DRAW_NUMBERS: Final = """
    INSERT INTO outbox_sequence AS drawn (topic, key, number)
    SELECT topic, key, count FROM unnest($1::text[], $2::text[], $3::bigint[]) AS wanted (topic, key, count)
    ORDER BY topic, key -- one order of locks for everybody
    ON CONFLICT (topic, key) DO UPDATE SET number = drawn.number + excluded.number
    RETURNING topic, key, number, (SELECT incarnation FROM outbox_incarnation) AS incarnation
"""


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """What an outgoing event follows from, when it is not an event: a request over HTTP, a timer that came due."""

    id: str
    traceparent: str | None = None


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
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
    return Outgoing(id=str(derived_id(cause.id, event_type, name)), data=data, time=time, traceparent=cause.traceparent)


async def write_outbox(
    connection: Connection, source: str, events: Sequence[Outgoing], *, limit_bytes: int = 900_000
) -> None:
    """Number the events and store them, in the order given, inside the caller's transaction.

    Raises Rejected("too_large") for an event that the broker would refuse. After the commit call `Wakeups.wake`.
    """
    if not events:
        return
    encoded = [_encode(event, limit_bytes) for event in events]
    counts = Counter((topic, key) for topic, key, _ in encoded)
    numbers = await _draw(connection, counts)
    rows = []
    for event, (topic, key, value) in zip(events, encoded, strict=True):
        incarnation, number = numbers[topic, key]
        numbers[topic, key] = (incarnation, number + 1)
        headers = encode_headers(
            event_id=event.id,
            event_type=contract_of(event.data).name,
            source=source,
            time=event.time,
            sequence=SequenceNumber(incarnation, number),
            traceparent=event.traceparent,
            redrive_of=event.redrive_of,
            redrive_for=event.redrive_for,
        )
        rows.append((lane_of(key), topic, key, _PACK.encode(headers), value))
    await connection.copy_records_to_table("outbox", records=rows, columns=["lane", "topic", "key", "headers", "value"])


async def write_raw(
    connection: Connection, *, topic: str, key: str, value: bytes | None, headers: Iterable[tuple[str, bytes | None]]
) -> None:
    """Store one record as it is, with a new sequence number in its headers: what a redrive publishes."""
    incarnation, number = (await _draw(connection, Counter({(topic, key): 1})))[topic, key]
    kept = [header for header in headers if header[0] != "ce_sequence"]
    kept.append(("ce_sequence", SequenceNumber(incarnation, number).encode().encode()))
    await connection.copy_records_to_table(
        "outbox",
        records=[(lane_of(key), topic, key, _PACK.encode(kept), value)],
        columns=["lane", "topic", "key", "headers", "value"],
    )


def lane_of(key: str) -> int:
    """The lane that publishes this key. One lane has one relay at a time, so a key has one order."""
    return zlib.crc32(key.encode()) % LANES


def _encode(event: Outgoing, limit_bytes: int) -> tuple[str, str, bytes | None]:
    contract = contract_of(event.data)
    value = encode_data(event.data)
    if value is not None and len(value) > limit_bytes:
        raise Rejected("too_large", f"{contract.name} has {len(value)} bytes; the limit is {limit_bytes}")
    return contract.topic.name, contract.key_of(event.data), value


async def _draw(connection: Connection, counts: Counter[tuple[str, str]]) -> dict[tuple[str, str], tuple[int, int]]:
    """Incarnation and first number of the run drawn for each topic and key."""
    wanted = list(counts.items())
    drawn = await connection.fetch(
        _DRAW_NUMBERS, [pair[0] for pair, _ in wanted], [pair[1] for pair, _ in wanted], [count for _, count in wanted]
    )
    return {
        (row["topic"], row["key"]): (row["incarnation"], row["number"] - counts[row["topic"], row["key"]] + 1)
        for row in drawn
    }
