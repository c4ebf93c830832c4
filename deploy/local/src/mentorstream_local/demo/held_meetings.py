"""I4: exactly one request for feedback for each held meeting and participant, none for others.

Which meetings were held is not asked of whoever says so: a meeting was held when it was booked, its end has passed and
nobody had cancelled it before.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from mentorstream_events.feedback import FeedbackRequested
from mentorstream_events.matches import MatchChanged, MatchConfirmed
from mentorstream_events.meetings import (
    MeetingAttendeesChanged,
    MeetingCancelled,
    MeetingCompleted,
    MeetingRescheduled,
    MeetingScheduled,
)
from mentorstream_local.demo.facts import Facts

_Booked: TypeAlias = MeetingScheduled | MeetingRescheduled | MeetingAttendeesChanged


def wrongly_asked(facts: Facts, now: datetime) -> list[str]:
    """What is wrong at business time `now`, after the drain, in words."""
    held = _held(facts, now)
    completed = Counter(event.data.meeting_id for event in facts.of("meetings", MeetingCompleted))
    found = [f"meeting {meeting} was completed {count} times" for meeting, count in completed.items() if count > 1]
    found += [f"meeting {meeting} was held and never completed" for meeting in held.keys() - completed]
    found += [f"meeting {meeting} was completed and not held" for meeting in completed.keys() - held.keys()]
    for event in facts.of("meetings", MeetingCompleted):
        booked = held.get(event.data.meeting_id)
        if booked is not None and {each.person_id for each in event.data.attendees} != {
            each.person_id for each in booked.attendees
        }:
            found.append(f"meeting {event.data.meeting_id} was completed with others than were invited")

    expected: Counter[tuple[UUID, UUID]] = Counter()
    asked = _asked_since(facts)
    for meeting in held.values():
        if [asks for since, asks in asked.get(meeting.match_id, ()) if since <= meeting.ends_at][-1:] == [True]:
            expected.update((meeting.meeting_id, attendee.person_id) for attendee in meeting.attendees)
    requested = Counter(
        (event.data.meeting_id, event.data.person_id) for event in facts.of("feedback", FeedbackRequested)
    )
    for key in expected.keys() | requested.keys():
        want, have = expected[key], requested[key]
        if want != have:
            found.append(f"meeting {key[0]}, person {key[1]}: {have} requests, expected {want}")
    return found


def _held(facts: Facts, now: datetime) -> dict[UUID, _Booked]:
    booked: dict[UUID, _Booked] = {}
    for event in facts.events["meetings"]:
        data = event.data
        if isinstance(data, MeetingScheduled | MeetingRescheduled | MeetingAttendeesChanged):
            booked[data.meeting_id] = data
        elif isinstance(data, MeetingCancelled):
            booked.pop(data.meeting_id, None)
    return {meeting_id: data for meeting_id, data in booked.items() if data.ends_at <= now}


def _asked_since(facts: Facts) -> Mapping[UUID, Sequence[tuple[datetime, bool]]]:
    """From when on each match's terms asked for feedback, or did not."""
    since: defaultdict[UUID, list[tuple[datetime, bool]]] = defaultdict(list)
    for event in facts.events["matches"]:
        if isinstance(event.data, MatchConfirmed | MatchChanged):
            since[event.data.match_id].append((event.time, event.data.terms.ask_feedback))
    return since
