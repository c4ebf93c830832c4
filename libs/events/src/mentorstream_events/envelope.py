"""The CloudEvents 1.0 envelope and its Kafka binary binding: attributes in headers, JSON in the value.

This is the hot path, so the binding is written out here for our own attributes; the tests hold it against the
`cloudevents` package in both directions. Refuses what contradicts a contract with `Undecodable`, whose reason is the
reason of the dead letter.

Source: CloudEvents 1.0.2, Kafka Protocol Binding 1.0.2 section 3.2, and the Sequence and Distributed Tracing
extensions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha1
from operator import attrgetter
from typing import TYPE_CHECKING, Final, Generic, Literal, NamedTuple, TypeVar
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec

from .catalog import BY_MODEL, BY_TYPE, CONTRACTS, Contract
from .people import PersonErased
from .values import Value

if TYPE_CHECKING:
    from hashlib import _Hash

DataT_co = TypeVar("DataT_co", bound=Value, covariant=True)
Headers = Sequence[tuple[str, bytes]]
UndecodableReason = Literal[
    "missing_header",
    "bad_header",
    "unknown_type",
    "unknown_version",
    "wrong_topic",
    "null_value",
    "not_json",
    "wrong_schema",
    "wrong_key",
]

# Begun once: making a hash takes longer than copying one.
_NAMESPACE: Final = sha1(uuid5(NAMESPACE_URL, "https://mentorstream.example/ids").bytes, usedforsecurity=False)
_UNVERSIONED: Final = ~((0xF << 76) | (0x3 << 62))
_VERSION_5: Final = (0x5 << 76) | (0x2 << 62)
_VARIANT: Final = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))
_CONTENT_TYPE: Final = (("content-type", b"application/json"), ("ce_specversion", b"1.0"))
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_HEADER_LIMIT: Final = 200
_SEQUENCE_WIDTH: Final = 6 + 1 + 18
_BACKSLASH: Final = 0x5C
_POINT: Final = 0x2E
_CONTROL_ESCAPE: Final = re.compile(rb"\\(?:[bfnrt]|u00[01][0-9a-fA-F])")
_ENCODER: Final = msgspec.json.Encoder(uuid_format="canonical")


class _Reader(NamedTuple):
    """What `decode` needs of a contract, looked up once and not for each record."""

    name: str
    topic: str
    key_field: str
    tombstone: bool
    key_of: Callable[[Value], UUID]
    decode: Callable[[bytes], Value]


_READERS: Final[dict[bytes | None, _Reader]] = {
    contract.name.encode(): _Reader(
        name=contract.name,
        topic=contract.topic.name,
        key_field=contract.key_field,
        tombstone=contract.tombstone,
        key_of=attrgetter(contract.key_field),
        decode=msgspec.json.Decoder(contract.model).decode,
    )
    for contract in CONTRACTS
}


class Undecodable(ValueError):
    """A record that contradicts its contract. `reason` is stable, `detail` is for people."""

    def __init__(self, reason: UndecodableReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: UndecodableReason = reason
        self.detail = detail


class SequenceNumber(NamedTuple):
    """Place of an event among those of one source, topic and key. A restore raises the incarnation."""

    incarnation: int
    number: int

    def encode(self) -> str:
        """Fixed width, so that text order is number order, as the Sequence extension asks.

        Raises ValueError for a number that is negative or too wide: it would break that order for good.
        """
        return _sequence_bytes(self).decode()

    def missing_since(self, last: SequenceNumber | None) -> int | None:
        """How many numbers lie between the last one seen and this one; None when this one is a repeat.

        After a restore numbers begin anew, so nothing is missing.
        """
        if last is None:
            return 0
        if self <= last:
            return None
        return self.number - last.number - 1 if self.incarnation == last.incarnation else 0

    @classmethod
    def parse(cls, text: str) -> SequenceNumber:
        """Raises ValueError for anything that `encode` did not write."""
        incarnation, _, number = text.partition(".")
        digits = incarnation.isdigit() and number.isdigit() and text.isascii()
        if not digits or len(incarnation) != 6 or len(number) != 18:
            raise ValueError(f"{text[:64]!r} is no sequence number")
        return cls(int(incarnation), int(number))


class Event(msgspec.Struct, Generic[DataT_co], frozen=True, kw_only=True, gc=False):
    """An event as a handler sees it. `time` is business time; `sequence` is None where no service wrote a tombstone."""

    id: str
    type: str
    source: str
    time: datetime
    key: str
    data: DataT_co
    sequence: SequenceNumber | None = None
    traceparent: str | None = None
    redrive_of: str | None = None
    redrive_for: str | None = None


def derived_id(*parts: object) -> UUID:
    """An id that follows from its cause: the same parts give the same id, at every replay."""
    return UUID(bytes=derived_bytes(*parts))


def derived_text(*parts: object) -> str:
    """`derived_id` as text."""
    digits = _hashed(parts).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{_VARIANT[digits[16]]}{digits[17:20]}-{digits[20:32]}"


def derived_bytes(*parts: object) -> bytes:
    """`derived_id` as its sixteen bytes: a UUID of version 5 (RFC 9562), in a third of the time of `uuid5`."""
    number = int.from_bytes(_hashed(parts).digest()[:16], "big")
    return (number & _UNVERSIONED | _VERSION_5).to_bytes(16, "big")


def _hashed(parts: tuple[object, ...]) -> _Hash:
    hashed = _NAMESPACE.copy()
    hashed.update("\x1f".join(map(str, parts)).encode())
    return hashed


def has_control_character(json: bytes) -> bool:
    """Whether some text in a JSON document has a character below U+0020.

    JSON can write those only as escapes, so documents without a backslash, nearly all, cost one scan. No event may
    carry them: PostgreSQL cannot store NUL, and a line break in a name or title would end a mail header.
    """
    return _BACKSLASH in json and _CONTROL_ESCAPE.search(json.replace(rb"\\", b"")) is not None


def encode_data(data: Value) -> bytes | None:
    """The record's value: JSON, or None where the contract is a tombstone.

    Raises ValueError for a text with a control character: no reader would take it.
    """
    if isinstance(data, PersonErased):
        return None
    value = _ENCODER.encode(data)
    if has_control_character(value):
        raise ValueError(f"a text in {type(data).__name__} has a control character")
    return value


def encode_headers(
    *,
    event_id: str,
    event_type: str,
    source: str,
    time: datetime,
    sequence: SequenceNumber,
    traceparent: str | None = None,
    redrive_of: str | None = None,
    redrive_for: str | None = None,
) -> list[tuple[str, bytes]]:
    """Headers of the Kafka binary binding. `time` must be aware; it is written in UTC."""
    headers = [
        *_CONTENT_TYPE,
        ("ce_id", event_id.encode()),
        _named("ce_type", event_type),
        _named("ce_source", source),
        # The JSON encoder writes an instant in a ninth of the time that isoformat() takes.
        ("ce_time", _ENCODER.encode(time if time.tzinfo is UTC else time.astimezone(UTC))[1:-1]),
        ("ce_sequence", _sequence_bytes(sequence)),
    ]
    if traceparent is not None:
        headers.append(("ce_traceparent", traceparent.encode()))
    if redrive_of is not None:
        headers.append(("ce_redriveof", redrive_of.encode()))
    if redrive_for is not None:
        headers.append(("ce_redrivefor", redrive_for.encode()))
    return headers


@lru_cache(maxsize=1024)
def _named(header: str, name: str) -> tuple[str, bytes]:
    """Types and sources: few, and in each event."""
    return header, name.encode()


def _sequence_bytes(sequence: SequenceNumber) -> bytes:
    raw = b"%06d.%018d" % sequence
    if len(raw) != _SEQUENCE_WIDTH or b"-" in raw:
        raise ValueError(f"{raw.decode()!r} is no sequence number")
    return raw


def contract_of(data: Value) -> Contract:
    """The contract of a model. Raises KeyError for a value that is no event."""
    return BY_MODEL[type(data)]


def decode(topic: str, key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes]]) -> Event[Value]:
    """One Kafka record of `topic` (without prefix) as an event, its `time` in UTC.

    Headers may repeat (the last one counts), be unknown (ignored) or carry null, as brokers allow.
    Raises Undecodable naming what is wrong; never anything else, whatever the bytes.
    """
    attributes = dict(headers)
    if topic == "people" and value is None and "ce_type" not in attributes:
        return _bare_tombstone(key)
    raw_type = attributes.get("ce_type")
    reader = _READERS.get(raw_type)
    if reader is None:
        raise _unknown_type(raw_type)
    if reader.topic != topic:
        raise Undecodable("wrong_topic", f"{reader.name} belongs on {reader.topic}, not on {topic}")
    if key is None:
        raise Undecodable("wrong_key", f"the key is missing; expected {reader.key_field}")
    data: Value
    if reader.tombstone:
        if value is not None:
            raise Undecodable("wrong_schema", f"{reader.name} has a null value")
        data = PersonErased(person_id=_person_id(key))
    elif value is None:
        raise Undecodable("null_value", f"{reader.name} needs a value")
    else:
        try:
            data = reader.decode(value)
        except msgspec.ValidationError as error:
            raise Undecodable("wrong_schema", str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Undecodable("not_json", str(error)) from None
        if has_control_character(value):
            raise Undecodable("wrong_schema", "a text has a control character")
    # The encoder writes a UUID in a tenth of the time that str() takes.
    if _ENCODER.encode(reader.key_of(data))[1:-1] != key:
        raise Undecodable("wrong_key", f"the key is {key[:64]!r}, {reader.key_field} of the value is another")
    return _envelope(attributes, reader, key.decode(), data)


def _envelope(attributes: dict[str, bytes], reader: _Reader, key: str, data: Value) -> Event[Value]:
    optional = attributes.get
    try:
        if attributes["ce_specversion"] != b"1.0":
            raise ValueError("ce_specversion is not 1.0")
        time = datetime.fromisoformat(attributes["ce_time"].decode())
        if time.tzinfo is not UTC:
            if time.tzinfo is None:
                raise ValueError("ce_time has no offset")
            time = time.astimezone(UTC)
        # Who erases a person by some tool of Kafka's has no number to give.
        sequence = optional("ce_sequence") if reader.tombstone else attributes["ce_sequence"]
        traceparent = optional("ce_traceparent")
        redrive_of, redrive_for = optional("ce_redriveof"), optional("ce_redrivefor")
        return Event(
            id=_text(attributes["ce_id"]),
            type=reader.name,
            source=_source(attributes["ce_source"]),
            time=time,
            key=key,
            data=data,
            sequence=None if sequence is None else _sequence(sequence),
            traceparent=None if traceparent is None else _trace(traceparent),
            redrive_of=None if redrive_of is None else _text(redrive_of),
            redrive_for=None if redrive_for is None else _text(redrive_for),
        )
    except KeyError as error:
        raise Undecodable("missing_header", f"{error.args[0]} is missing") from None
    except AttributeError:
        raise Undecodable("bad_header", "a header is null") from None
    except (ValueError, OverflowError) as error:
        raise Undecodable("bad_header", str(error)) from None


def _text(raw: bytes) -> str:
    text = raw.decode()
    if not text or len(text) > _HEADER_LIMIT or not text.isprintable():
        raise ValueError(f"{raw[:64]!r} is empty, longer than {_HEADER_LIMIT} characters or not printable")
    return text


@lru_cache(maxsize=1024)
def _source(raw: bytes) -> str:
    """Few, and in each event."""
    return _text(raw)


def _sequence(raw: bytes) -> SequenceNumber:
    """`SequenceNumber.parse`, for bytes."""
    incarnation, number = raw[:6], raw[7:]
    if len(raw) != _SEQUENCE_WIDTH or raw[6] != _POINT or not (incarnation.isdigit() and number.isdigit()):
        raise ValueError(f"{raw[:64]!r} is no sequence number")
    return SequenceNumber(int(incarnation), int(number))


def _trace(raw: bytes) -> str | None:
    """None for what is no text: a broken trace is dropped, as W3C Trace Context asks, and never costs an event."""
    try:
        return _text(raw)
    except ValueError:
        return None


def _bare_tombstone(key: bytes | None) -> Event[Value]:
    """A tombstone as any Kafka tool would write it, without headers, is an erasure too."""
    if key is None:
        raise Undecodable("wrong_key", "the key is missing; expected person_id")
    person_id = _person_id(key)
    return Event(
        id=f"tombstone-{person_id}",
        type=BY_MODEL[PersonErased].name,
        source="unknown",
        time=_EPOCH,
        key=str(person_id),
        data=PersonErased(person_id=person_id),
    )


def _person_id(key: bytes) -> UUID:
    try:
        person_id = UUID(key.decode())
    except ValueError:
        raise Undecodable("wrong_key", f"the key {key[:64]!r} is no UUID") from None
    if str(person_id).encode() != key:
        # Compaction compares bytes: a key written otherwise would not remove the person's records.
        raise Undecodable("wrong_key", f"the key {key!r} is not in canonical form")
    return person_id


def _unknown_type(raw_type: bytes | None) -> Undecodable:
    if raw_type is None:
        return Undecodable("missing_header", "ce_type is missing; only the binary binding is read")
    text = raw_type[:200].decode("utf-8", "replace")
    stem = text.rpartition(".v")[0]
    if any(known.rpartition(".v")[0] == stem for known in BY_TYPE):
        return Undecodable("unknown_version", f"{text} is a version that this reader does not know")
    return Undecodable("unknown_type", f"{text} is in no contract")
