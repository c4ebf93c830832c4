"""What OpenAPI says of the routes beyond their signatures: media types, examples, answers.

The routes read bodies themselves, because they are bounded, packed or signed; so FastAPI cannot know them.
"""

from __future__ import annotations

import json
from typing import Any, Final

from mentorstream_events.partner import REQUESTS

DESCRIPTION: Final = """
Takes in what partner organisations tell: their programs, their people, who takes part.

**Who is asking.** An API key (`Authorization: Bearer msk_…`), or a Standard Webhooks signature over the unpacked body
(`webhook-id`, `webhook-timestamp`, `webhook-signature`, and `mentorstream-key` with the secret's id). Requests without
a body need an API key.

**Sent twice, done once.** An event is known by its `source` and `id`. Sent again with the same type, subject and data
it gets the answer that it got; with others it is refused with 409. Ids are remembered for 30 days. A refused event may
be sent again under its id once it is mended.

**Order.** Requests of one organisation take effect in the order in which they are accepted. People may be named as
manager or block before they are registered.

**Refusals** are problem details (RFC 9457). Each entry of `errors` has a JSON pointer to the field and says what was
expected.
"""

_PERSON: Final = {
    "reference": "e-1042",
    "full_name": "Amina Yusuf",
    "email": "amina.yusuf@example.org",
    "zone": "Europe/Paris",
    "locale": "fr",
}
_PARTICIPANT: Final = {
    "roles": ["mentee"],
    "languages": ["fr", "en"],
    "availability": [
        {"weekday": "monday", "start": "09:00", "end": "12:00"},
        {"weekday": "thursday", "start": "14:00", "end": "17:00"},
    ],
    "wants": [{"skill": "public speaking", "level": 3}],
    "goals": ["lead a team"],
}
_REGISTRATION: Final = {
    "program": "leadership",
    "person": _PERSON,
    "participant": _PARTICIPANT,
    "manager": "e-0007",
}
_DATA: Final[dict[str, dict[str, Any]]] = {
    "mentorstream.program.configure.v1": {
        "program": "leadership",
        "title": "Leadership",
        "open_to": ["north-hospital"],
        "policy": {"mentor_consent": True, "boss_levels": 2},
        "terms": {"cadence_days": 14, "meeting_minutes": 45, "weeks": 26},
    },
    "mentorstream.vocabulary.configure.v1": {
        "program": "leadership",
        "links": [{"skill": "keynote speaking", "kind": "parent", "to_skill": "public speaking"}],
    },
    "mentorstream.participant.register.v1": _REGISTRATION,
    "mentorstream.participant.update.v1": {
        "program": "leadership",
        "person": "e-1042",
        "participant": {**_PARTICIPANT, "roles": ["mentor", "mentee"], "capacity": 2},
    },
    "mentorstream.participant.withdraw.v1": {"program": "leadership", "person": "e-1042"},
    "mentorstream.participant.request_rematch.v1": {"program": "leadership", "person": "e-1042"},
    "mentorstream.person.update.v1": {"person": {**_PERSON, "zone": "America/Montreal"}},
    "mentorstream.reporting_line.set.v1": {"person": "e-1042", "manager": "e-0007"},
}


def example_event(event_type: str) -> dict[str, Any]:
    """A whole event of this type, as a partner would send it."""
    return {
        "specversion": "1.0",
        "id": f"{event_type.split('.')[1]}-000017",
        "source": "https://hr.example.org",
        "type": event_type,
        "datacontenttype": "application/json",
        "data": _DATA[event_type],
    }


EXAMPLE_CSV: Final = """\
program,reference,full_name,email,zone,manager,roles,capacity,languages,availability,offers,wants
leadership,e-0007,Jonas Weber,jonas.weber@example.org,Europe/Berlin,-,mentor,2,de;en,mon 09:00-12:00,public speaking:4,
leadership,e-1042,Amina Yusuf,amina.yusuf@example.org,Europe/Paris,e-0007,mentee,,fr,tue 14:00-17:00,,public speaking:3
"""
EXAMPLE_NDJSON: Final = json.dumps(_REGISTRATION) + "\n"
_EXAMPLES: Final = {name: {"summary": name, "value": example_event(name)} for name in REQUESTS}
_ANSWER: Final = {
    "source": "https://hr.example.org",
    "id": "participant-000017",
    "type": "mentorstream.participant.register.v1",
    "accepted_at": "2026-03-09T08:00:00Z",
    "program_id": "0195797f-1c1e-7b62-a3a5-60c2d5d1a001",
    "participant_id": "0195797f-1c1e-7b62-a3a5-60c2d5d1a002",
    "person_id": "0195797f-1c1e-7b62-a3a5-60c2d5d1a003",
}
_ERROR: Final = {
    "pointer": "/data/person/zone",
    "detail": "'Europe/Pariss' is no IANA time zone; expected one such as Europe/Paris; did you mean Europe/Paris?",
}
_REFUSAL: Final = {"status": 422, "title": "The request makes no sense", "detail": "", "errors": [_ERROR]}
_PROBLEM: Final = {
    "type": "about:blank",
    "title": "The request makes no sense",
    "status": 422,
    "errors": [_ERROR],
}
_IMPORTED: Final = {"import": "2026-03-09-full", "rows": 2, "accepted": 1, "repeated": 0, "refused": 1}


