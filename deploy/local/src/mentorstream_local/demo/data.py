"""Reads the demo's committed input: what partners send, what happens later, and what must be refused.

The bytes of each request are those of the file. Nothing is checked against the contracts and no CSV row is
interpreted here: that is intake's work, and the demo is there to show it.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import msgspec

DIRECTORY: Final = Path(__file__).resolve().parents[3] / "demo-data"
STARTS_AT: Final = datetime(2026, 3, 9, 8, 0, tzinfo=UTC)
DAYS: Final = 28
EVENT_CONTENT_TYPE: Final = "application/cloudevents+json"
BATCH_CONTENT_TYPE: Final = "application/cloudevents-batch+json"

_CONTENT_TYPES: Final = {"csv": "text/csv; charset=utf-8", "ndjson": "application/x-ndjson"}
# Everybody's first program, then the second one of those who are in two.
_PARTS: Final = ("", "-second")


@dataclass(frozen=True, slots=True)
class Organisation:
    """A partner: how it proves who it is, and in which form it sends its people."""

    name: str
    title: str
    kind: str
    authentication: Literal["signature", "api-key"]
    sends: Literal["csv", "ndjson", "events"]


@dataclass(frozen=True, slots=True)
class PartnerEvent:
    """One structured CloudEvent. `body` is its JSON."""

    organisation: str
    id: str
    type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Import:
    """One file for `POST /v1/imports`. `rows` are registrations, the header not counted."""

    organisation: str
    path: Path
    content_type: str
    rows: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Registrations that an organisation sends as events, in their order."""

    organisation: str
    events: tuple[PartnerEvent, ...]


@dataclass(frozen=True, slots=True)
class LaterEvent:
    """An event that is sent at the start of a day. Day 0 is the first."""

    day: int
    organisation: str
    event: PartnerEvent


@dataclass(frozen=True, slots=True)
class Erasure:
    """A person whom their organisation asks to erase at the start of a day."""

    day: int
    organisation: str
    person: str


@dataclass(frozen=True, slots=True)
class RefusedRequest:
    """A request that intake must refuse. Sent once the imports are in.

    `authentication`: as the organisation does, none at all, or the right form with a wrong secret. `pointer` is the
    JSON pointer, from the root of the request, that the answer must name; None where no field is to blame.
    """

    name: str
    organisation: str
    authentication: Literal["own", "none", "wrong"]
    path: str
    content_type: str
    body: bytes
    status: int
    pointer: str | None


@dataclass(frozen=True, slots=True)
class PoisonRecord:
    """A Kafka record that each deciding reader of its topic must turn into a dead letter with this reason."""

    name: str
    topic: str
    key: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    value: bytes | None
    reason: str


@dataclass(frozen=True, slots=True)
class DemoData:
    """The whole input, in the order in which it is sent: programs of everybody, then people, then what comes later."""

    organisations: tuple[Organisation, ...]
    programs: tuple[PartnerEvent, ...]
    imports: tuple[Import, ...]
    batches: tuple[Batch, ...]
    later: tuple[LaterEvent | Erasure, ...]
    refused_requests: tuple[RefusedRequest, ...]
    poison_records: tuple[PoisonRecord, ...]


class _Head(msgspec.Struct, frozen=True):
    id: str
    type: str


class _Later(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    day: int
    organisation: str
    event: msgspec.Raw = msgspec.Raw()
    erase: str | None = None


class _Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    organisation: str
    authentication: Literal["own", "none", "wrong"]
    path: str
    content_type: str
    status: int
    pointer: str | None
    event: msgspec.Raw = msgspec.Raw()
    text: str | None = None


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    topic: str
    key: str | None
    headers: dict[str, str]
    value: str | None
    reason: str


class _Poison(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    requests: list[_Request]
    records: list[_Record]


def load(directory: Path = DIRECTORY) -> DemoData:
    """The input below `directory`.

    Raises FileNotFoundError for a missing file and msgspec.ValidationError for one of another shape.
    """
    with (directory / "organisations.csv").open(encoding="utf-8", newline="") as file:
        organisations = tuple(msgspec.convert(row, Organisation) for row in csv.DictReader(file))
    programs: list[PartnerEvent] = []
    imports: list[Import] = []
    batches: list[Batch] = []
    for organisation in organisations:
        folder = directory / "organisations" / organisation.name
        programs += _events(organisation.name, folder / "programs.json")
        for part in _PARTS:
            sent = "events" if organisation.sends == "events" else "participants"
            path = folder / f"{sent}{part}.{'json' if sent == 'events' else organisation.sends}"
            if part and not path.exists():
                continue
            if sent == "events":
                batches.append(Batch(organisation.name, _events(organisation.name, path)))
            else:
                content_type = _CONTENT_TYPES[organisation.sends]
                imports.append(Import(organisation.name, path, content_type, _rows(path)))
    poison = msgspec.json.decode((directory / "poison.json").read_bytes(), type=_Poison)
    return DemoData(
        organisations=organisations,
        programs=tuple(programs),
        imports=tuple(imports),
        batches=tuple(batches),
        later=_later(directory / "later.json"),
        refused_requests=tuple(map(_refused, poison.requests)),
        poison_records=tuple(map(_poison, poison.records)),
    )


def batch_body(events: tuple[PartnerEvent, ...]) -> bytes:
    """The body of one `application/cloudevents-batch+json` request."""
    return b"[" + b",".join(event.body for event in events) + b"]"


def _events(organisation: str, path: Path) -> tuple[PartnerEvent, ...]:
    return tuple(_event(organisation, raw) for raw in msgspec.json.decode(path.read_bytes(), type=list[msgspec.Raw]))


def _event(organisation: str, raw: msgspec.Raw) -> PartnerEvent:
    head = msgspec.json.decode(raw, type=_Head)
    return PartnerEvent(organisation, head.id, head.type, bytes(raw))


def _rows(path: Path) -> int:
    text = path.read_bytes().decode("utf-8-sig")
    if path.suffix == ".csv":
        # Not the number of lines: a field may hold a line break.
        return sum(1 for _ in csv.reader(io.StringIO(text, newline=""))) - 1
    return sum(1 for line in text.split("\n") if line)


def _later(path: Path) -> tuple[LaterEvent | Erasure, ...]:
    actions: list[LaterEvent | Erasure] = []
    for said in msgspec.json.decode(path.read_bytes(), type=list[_Later]):
        if said.erase is not None:
            actions.append(Erasure(said.day, said.organisation, said.erase))
        else:
            actions.append(LaterEvent(said.day, said.organisation, _event(said.organisation, said.event)))
    return tuple(sorted(actions, key=lambda action: action.day))


def _refused(said: _Request) -> RefusedRequest:
    return RefusedRequest(
        name=said.name,
        organisation=said.organisation,
        authentication=said.authentication,
        path=said.path,
        content_type=said.content_type,
        body=bytes(said.event) if said.text is None else said.text.encode(),
        status=said.status,
        pointer=said.pointer,
    )


def _poison(said: _Record) -> PoisonRecord:
    return PoisonRecord(
        name=said.name,
        topic=said.topic,
        key=None if said.key is None else said.key.encode(),
        headers=tuple((name, value.encode()) for name, value in said.headers.items()),
        value=None if said.value is None else said.value.encode(),
        reason=said.reason,
    )
