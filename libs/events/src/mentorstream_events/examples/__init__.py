"""The published examples: one story of one program, as the records that Kafka would carry.

They are written by hand, shown in the reference, and sent through every reader by the tests, so that an example is
never a guess. Services do not import this package.

A file `<type>.json`, or `<type>--<variant>.json`, holds one CloudEvent in structured JSON; `partner/` holds requests
as partners send them to intake.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Final, Literal

import msgspec

from ..catalog import BY_TYPE, Contract
from ..envelope import Event, SequenceNumber, decode, encode_headers
from ..partner import REQUESTS, Request
from ..topics import TOPIC, TOPICS
from ..values import Value

DIRECTORY: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Example:
    """One example of a contract, as a Kafka record of `contract.topic`. `name` is its file's, without suffix."""

    name: str
    contract: Contract
    key: bytes
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    event: Event[Value]


@dataclass(frozen=True, slots=True)
class PartnerExample:
    """One example of a partner's request: `document` is the structured CloudEvent, `data` the JSON inside it."""

    name: str
    type: str
    document: bytes
    data: bytes
    request: Request


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    specversion: Literal["1.0"]
    id: str
    type: str
    source: str
    time: datetime
    sequence: str
    partitionkey: str
    datacontenttype: Literal["application/json"] | None = None
    traceparent: str | None = None
    data: msgspec.Raw = msgspec.Raw()  # empty for a tombstone


class _PartnerDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    specversion: Literal["1.0"]
    id: str
    type: str
    source: str
    time: datetime
    datacontenttype: Literal["application/json"]
    data: msgspec.Raw


@cache
def load_examples() -> tuple[Example, ...]:
    """Every example in the order of its story: by time, then topic, then sequence.

    Raises msgspec.ValidationError or Undecodable for a file that contradicts its contract.
    """
    order = {topic.name: place for place, topic in enumerate(TOPICS)}
    examples = [_example(path) for path in sorted(DIRECTORY.glob("*.json"))]
    return tuple(
        sorted(examples, key=lambda each: (each.event.time, order[each.contract.topic.name], each.event.sequence or ()))
    )


def examples_for(service: str) -> tuple[Example, ...]:
    """The examples that a service has to read, in order: those of every topic that names it as a reader."""
    return tuple(each for each in load_examples() if service in TOPIC[each.contract.topic.name].readers)


@cache
def load_partner_examples() -> tuple[PartnerExample, ...]:
    """Every example of a partner's request, in order of its name.

    Raises msgspec.ValidationError for a file that contradicts its schema.
    """
    return tuple(_partner_example(path) for path in sorted((DIRECTORY / "partner").glob("*.json")))


def _example(path: Path) -> Example:
    document = msgspec.json.decode(path.read_bytes(), type=_Document)
    contract = BY_TYPE[document.type]
    data = bytes(document.data)
    value = msgspec.json.format(data, indent=-1) if data else None
    headers = encode_headers(
        event_id=document.id,
        event_type=document.type,
        source=document.source,
        time=document.time,
        sequence=SequenceNumber.parse(document.sequence),
        traceparent=document.traceparent,
    )
    key = document.partitionkey.encode()
    event = decode(contract.topic.name, key, value, headers)
    return Example(path.stem, contract, key, value, tuple(headers), event)


def _partner_example(path: Path) -> PartnerExample:
    text = path.read_bytes()
    document = msgspec.json.decode(text, type=_PartnerDocument)
    data = bytes(document.data)
    return PartnerExample(path.stem, document.type, text, data, msgspec.json.decode(data, type=REQUESTS[document.type]))
