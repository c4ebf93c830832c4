"""The CloudEvents 1.0 envelope and its Kafka binary binding: attributes in headers, JSON in the value.

This is the hot path, so the binding is written out here for our own attributes; the tests hold it against the
`cloudevents` package in both directions. Refuses what contradicts a contract with `Undecodable`, whose reason is the
reason of the dead letter.

Source: CloudEvents 1.0.2, Kafka Protocol Binding 1.0.2 section 3.2, and the Sequence and Distributed Tracing
extensions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final, Generic, Literal, NamedTuple, TypeVar
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec

from .catalog import BY_MODEL, BY_TYPE, CONTRACTS, Contract
from .people import PersonErased
from .values import Value

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

_NAMESPACE: Final = uuid5(NAMESPACE_URL, "https://mentorstream.example/ids")
_CONTENT_TYPE: Final = (("content-type", b"application/json"), ("ce_specversion", b"1.0"))
_DECODERS: Final[dict[bytes, tuple[Contract, msgspec.json.Decoder[Value]]]] = {
    contract.name.encode(): (contract, msgspec.json.Decoder(contract.model)) for contract in CONTRACTS
}
_ENCODER: Final = msgspec.json.Encoder(uuid_format="canonical")


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
        """Fixed width, so that text order is number order, as the Sequence extension asks."""
        return f"{self.incarnation:06d}.{self.number:018d}"

    @classmethod
    def parse(cls, text: str) -> SequenceNumber:
        """Raises ValueError for anything that `encode` did not write."""
        incarnation, number = text.split(".")
        return cls(int(incarnation), int(number))


class Event(msgspec.Struct, Generic[DataT_co], frozen=True, kw_only=True):
    """An event as a handler sees it. `time` is business time; `sequence` is None until the outbox numbers it."""

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
    return uuid5(_NAMESPACE, "\x1f".join(map(str, parts)))


def encode_data(data: Value) -> bytes | None:
    """The record's value: JSON, or None where the contract is a tombstone."""
    if isinstance(data, PersonErased):
        return None
    return _ENCODER.encode(data)


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
        ("ce_type", event_type.encode()),
        ("ce_source", source.encode()),
        ("ce_time", time.astimezone(UTC).isoformat().replace("+00:00", "Z").encode()),
        ("ce_sequence", sequence.encode().encode()),
    ]
    if traceparent is not None:
        headers.append(("ce_traceparent", traceparent.encode()))
    if redrive_of is not None:
        headers.append(("ce_redriveof", redrive_of.encode()))
    if redrive_for is not None:
        headers.append(("ce_redrivefor", redrive_for.encode()))
    return headers


def contract_of(data: Value) -> Contract:
    """The contract of a model. Raises KeyError for a value that is no event."""
    return BY_MODEL[type(data)]


def decode(topic: str, key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes]]) -> Event[Value]:
    """One Kafka record of `topic` (without prefix) as an event.

    Raises Undecodable naming what is wrong; never anything else, whatever the bytes.
    """
    attributes = dict(headers)
    if topic == "people" and value is None and "ce_type" not in attributes:
        # A bare tombstone, as any Kafka tool would write it, is an erasure too.
        attributes = {**attributes, "ce_type": b"mentorstream.person.erased.v1"}
    raw_type = attributes.get("ce_type")
    if raw_type is None:
        raise Undecodable("missing_header", "ce_type is missing")
    found = _DECODERS.get(raw_type)
    if found is None:
        raise _unknown_type(raw_type)
    contract, decoder = found
    if contract.topic.name != topic:
        raise Undecodable("wrong_topic", f"{contract.name} belongs on {contract.topic.name}, not on {topic}")
    if key is None:
        raise Undecodable("wrong_key", f"the key is missing; expected {contract.key_field}")
    data: Value
    if contract.tombstone:
        if value is not None:
            raise Undecodable("wrong_schema", f"{contract.name} has a null value")
        data = PersonErased(person_id=_person_id(key))
    elif value is None:
        raise Undecodable("null_value", f"{contract.name} needs a value")
    else:
        try:
            data = decoder.decode(value)
        except msgspec.ValidationError as error:
            raise Undecodable("wrong_schema", str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Undecodable("not_json", str(error)) from None
    text_key = key.decode("utf-8", "replace")
    if text_key != str(getattr(data, contract.key_field)):
        raise Undecodable("wrong_key", f"the key is {text_key!r}, {contract.key_field} of the value is another")
    return _envelope(attributes, contract, text_key, data)


def _envelope(attributes: dict[str, bytes], contract: Contract, key: str, data: Value) -> Event[Value]:
    optional = attributes.get
    try:
        if contract.tombstone and "ce_id" not in attributes:
            event_id, source, time = f"tombstone-{key}", "unknown", datetime.fromtimestamp(0, UTC)
        else:
            event_id = attributes["ce_id"].decode()
            source = attributes["ce_source"].decode()
            time = datetime.fromisoformat(attributes["ce_time"].decode())
        if time.tzinfo is None:
            raise ValueError("ce_time has no offset")
        sequence = optional("ce_sequence")
        traceparent = optional("ce_traceparent")
        redrive_of, redrive_for = optional("ce_redriveof"), optional("ce_redrivefor")
        return Event(
            id=event_id,
            type=contract.name,
            source=source,
            time=time,
            key=key,
            data=data,
            sequence=None if sequence is None else SequenceNumber.parse(sequence.decode()),
            traceparent=None if traceparent is None else traceparent.decode(),
            redrive_of=None if redrive_of is None else redrive_of.decode(),
            redrive_for=None if redrive_for is None else redrive_for.decode(),
        )
    except KeyError as error:
        raise Undecodable("missing_header", f"{error.args[0]} is missing") from None
    except ValueError as error:
        raise Undecodable("bad_header", str(error)) from None


def _person_id(key: bytes) -> UUID:
    try:
        return UUID(key.decode())
    except ValueError:
        raise Undecodable("wrong_key", f"the key {key[:64]!r} is no UUID") from None


def _unknown_type(raw_type: bytes) -> Undecodable:
    text = raw_type[:200].decode("utf-8", "replace")
    stem = text.rpartition(".v")[0]
    if any(known.rpartition(".v")[0] == stem for known in BY_TYPE):
        return Undecodable("unknown_version", f"{text} is a version that this reader does not know")
    return Undecodable("unknown_type", f"{text} is in no contract")
