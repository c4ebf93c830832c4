"""Seeded input: organisations, programs, people, and what partners later say of them, as HTTP requests.

Equal seeds give equal bytes. Sends nothing; see `driver`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Final, Literal

ORGANISATIONS: Final = {"alder": "signature", "birch": "key", "cedar": "signature"}
_ZONES: Final = ("Europe/Berlin", "Europe/Lisbon", "America/New_York", "Europe/London", "Africa/Lagos")
_SKILLS: Final = ("data engineering", "leading teams", "public speaking", "budgeting", "negotiation", "field work")
_LANGUAGES: Final = ("en", "de", "pt")
_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday")
_SENT_AT: Final = "2026-03-09T07:59:00Z"
Kind = Literal["configure", "register", "update", "rename", "withdraw", "rematch", "erase"]


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that a partner says. `program` is owner/reference. `event_id` is empty for rows of a file."""

    kind: Kind
    event_id: str = ""
    event_type: str = ""
    program: str = ""
    reference: str = ""
    full_name: str = ""
    mentor: bool = False
    capacity: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, the same bytes at every attempt."""

    organisation: str
    method: str
    path: str
    body: bytes
    content_type: str
    items: tuple[Item, ...]
    idempotency_key: str | None = None


@dataclass(slots=True)
class Load:
    """All that one test sends. `programs` go first; then each organisation's own requests, in their order."""

    name: str
    programs: list[Request] = field(default_factory=list)
    requests: dict[str, list[Request]] = field(default_factory=dict)
    accepted: int = 0

    @property
    def size(self) -> int:
        """Requests after the programs."""
        return sum(len(requests) for requests in self.requests.values())

    def references(self) -> list[str]:
        """Of all who are registered, each once."""
        items = [item for requests in self.requests.values() for request in requests for item in request.items]
        return list(dict.fromkeys(item.reference for item in items if item.kind == "register"))


def make_load(name: str, random: Random, *, people: int, programs: int = 6) -> Load:
    """`people` registered in `programs`, some in two; then one in four changed, moved, withdrawn, erased or rematched.

    A quarter are mentors, for one to four mentees. `name` must be another one for each load of a system: it is part of
    every reference.
    """
    return _Maker(name, random).make(people, programs)