def _problem(description: str, example: Any = None) -> dict[str, Any]:
    content: dict[str, Any] = {} if example is None else {"example": example}
    return {"description": description, "content": {"application/problem+json": content}}


def _json(description: str, example: Any) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"example": example}}}


_UNAUTHENTICATED: Final[dict[int | str, dict[str, Any]]] = {401: _problem("No valid API key or signature.")}
_AWAY: Final[dict[int | str, dict[str, Any]]] = {
    503: _problem("Nothing was accepted; try again after the seconds in `Retry-After`.")
}
_BODIES: Final[dict[int | str, dict[str, Any]]] = {
    400: _problem("The body cannot be read: no UTF-8, no JSON or CSV, a key given twice, NaN, nested too deeply."),
    **_UNAUTHENTICATED,
    413: _problem("The body, or the number of events or rows in it, is above its limit."),
    415: _problem("Another media type or content encoding than those above."),
    **_AWAY,
}

EVENTS: Final[dict[str, Any]] = {
    "summary": "Send one event, or a batch of events",
    "description": "A batch is decided event by event, in order; what is accepted of it is stored in one transaction.",
    "responses": {
        **_BODIES,
        202: _json("All events are in force.", {"accepted": [_ANSWER], "refused": []}),
        207: _json(
            "Of a batch: some events are in force, others were refused.",
            {
                "accepted": [_ANSWER],
                "refused": [{"index": 1, "source": "https://hr.example.org", "id": "x", **_REFUSAL}],
            },
        ),
        403: _problem("The program is another organisation's and not open to this one."),
        409: _problem("The id was used for another request."),
        422: _problem("The request makes no sense. Of a batch: no event was accepted.", _PROBLEM),
    },
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {
                "application/cloudevents+json": {"examples": _EXAMPLES},
                "application/cloudevents-batch+json": {
                    "example": [example_event("mentorstream.participant.register.v1")]
                },
                "application/json": {"example": _REGISTRATION},
            },
        }
    },
}
IMPORTS: Final[dict[str, Any]] = {
    "summary": "Register thousands of people from one file",
    "description": (
        "Good rows are accepted in chunks, bad ones told by line. Send the same `Idempotency-Key` again to go on with"
        " an import that was cut off, or whose bad rows were mended; without the header, and under"
        " a signature, which does not cover it, the content is the key."
        " In CSV an empty cell is left out, so that `manager` stays as it is; `-` means nobody."
    ),
    "responses": {
        **_BODIES,
        202: _json("All rows are in force.", {**_IMPORTED, "accepted": 2, "refused": 0, "refusals": []}),
        207: _json(
            "Some rows are in force, others were refused.",
            {
                **_IMPORTED,
                "refusals": [
                    {
                        "line": 3,
                        **_REFUSAL,
                        "errors": [{**_ERROR, "pointer": "/person/zone", "column": "zone"}],
                    }
                ],
            },
        ),
        422: _problem("No row was accepted, or the columns are not those of an import."),
    },
    "openapi_extra": {
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "The import's id: 1 to 100 visible ASCII characters.",
                "schema": {"type": "string"},
            }
        ],
        "requestBody": {
            "required": True,
            "content": {
                "text/csv": {"example": EXAMPLE_CSV},
                "application/x-ndjson": {"example": EXAMPLE_NDJSON},
            },
        },
    },
}
ERASURE: Final[dict[str, Any]] = {
    "summary": "Erase a person",
    "description": (
        "Takes them out of every program and forgets name, address and all else. Whoever reported to them reports to"
        " their manager. Registered again, they are somebody new. Needs an API key."
    ),
    "responses": {
        202: _json("Erased; every other service follows.", {"person_id": _ANSWER["person_id"]}),
        404: _problem("Nobody is known by this reference (any more)."),
        **_UNAUTHENTICATED,
        **_AWAY,
    },
}
PERSON: Final[dict[str, Any]] = {
    "summary": "Read a person",
    "responses": {404: _problem("Nobody is known by this reference."), **_UNAUTHENTICATED, **_AWAY},
}
PROGRAMS: Final[dict[str, Any]] = {
    "summary": "Read the programs that are yours or open to you",
    "responses": {**_UNAUTHENTICATED, **_AWAY},
}
