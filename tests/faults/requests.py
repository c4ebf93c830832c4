"""Single requests that a test writes itself, beside the seeded loads: one program, one person, one change."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tests.faults.load import Item, Request

ALWAYS: Final = tuple(
    {"weekday": day, "start": "08:00", "end": "20:00"}
    for day in ("monday", "tuesday", "wednesday", "thursday", "friday")
)


def cloud_event(organisation: str, told: Item, data: Mapping[str, Any]) -> Request:
    """One structured CloudEvent, of the id and type that `told` names."""
    event = {
        "specversion": "1.0",
        "id": told.event_id,
        "source": f"https://{organisation}.example/mentoring",
        "type": told.event_type,
        "time": "2026-03-09T07:59:00Z",
        "datacontenttype": "application/json",
        "data": data,
    }
    body = json.dumps(event).encode()
    return Request(organisation, "POST", "/v1/events", body, "application/cloudevents+json", (told,))


def program(organisation: str, reference: str, **terms: object) -> Request:
    """A program without consent, its meetings of half an hour each week."""
    told = Item("configure", f"{reference}-made", "mentorstream.program.configure.v1", f"{organisation}/{reference}")
    data = {
        "program": reference,
        "title": f"Program {reference}",
        "policy": {"mentor_consent": False},
        "terms": {"cadence_days": 7, "meeting_minutes": 30, "weeks": 26, "meetings_ahead": 1, **terms},
    }
    return cloud_event(organisation, told, data)


def person(reference: str, full_name: str | None = None) -> dict[str, str]:
    """Somebody in Berlin."""
    return {
        "reference": reference,
        "full_name": full_name or f"Person {reference}",
        "email": f"{reference}@people.example",
        "zone": "Europe/Berlin",
    }


def registration(
    program: str, reference: str, *, capacity: int = 0, hours: Sequence[Mapping[str, str]] = ALWAYS, **details: object
) -> Request:
    """Somebody registers in `program` (owner/reference): as a mentor with a capacity, as a mentee without one."""
    organisation, _, name = program.partition("/")
    told = Item(
        "register",
        f"{reference}-in-{name}",
        "mentorstream.participant.register.v1",
        program,
        reference,
        f"Person {reference}",
        mentor=capacity > 0,
        capacity=capacity,
    )
    data = {"program": program, "person": person(reference), "participant": participant(capacity, hours, **details)}
    return cloud_event(organisation, told, data)


def update(
    program: str, reference: str, number: int, *, capacity: int = 0, hours: Sequence[Mapping[str, str]] = ALWAYS,
    **details: object,
) -> Request:  # fmt: skip
    """The `number`th change of somebody's details in a program."""
    organisation, _, name = program.partition("/")
    event_id, event_type = f"{reference}-in-{name}-{number}", "mentorstream.participant.update.v1"
    told = Item("update", event_id, event_type, program, reference, mentor=capacity > 0, capacity=capacity)
    data = {"program": program, "person": reference, "participant": participant(capacity, hours, **details)}
    return cloud_event(organisation, told, data)


def participant(capacity: int, hours: Sequence[Mapping[str, str]], **details: object) -> dict[str, Any]:
    """Details of a participant."""
    known = {
        "roles": ["mentor" if capacity else "mentee"],
        "languages": ["en"],
        "availability": list(hours),
        **details,
    }
    return {**known, "capacity": capacity} if capacity else known
