"""A partner's CloudEvent as a submission: who sent which request under which id, checked as far as no state is needed.

Attributes are checked by the `cloudevents` package; what it fills in on its own (an id, a version, a time) is asked for
first, because an event without an id has no protection against being applied twice. Nearly all events have nothing but
common attributes that are well; these are read as what they are at once, and the package sees only the others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from difflib import get_close_matches
from typing import Annotated, Any, Final, Literal, cast

import msgspec
from cloudevents.core.bindings.http import HTTPMessage, from_binary
from cloudevents.core.exceptions import CloudEventValidationError
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from msgspec import Meta

from mentorstream_events.partner import REQUESTS, Request

from ..domain.refusals import Refused, Violation, refuse
from .documents import DATA, digest, parse, parse_as, pointer_token
from .meaning import meaning_faults
from .shapes import shaped

_TITLE: Final = "This is no CloudEvent that can be accepted"
_REQUIRED: Final = ("specversion", "id", "source", "type")
_LENGTH_LIMIT: Final = 200
_TIME_EXPECTED: Final = "expected an RFC 3339 time with an offset, or leave it out"
_JSON: Final = re.compile(r"^application/([a-z0-9.-]+\+)?json\s*(;|$)", re.IGNORECASE)
_TRACEPARENT: Final = re.compile(r"^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$")


class Envelope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A CloudEvent, as far as it is looked at. Decoded, it may still have a text that no attribute may be."""

    id: Annotated[str, Meta(min_length=1, max_length=_LENGTH_LIMIT)]
    source: Annotated[str, Meta(min_length=1, max_length=_LENGTH_LIMIT)]
    type: Annotated[str, Meta(min_length=1)]
    data: DATA
    specversion: Literal["1.0"]
    subject: Annotated[str, Meta(min_length=1)] | None = None
    time: str | None = None
    datacontenttype: Literal["application/json"] | None = None
    traceparent: str | None = None


_ENVELOPE: Final = msgspec.json.Decoder(Envelope)
_ENVELOPES: Final = msgspec.json.Decoder(list[Envelope])


class Submission(msgspec.Struct, frozen=True, gc=False):
    """One request, ready to be decided. `digest` tells whether another body came under the same id."""

    source: str
    id: str
    type: str
    digest: bytes
    request: Request
    traceparent: str | None = None


def read_event(body: bytes) -> Any:
    """What `event_of` takes. Raises Refused("malformed")."""
    envelope = parse_as(body, _ENVELOPE)
    return parse(body) if envelope is None else envelope


def read_events(body: bytes) -> Any:
    """A list of what `event_of` takes, or what there is in place of one. Raises Refused("malformed")."""
    envelopes = parse_as(body, _ENVELOPES)
    return parse(body) if envelopes is None else envelopes


def identity_of(document: object) -> dict[str, str]:
    """What tells the partner which event it is, as far as it can be read."""
    if isinstance(document, Envelope):
        return {"source": document.source, "id": document.id}
    members = document if isinstance(document, dict) else {}
    return {name: members[name] for name in ("source", "id") if isinstance(members.get(name), str)}


class StrictJson(JSONFormat):
    """The data of binary mode, read by the same rules as everything else."""

    def read_data(self, body: bytes, datacontenttype: str | None) -> Any:
        """What the package asks for in `from_binary`. Raises Refused("malformed")."""
        return parse(body)


def event_of_binary(headers: Mapping[str, str], body: bytes) -> Envelope:
    """The CloudEvent of a binary-mode message. Raises Refused."""
    message = HTTPMessage(dict(headers), body)
    try:
        return _envelope_of(cast("CloudEvent", from_binary(message, StrictJson(), checked_event)))
    except ValueError:  # of the one attribute that the package parses itself
        raise refuse("invalid", _TITLE, "/time", _TIME_EXPECTED) from None


def event_of(document: object) -> Envelope:
    """The CloudEvent of a structured-mode document. Raises Refused("invalid")."""
    if isinstance(document, Envelope):
        if document.id.isprintable() and document.source.isprintable():
            _time(document.time)
            return document
        document = msgspec.structs.asdict(document)
    if not isinstance(document, dict):
        raise refuse("invalid", _TITLE, "", "expected an object with specversion, id, source, type and data")
    if "data_base64" in document:
        raise refuse("invalid", _TITLE, "/data_base64", "is not supported; send the request as a JSON object in data")
    # An attribute that is null is one that is absent (CloudEvents JSON format, section 2.2).
    attributes = {name: value for name, value in document.items() if name != "data" and value is not None}
    if "time" in attributes:
        attributes["time"] = _time(attributes["time"])
    return _envelope_of(checked_event(attributes, document.get("data")))


def checked_event(attributes: Mapping[str, Any], data: Any) -> CloudEvent:
    """A CloudEvent of attributes and data. Raises Refused("invalid") with all faults of the attributes."""
    faults = [Violation(f"/{name}", "is missing") for name in _REQUIRED if name not in attributes]
    for name in ("id", "source"):
        value = attributes.get(name)
        if isinstance(value, str) and (len(value) > _LENGTH_LIMIT or not value.isprintable()):
            faults.append(Violation(f"/{name}", f"expected at most {_LENGTH_LIMIT} printable characters"))
    content_type = attributes.get("datacontenttype")
    if isinstance(content_type, str) and not _JSON.match(content_type):
        faults.append(Violation("/datacontenttype", "expected application/json, or leave it out"))
    try:
        event = CloudEvent(dict(attributes), data)
    except CloudEventValidationError as error:
        known = {fault.pointer for fault in faults}
        faults += [
            Violation(pointer_token(name), f"{inner[0]}")
            for name, inner in error.errors.items()
            if pointer_token(name) not in known
        ]
    if faults:
        raise Refused("invalid", _TITLE, faults)
    return event


def _envelope_of(event: CloudEvent) -> Envelope:
    return Envelope(
        id=event.get_id(),
        source=event.get_source(),
        type=event.get_type(),
        data=event.get_data(),
        specversion="1.0",
        subject=event.get_subject(),
        traceparent=event.get_extension("traceparent"),
    )


def submission_of(event: Envelope, traceparent: str | None = None) -> Submission:
    """The request inside an event, checked without state. Raises Refused("invalid"); pointers start at the event.

    It is part of the trace `traceparent`, that of the HTTP request, unless the event names its own.
    """
    event_type, data = event.type, event.data
    model = REQUESTS.get(event_type)
    if model is None:
        close = get_close_matches(event_type, REQUESTS, n=1, cutoff=0.6)
        hint = f"did you mean {close[0]}?" if close else f"expected one of {', '.join(REQUESTS)}"
        raise refuse("invalid", "The type is not known here", "/type", f"{event_type[:200]!r} is not known; {hint}")
    try:
        request = shaped(data, model)
        if faults := meaning_faults(request, data):
            raise Refused("invalid", "The request makes no sense", faults)
    except Refused as refused:
        raise refused.under("/data") from None
    own = event.traceparent
    return Submission(
        source=event.source,
        id=event.id,
        type=event_type,
        digest=digest([event_type, event.subject, data]),
        request=request,
        traceparent=own if isinstance(own, str) and _TRACEPARENT.match(own) else traceparent,
    )


def _time(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise refuse("invalid", _TITLE, "/time", _TIME_EXPECTED)
    return time