class _Maker:
    def __init__(self, name: str, random: Random) -> None:
        self._name = name
        self._random = random
        self._number = 0
        self._load = Load(name, requests={organisation: [] for organisation in ORGANISATIONS})

    def make(self, people: int, programs: int) -> Load:
        owners = list(ORGANISATIONS)
        open_programs: dict[str, list[str]] = {organisation: [] for organisation in ORGANISATIONS}
        for number in range(programs):
            owner = owners[number % len(owners)]
            guests = [other for other in owners if other != owner] if number % 3 == 0 else []
            program = f"{owner}/{self._name}-p{number}"
            self._load.programs.append(self._program(owner, program, guests, consent=number % 2 == 1))
            for organisation in (owner, *guests):
                open_programs[organisation].append(program)
        for index, organisation in enumerate(owners):
            share = people // len(owners) + (1 if index < people % len(owners) else 0)
            self._people_of(organisation, open_programs[organisation], share)
        return self._load

    def _people_of(self, organisation: str, programs: Sequence[str], count: int) -> None:
        items: list[tuple[Item, dict[str, Any]]] = []
        for number in range(count):
            reference = f"{self._name}-{organisation[0]}{number:04d}"
            chosen = self._random.sample(programs, 2 if self._random.random() < 0.1 else 1)
            items += [self._registration(organisation, program, reference) for program in chosen]
        requests = self._load.requests[organisation]
        registered = [item for item, _ in items]
        while items:
            size = self._random.choice((1, 1, 1, 5, 20))
            part, items = items[:size], items[size:]
            requests.append(self._request(organisation, part))
        # What comes later meets registrations that are still on their way.
        for request in self._changes(organisation, registered):
            requests.insert(self._random.randint(self._last_of(requests, request) + 1, len(requests)), request)

    @staticmethod
    def _last_of(requests: Sequence[Request], change: Request) -> int:
        """Where the changed person is spoken of last so far: a change comes after that."""
        reference = change.items[0].reference
        return max(
            index
            for index, request in enumerate(requests)
            if any(item.reference == reference for item in request.items)
        )

    def _changes(self, organisation: str, registered: Sequence[Item]) -> Iterator[Request]:
        """One change at most for each person, so that the last word is never in doubt."""
        of_people: dict[str, list[Item]] = {}
        for item in registered:
            of_people.setdefault(item.reference, []).append(item)
        for reference, items in of_people.items():
            chance, item = self._random.random(), items[0]
            if chance < 0.10:
                yield self._event(organisation, *self._update(item))
            elif chance < 0.15:
                yield self._event(organisation, *self._rename(reference))
            elif chance < 0.19:
                told = Item("withdraw", program=item.program, reference=reference)
                yield self._event(organisation, told, "withdraw", {"program": item.program, "person": reference})
            elif chance < 0.21:
                told = Item("rematch", program=item.program, reference=reference)
                yield self._event(organisation, told, "request_rematch", {"program": item.program, "person": reference})
            elif chance < 0.23:
                path = f"/v1/people/{reference}"
                yield Request(organisation, "DELETE", path, b"", "", (Item("erase", reference=reference),))

    def _program(self, owner: str, program: str, guests: Sequence[str], *, consent: bool) -> Request:
        document = {
            "program": program.partition("/")[2],
            "title": f"Program {program}",
            "open_to": list(guests),
            "policy": {"mentor_consent": consent},
            "terms": {"cadence_days": 7, "meeting_minutes": 30, "weeks": 26, "meetings_ahead": 1},
        }
        told = Item("configure", program=program)
        return self._event(owner, told, "configure", document, of="program")

    def _registration(self, organisation: str, program: str, reference: str) -> tuple[Item, dict[str, Any]]:
        mentor, name = self._random.random() < 0.25, f"Person {reference}"
        capacity = self._random.randint(1, 4) if mentor else 0
        document = {
            "program": program,
            "person": self._person(reference, name),
            "participant": self._participant(mentor, capacity),
        }
        told = Item("register", program=program, reference=reference, full_name=name, mentor=mentor, capacity=capacity)
        return told, document

    def _update(self, item: Item) -> tuple[Item, str, dict[str, Any]]:
        capacity = self._random.randint(0, 5) if item.mentor else 0
        document = {
            "program": item.program,
            "person": item.reference,
            "participant": self._participant(item.mentor, capacity),
        }
        told = Item("update", program=item.program, reference=item.reference, mentor=item.mentor, capacity=capacity)
        return told, "update", document

    def _rename(self, reference: str) -> tuple[Item, str, dict[str, Any]]:
        name = f"Renamed {reference}"
        return (
            Item("rename", reference=reference, full_name=name),
            "person.update",
            {"person": self._person(reference, name)},
        )

    def _person(self, reference: str, full_name: str) -> dict[str, Any]:
        return {
            "reference": reference,
            "full_name": full_name,
            "email": f"{reference}@people.example",
            "zone": self._random.choice(_ZONES),
        }

    def _participant(self, mentor: bool, capacity: int) -> dict[str, Any]:
        skills = [{"skill": skill, "level": self._random.randint(1, 5)} for skill in self._random.sample(_SKILLS, 2)]
        days = sorted(self._random.sample(_DAYS, 4), key=_DAYS.index)
        details: dict[str, Any] = {
            "roles": ["mentor" if mentor else "mentee"],
            "languages": ["en", self._random.choice(_LANGUAGES[1:])],
            "availability": [{"weekday": day, "start": "08:00", "end": "20:00"} for day in days],
            "offers" if mentor else "wants": skills,
            "seniority": self._random.randint(0, 10),
        }
        return {**details, "capacity": capacity} if mentor else details

    def _request(self, organisation: str, part: Sequence[tuple[Item, dict[str, Any]]]) -> Request:
        if len(part) == 1:
            return self._event(organisation, part[0][0], "register", part[0][1])
        if self._random.random() < 0.3:
            body = b"".join(json.dumps(document).encode() + b"\n" for _, document in part)
            items = tuple(item for item, _ in part)
            self._number += 1
            key = f"{self._name}-{organisation}-{self._number}"
            return Request(organisation, "POST", "/v1/imports", body, "application/x-ndjson", items, key)
        events = [self._cloud_event(organisation, item, "register", document) for item, document in part]
        body = json.dumps([event for _, event in events]).encode()
        items = tuple(item for item, _ in events)
        return Request(organisation, "POST", "/v1/events", body, "application/cloudevents-batch+json", items)

    def _event(
        self, organisation: str, item: Item, verb: str, document: dict[str, Any], *, of: str = "participant"
    ) -> Request:
        told, event = self._cloud_event(organisation, item, verb, document, of=of)
        body = json.dumps(event).encode()
        return Request(organisation, "POST", "/v1/events", body, "application/cloudevents+json", (told,))

    def _cloud_event(
        self, organisation: str, item: Item, verb: str, document: dict[str, Any], *, of: str = "participant"
    ) -> tuple[Item, dict[str, Any]]:
        self._number += 1
        event_id = f"{self._name}-{organisation}-{self._number}"
        event_type = f"mentorstream.{verb if '.' in verb else f'{of}.{verb}'}.v1"
        event = {
            "specversion": "1.0",
            "id": event_id,
            "source": f"https://{organisation}.example/mentoring",
            "type": event_type,
            "time": _SENT_AT,
            "datacontenttype": "application/json",
            "data": document,
        }
        return replace(item, event_id=event_id, event_type=event_type), event
