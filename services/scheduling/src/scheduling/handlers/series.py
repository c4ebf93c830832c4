"""Series: plan one, keep its meetings booked ahead, adjust or close it when its match changes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import msgspec

from mentorstream_events import Event, Value, derived_id
from mentorstream_runtime.outbox import Cause, Outgoing
from scheduling.domain.local_time import minute_of
from scheduling.domain.planning import find_slot, fits, keeps_slot, occurs_before, place
from scheduling.domain.values import NoSlot, at, merged

from .announcing import (
    meeting_attendees_changed,
    meeting_cancelled,
    meeting_rescheduled,
    meeting_scheduled,
    series_blocked,
    series_closed,
    series_planned,
)
from .schedule import Match, Meeting, Schedule, Series


def plan(cause: Event[Value] | Cause, match: Match, schedule: Schedule, *, now: datetime) -> list[Outgoing]:
    """Find a regular time and book the first meetings, or say why there is none.

    A match that was blocked for the same reason before is not announced again. One that has had all its meetings gets
    no other series.
    """
    if not schedule.lacks_any(match):
        schedule.keep_match(msgspec.structs.replace(match, status="planned", blocked=None))
        return []
    not_before = max(now + timedelta(days=match.terms.notice_days), schedule.not_before)
    taken = merged([*schedule.booked(match.persons), *schedule.regular(match.persons)])
    found = find_slot(match.agreement, taken, not_before=not_before)
    if isinstance(found, NoSlot):
        schedule.keep_match(msgspec.structs.replace(match, status="blocked", blocked=found))
        return [] if match.blocked == found else [series_blocked(cause, match, found, now=now)]
    series = Series(
        series_id=derived_id("series", match.match_id, match.series_count), match_id=match.match_id, slot=found
    )
    match = msgspec.structs.replace(match, status="planned", blocked=None, series_count=match.series_count + 1)
    schedule.keep_match(match)
    schedule.keep_series(series)
    booked = book_ahead(cause, match, series, schedule, now=now, not_before=not_before)
    # There is one: the slot fits some week before the match's end, so an occurrence of it found its place.
    first = min(
        meeting.starts_at for meeting in schedule.meetings_of(match.match_id) if meeting.series_id == series.series_id
    )
    return [series_planned(cause, match, series, first, now=now), *booked]


def book_ahead(
    cause: Event[Value] | Cause,
    match: Match,
    series: Series,
    schedule: Schedule,
    *,
    now: datetime,
    not_before: datetime | None = None,
) -> list[Outgoing]:
    """Book the next occurrences until `meetings_ahead` are booked, the match's end is reached, or it has all it gets.

    Held and booked meetings of all series of the match count, cancelled ones do not. Unless told otherwise nobody is
    booked for less than a day ahead, or for less than the notice if that is shorter.
    """
    agreement, persons = match.agreement, match.persons
    earliest = not_before or notice_of(match, schedule, now=now)
    waiting = sum(meeting.series_id == series.series_id for meeting in schedule.meetings_of(match.match_id))
    number = series.next_number
    announced = []
    while (
        waiting < agreement.meetings_ahead
        and schedule.lacks_any(match)
        and occurs_before(agreement, series.slot, number)
    ):
        placed = place(agreement, series.slot, number, schedule.booked(persons), not_before=earliest)
        number += 1
        if placed is None:
            schedule.skipped += 1
            continue
        schedule.moved += placed.moved
        meeting = Meeting(
            meeting_id=derived_id("meeting", series.series_id, placed.number),
            series_id=series.series_id,
            match_id=match.match_id,
            program_id=match.program_id,
            number=placed.number,
            revision=0,
            starts_at=at(placed.start),
            ends_at=at(placed.start + agreement.meeting_minutes),
            persons=persons,
        )
        schedule.book(meeting)
        announced.append(meeting_scheduled(cause, match, meeting, now=now))
        waiting += 1
    if number != series.next_number:
        schedule.keep_series(msgspec.structs.replace(series, next_number=number))
    return announced


def replan(
    cause: Event[Value], before: Match, match: Match, series: Series, schedule: Schedule, *, now: datetime
) -> list[Outgoing]:
    """A match with a series changed.

    While its slot is as good as before or as any other, the series stays and only meetings that no longer fit are
    moved within their week, or cancelled; who joined is invited to what is booked, who left is uninvited. Otherwise it
    is closed with all its future meetings and planned anew.
    """
    future = [meeting for meeting in schedule.meetings_of(match.match_id) if meeting.starts_at > now]
    others = merged(
        [
            *schedule.booked(match.persons, without={meeting.meeting_id for meeting in future}),
            *schedule.regular(match.persons, without=series.series_id),
        ]
    )
    if not keeps_slot(match.agreement, series.slot, others, before=before.agreement, not_before=now):
        return [
            *close(cause, before, series, schedule, "replanned", now=now),
            *plan(cause, match, schedule, now=now),
        ]
    schedule.keep_match(match)
    joined = match.persons - before.persons
    announced = []
    for meeting in future:
        announced += _adjust(cause, match, series, meeting, joined, schedule, now=now)
    for meeting in reversed(schedule.meetings_of(match.match_id)):
        if (schedule.lacking(match) or 0) >= 0:
            break
        if meeting.starts_at > now:  # the last ones, where there are to be fewer than are booked
            announced += _cancel(cause, match, meeting, schedule, now=now)
    announced += book_ahead(cause, match, series, schedule, now=now)
    return announced + close_if_all_held(cause, match, series, schedule, now=now)


def close_if_all_held(
    cause: Event[Value] | Cause, match: Match, series: Series, schedule: Schedule, *, now: datetime
) -> list[Outgoing]:
    """Close the series of a match that has had all its meetings. The match itself goes on until its end."""
    if schedule.lacks_any(match) or schedule.meetings_of(match.match_id):
        return []
    schedule.keep_series(msgspec.structs.replace(schedule.series_of(match.match_id) or series, active=False))
    return [series_closed(cause, match, series, "all_held", now=now)]


def close(
    cause: Event[Value],
    match: Match,
    series: Series,
    schedule: Schedule,
    reason: Literal["match_ended", "replanned"],
    *,
    now: datetime,
) -> list[Outgoing]:
    """End a series: cancel what has not begun. A meeting under way is still held and completed."""
    announced = []
    for meeting in schedule.meetings_of(match.match_id):
        if meeting.starts_at > now:
            cancelled = msgspec.structs.replace(meeting, status="cancelled", revision=meeting.revision + 1)
            schedule.change(cancelled)
            announced.append(meeting_cancelled(cause, match, cancelled, reason, now=now))
    schedule.keep_series(msgspec.structs.replace(series, active=False))
    return [*announced, series_closed(cause, match, series, reason, now=now)]


def notice_of(match: Match, schedule: Schedule, *, now: datetime) -> datetime:
    """Before when nothing is booked for people who did not choose it themselves."""
    return max(now + timedelta(days=min(match.terms.notice_days, 1)), schedule.not_before)


def _adjust(
    cause: Event[Value],
    match: Match,
    series: Series,
    meeting: Meeting,
    joined: frozenset[UUID],
    schedule: Schedule,
    *,
    now: datetime,
) -> list[Outgoing]:
    """Leave a meeting where it is if it still fits; else move it within its week; else cancel it.

    Who left is uninvited before it moves, and who joined is invited after: nobody hears of a time that is not theirs.
    Where it moves, who could not come is asked again.
    """
    agreement = match.agreement
    others = schedule.booked(match.persons, without={meeting.meeting_id})
    start, length = meeting.starts_at, agreement.meeting_minutes
    staying, invited = meeting.persons & match.persons, joined - meeting.persons
    if len(staying | invited) < 2:
        return _cancel(cause, match, meeting, schedule, now=now)
    if fits(agreement, minute_of(start), length, others, not_before=now):
        return _with(cause, match, meeting, staying | invited, schedule, now=now)
    placed = place(agreement, series.slot, meeting.number, others, not_before=notice_of(match, schedule, now=now))
    if placed is None:
        schedule.skipped += 1
        return _cancel(cause, match, meeting, schedule, now=now)
    schedule.moved += placed.moved
    # A meeting names two people at least, so where nobody but the mentor stays, who left hears of the move, too.
    announced = _with(cause, match, meeting, staying, schedule, now=now) if len(staying) > 1 else []
    meeting = schedule.meeting(meeting.meeting_id) or meeting
    moved = msgspec.structs.replace(
        meeting,
        starts_at=at(placed.start),
        ends_at=at(placed.start + agreement.meeting_minutes),
        revision=meeting.revision + 1,
    )
    schedule.change(moved)
    announced.append(meeting_rescheduled(cause, match, moved, start, now=now))
    return announced + _with(cause, match, moved, match.persons, schedule, now=now)


def _with(
    cause: Event[Value] | Cause,
    match: Match,
    meeting: Meeting,
    persons: frozenset[UUID],
    schedule: Schedule,
    *,
    now: datetime,
) -> list[Outgoing]:
    """Hold a meeting as planned, with these persons. Nothing, if they are those who are invited."""
    if persons == meeting.persons:
        return []
    changed = msgspec.structs.replace(meeting, persons=persons, revision=meeting.revision + 1)
    schedule.change(changed)
    invited, uninvited = persons - meeting.persons, meeting.persons - persons
    return [meeting_attendees_changed(cause, match, changed, invited=invited, uninvited=uninvited, now=now)]


def _cancel(
    cause: Event[Value], match: Match, meeting: Meeting, schedule: Schedule, *, now: datetime
) -> list[Outgoing]:
    cancelled = msgspec.structs.replace(meeting, status="cancelled", revision=meeting.revision + 1)
    schedule.change(cancelled)
    return [meeting_cancelled(cause, match, cancelled, "replanned", now=now)]
