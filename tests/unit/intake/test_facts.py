"""What is stored of a participant, and what is told of them, says what the partner sent."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import msgspec
import pytest

from intake.domain.book import Book, Organisation
from intake.domain.records import Identity, Participant, Person, Program
from intake.handlers.facts import Details, participant_fact, stored_details
from mentorstream_events.partner import ParticipantDetails
from mentorstream_events.registrations import ParticipantRegistered

_FULL: dict[str, Any] = {
    "roles": ["mentor", "mentee"],
    "capacity": 50,
    "languages": ["pt-BR"] * 20,
    "availability": [
        {"weekday": "friday", "start": "22:00", "end": "24:00"},
        {"weekday": "monday", "start": "00:00", "end": "00:01"},
    ]
    * 50,
    "offers": [{"skill": "x" * 120, "level": 5}] * 50,
    "wants": [{"skill": "y", "level": 1}] * 50,
    **{name: ["z" * 120] * 50 for name in ("goals", "interests", "values")},
    "style": "s" * 120,
    "industry": "i" * 120,
    "seniority": 10,
    "credentials": ["c" * 120] * 20,
    "audit_groups": [{"attribute": "b" * 40, "group": "g" * 60}, *[{"attribute": "a", "group": "g"}] * 9],
}
_LEAST: dict[str, Any] = {
    "roles": ["mentee"],
    "languages": ["en"],
    "availability": [{"weekday": "sunday", "start": "09:00", "end": "12:00"}],
}


def _told(details: ParticipantDetails) -> ParticipantRegistered:
    program = Program(
        uuid4(), uuid4(), "acme", "p", "P", "formal", details.roles, frozenset(), 1, {"boss_levels": 2}, {}
    )
    person = Person(uuid4(), "e1", 1, Identity("E", "e@example.org", "Europe/Paris", "en"))
    participant = Participant(
        uuid4(), program.program_id, person.person_id, uuid4(), details.roles, stored_details(details)
    )
    book = Book(Organisation(uuid4(), "acme"), people=[person], participants=[], programs=[program], mint=uuid4)
    book.put_participant(participant)
    return participant_fact(ParticipantRegistered, book, participant)


@pytest.mark.parametrize("document", [_FULL, _LEAST])
def test_whatever_a_request_may_say_an_event_may_say(document: dict[str, Any]) -> None:
    """The fact is made of the request's values without checking them again: so none may be beyond the contract."""
    details = msgspec.convert(document, ParticipantDetails)
    told = _told(details)
    read = msgspec.json.decode(msgspec.json.encode(told), type=ParticipantRegistered)
    assert msgspec.to_builtins(read) == msgspec.to_builtins(told)
    assert read.profile.languages == tuple(document["languages"])
    assert [each.weekday for each in read.profile.availability] == sorted(
        each.weekday for each in read.profile.availability
    )


@pytest.mark.parametrize("document", [_FULL, _LEAST])
def test_stored_details_come_back_equal(document: dict[str, Any]) -> None:
    details = stored_details(msgspec.convert(document, ParticipantDetails))
    written = msgspec.json.decode(msgspec.json.encode(details))
    assert msgspec.convert(written, Details) == details
    assert ("audit_groups" in written) == bool(document.get("audit_groups"))


def test_a_request_bounds_what_it_says_as_an_event_does() -> None:
    request, event = (msgspec.json.schema(model)["$defs"] for model in (ParticipantDetails, ParticipantRegistered))
    asked = request["ParticipantDetails"]["properties"]
    told = {**event["ParticipantRegistered"]["properties"], **event["Profile"]["properties"]}
    for name in asked.keys() - {"blocks", "availability"}:
        assert _bounds(asked[name]) == _bounds(told[name]), name
    for of_request, of_event in (("SkillRequest", "Skill"), ("AuditGroupRequest", "AuditGroup")):
        assert _bounds(request[of_request]["properties"]) == _bounds(event[of_event]["properties"])


def _bounds(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {
            name: _bounds(inner)
            for name, inner in schema.items()
            if name not in ("description", "default", "$ref", "title")
        }
    return [_bounds(inner) for inner in schema] if isinstance(schema, list) else schema
