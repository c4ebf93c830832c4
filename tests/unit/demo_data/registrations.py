"""The demo's registrations in one form, whichever file they come from, so that a test can ask about all of them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mentorstream_local.demo.data import DemoData

COLUMNS = [
    "program",
    "reference",
    "full_name",
    "email",
    "zone",
    "locale",
    "manager",
    "roles",
    "capacity",
    "languages",
    "availability",
    "offers",
    "wants",
    "goals",
    "interests",
    "values",
    "style",
    "industry",
    "seniority",
    "credentials",
    "blocks",
]


@dataclass(frozen=True)
class Registration:
    """What the tests ask about. `program` has its owner in front; `skills` are offered or wanted names."""

    organisation: str
    program: str
    reference: str
    full_name: str
    email: str
    zone: str
    manager: str | None
    roles: tuple[str, ...]
    capacity: int
    languages: frozenset[str]
    availability: tuple[str, ...]
    offers: frozenset[str]
    wants: frozenset[str]
    goals: tuple[str, ...]
    credentials: frozenset[str]
    blocks: frozenset[str]
    seniority: int

    @property
    def person(self) -> tuple[str, str]:
        """Organisation and reference: who it is, in whichever program."""
        return self.organisation, self.reference

    @property
    def hours(self) -> float:
        """Available hours in a week."""
        return sum(end - start for _, start, end in map(minutes, self.availability)) / 60


def minutes(interval: str) -> tuple[str, int, int]:
    """Weekday, start and end in minutes of `mon 09:00-12:00`."""
    weekday, clocks = interval.split(" ")
    start, end = (int(clock[:2]) * 60 + int(clock[3:]) for clock in clocks.split("-"))
    return weekday, start, end


def csv_rows(data: DemoData) -> Iterator[tuple[str, dict[str, str]]]:
    """Organisation and cells of every CSV row."""
    for sent in data.imports:
        if sent.path.suffix == ".csv":
            with sent.path.open(encoding="utf-8-sig", newline="") as file:
                for row in csv.DictReader(file):
                    yield sent.organisation, row


def json_requests(data: DemoData) -> Iterator[tuple[str, dict[str, Any]]]:
    """Organisation and RegisterParticipant of every NDJSON line and every event of a batch."""
    for sent in data.imports:
        if sent.path.suffix == ".ndjson":
            for line in sent.path.read_bytes().splitlines():
                yield sent.organisation, json.loads(line)
    for batch in data.batches:
        for event in batch.events:
            yield batch.organisation, json.loads(event.body)["data"]


def registrations(data: DemoData) -> list[Registration]:
    """Everybody who is registered before the first day, in the order of the files."""
    return [_of_cells(*row) for row in csv_rows(data)] + [of_request(*request) for request in json_requests(data)]


def _qualified(organisation: str, program: str) -> str:
    return program if "/" in program else f"{organisation}/{program}"


def _of_cells(organisation: str, row: dict[str, str]) -> Registration:
    def parts(column: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in row[column].split(";") if part)

    def skills(column: str) -> frozenset[str]:
        return frozenset(part.rpartition(":")[0] for part in parts(column))

    return Registration(
        organisation=organisation,
        program=_qualified(organisation, row["program"]),
        reference=row["reference"],
        full_name=row["full_name"],
        email=row["email"],
        zone=row["zone"],
        manager=row["manager"] if row["manager"] not in ("", "-") else None,
        roles=parts("roles"),
        capacity=int(row["capacity"] or 1),
        languages=frozenset(parts("languages")),
        availability=parts("availability"),
        offers=skills("offers"),
        wants=skills("wants"),
        goals=parts("goals"),
        credentials=frozenset(parts("credentials")),
        blocks=frozenset(parts("blocks")),
        seniority=int(row["seniority"]),
    )


def of_request(organisation: str, request: dict[str, Any]) -> Registration:
    """A RegisterParticipant of one organisation."""
    person, participant = request["person"], request["participant"]
    return Registration(
        organisation=organisation,
        program=_qualified(organisation, request["program"]),
        reference=person["reference"],
        full_name=person["full_name"],
        email=person["email"],
        zone=person["zone"],
        manager=request.get("manager"),
        roles=tuple(participant["roles"]),
        capacity=participant.get("capacity", 1),
        languages=frozenset(participant["languages"]),
        availability=tuple(f"{h['weekday'][:3]} {h['start']}-{h['end']}" for h in participant["availability"]),
        offers=frozenset(skill["skill"] for skill in participant.get("offers", ())),
        wants=frozenset(skill["skill"] for skill in participant.get("wants", ())),
        goals=tuple(participant.get("goals", ())),
        credentials=frozenset(participant.get("credentials", ())),
        blocks=frozenset(participant.get("blocks", ())),
        seniority=participant["seniority"],
    )
