"""Events are the same and get the same answers whether they are read at once or looked at attribute by attribute."""

from __future__ import annotations

import json
from typing import Any

import pytest

from intake.domain.refusals import Refused, Violation
from intake.handlers.documents import DEPTH_LIMIT, parse
from intake.handlers.submissions import Envelope, Submission, event_of, read_event, read_events, submission_of

_DATA = {"program": "leadership", "person": "e1"}
_EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "1",
    "source": "https://hr.example.org",
    "type": "mentorstream.participant.withdraw.v1",
    "data": _DATA,
}
_TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def _nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def _outcome(document: Any) -> Submission | tuple[str, tuple[Violation, ...]]:
    try:
        return submission_of(event_of(document), _TRACE)
    except Refused as refused:
        return refused.title, refused.violations


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"subject": "e1"},
        {"subject": None, "time": None, "datacontenttype": None, "traceparent": None},
        {"subject": ""},
        {"time": "2026-03-02T08:00:00Z", "datacontenttype": "application/json"},
        {"time": "2026-03-02T08:00:00"},
        {"time": "yesterday"},
        {"time": 1},
        {"datacontenttype": "application/vnd.example+json; charset=utf-8"},
        {"datacontenttype": "text/plain"},
        {"dataschema": "https://example.org/schema"},
        {"traceparent": _TRACE.replace("0af", "1bf")},
        {"traceparent": "broken"},
        {"traceparent": 7},
        {"comexample": True},
        {"com_example": 1},
        {"id": "x" * 200},
        {"id": "x" * 201},
        {"id": "1\u2028"},
        {"id": ""},
        {"id": 1},
        {"source": "\u200b"},
        {"specversion": "0.3"},
        {"type": "mentorstream.participant.withdrawn.v1"},
        {"type": ""},
        {"data": None},
        {"data": _DATA | {"program": ""}},
        {"data": _DATA | {"note": 'a "quoted": text: with colons'}},
        {"data": _nested(DEPTH_LIMIT - 2)},
        {"data_base64": "e30="},
    ],
)
def test_an_event_read_at_once_is_the_event(changes: dict[str, Any]) -> None:
    raw = json.dumps(_EVENT | changes).encode()
    assert _outcome(read_event(raw)) == _outcome(parse(raw))
    assert [_outcome(each) for each in read_events(b"[%s]" % raw)] == [_outcome(parse(raw))]


@pytest.mark.parametrize("name", list(_EVENT))
def test_a_missing_attribute_is_missed_either_way(name: str) -> None:
    raw = json.dumps({key: value for key, value in _EVENT.items() if key != name}).encode()
    assert _outcome(read_event(raw)) == _outcome(parse(raw))


def test_common_events_are_read_at_once() -> None:
    event = _EVENT | {"time": "2026-03-02T08:00:00Z", "datacontenttype": "application/json", "subject": "e:1"}
    assert isinstance(read_event(json.dumps(event).encode()), Envelope)
    assert isinstance(read_event(json.dumps(event | {"subject": "\u00e9 \\ :"}).encode()), Envelope)


@pytest.mark.parametrize("double", ['"person": "e2"', '"person" : "e2:e3"', '"pe\\u0072son": "e2"', '"person":"\\":"'])
def test_a_key_that_is_twice_is_refused_in_an_event(double: str) -> None:
    raw = json.dumps(_EVENT).replace('"person": "e1"', f'{double}, "person": "e1"').encode()
    for read in (read_event, read_events):
        with pytest.raises(Refused) as refused:
            read(raw if read is read_event else b"[%s]" % raw)
        assert refused.value.kind == "malformed"
        assert "'person' is twice" in refused.value.violations[0].detail
