"""What is passed over at a glance is nothing that a closer look would find."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from intake.domain import checks
from intake.handlers.meaning import meaning_faults
from mentorstream_events.partner import UpdateParticipant

_TIMES = ("00:00", "09:00", "09:30", "10:00", "24:00")
_HOURS = st.fixed_dictionaries(
    {
        "weekday": st.sampled_from(checks.WEEKDAYS[:3]),
        "start": st.sampled_from(_TIMES[:-1]),
        "end": st.sampled_from(_TIMES),
    }
)
_TEXTS = st.lists(st.sampled_from(["chess", "Chess", " chess", "rowing\u00a0", " ", "a b"]), max_size=3)


def _faults(**changes: Any) -> list[tuple[str, str]]:
    details = {"roles": ["mentee"], "languages": ["en"], "availability": [], **changes}
    document = {"program": "p", "person": "e1", "participant": details}
    if not details["availability"]:
        details["availability"] = [{"weekday": "monday", "start": "09:00", "end": "12:00"}]
    request = msgspec.convert(document, UpdateParticipant)
    return [(fault.pointer, fault.detail) for fault in meaning_faults(request, document)]


@given(st.lists(_HOURS, min_size=1, max_size=5))
def test_hours_at_a_glance_and_looked_at(hours: list[dict[str, str]]) -> None:
    looked_at = checks.hours_faults(
        [
            (checks.ISO_WEEKDAY[each["weekday"]], checks.minute_of(each["start"]), checks.minute_of(each["end"]))
            for each in hours
        ],
        "/participant/availability",
    )
    assert _faults(availability=hours) == [(fault.pointer, fault.detail) for fault in looked_at]


@given(_TEXTS, _TEXTS, _TEXTS)
def test_texts_at_a_glance_and_looked_at(goals: list[str], values: list[str], wants: list[str]) -> None:
    found = _faults(goals=goals, values=values, wants=[{"skill": each} for each in wants])
    looked_at = [
        *checks.double_faults(goals, "/participant/goals"),
        *checks.double_faults(values, "/participant/values"),
        *checks.double_faults(wants, "/participant/wants"),
        *[
            fault
            for index, text in enumerate(goals)
            for fault in checks.text_faults(text, f"/participant/goals/{index}")
        ],
        *[
            fault
            for index, text in enumerate(values)
            for fault in checks.text_faults(text, f"/participant/values/{index}")
        ],
        *[
            fault
            for index, text in enumerate(wants)
            for fault in checks.text_faults(text, f"/participant/wants/{index}/skill")
        ],
    ]
    assert found == [(fault.pointer, fault.detail) for fault in looked_at]
