"""What is told to others: events made of matches, series and meetings as they are now. Decides nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from mentorstream_events import Event, Value, values
from mentorstream_events.meetings import (
    MeetingAttendeesChanged,
    MeetingCancelled,
    MeetingCompleted,
    MeetingRescheduled,
    MeetingScheduled,
    SeriesBlocked,
    SeriesClosed,
    SeriesPlanned,
)
from mentorstream_runtime.outbox import Cause, Outgoing, emit
from scheduling.domain.values import NoSlot

from .schedule import Match, Meeting, Series


def series_planned(
    cause: Event[Value] | Cause, match: Match, series: Series, first_starts_at: datetime, *, now: datetime
) -> Outgoing:
    """A regular time was found."""
    slot = series.slot
    planned = SeriesPlanned(
        program_id=match.program_id,
        match_id=match.match_id,
        series_id=series.series_id,
        zone=slot.zone,
        weekday=slot.weekday,
        start_minute=slot.start_minute,
        cadence_days=slot.cadence_days,
        meeting_minutes=slot.meeting_minutes,
        first_starts_at=first_starts_at,
        first_day=slot.first_day,
        attendees=_attendees(match, match.persons),
    )
    return emit(cause, planned, time=now, name=series.series_id)


def series_blocked(cause: Event[Value] | Cause, match: Match, why: NoSlot, *, now: datetime) -> Outgoing:
    """No regular time was found."""
    blocked = SeriesBlocked(
        program_id=match.program_id,
        match_id=match.match_id,
        reason=why.reason,
        longest_common_minutes=why.longest_common_minutes,
        attendees=_attendees(match, match.persons),
    )
    return emit(cause, blocked, time=now, name=match.match_id)


def series_closed(
    cause: Event[Value] | Cause,
    match: Match,
    series: Series,
    reason: Literal["match_ended", "replanned", "all_held"],
    *,
    now: datetime,
) -> Outgoing:
    """No more meetings come of a series."""
    closed = SeriesClosed(
        program_id=match.program_id, match_id=match.match_id, series_id=series.series_id, reason=reason
    )
    return emit(cause, closed, time=now, name=series.series_id)


def meeting_scheduled(cause: Event[Value] | Cause, match: Match, meeting: Meeting, *, now: datetime) -> Outgoing:
    """A meeting was booked."""
    scheduled = MeetingScheduled(
        program_id=match.program_id,
        match_id=match.match_id,
        series_id=meeting.series_id,
        meeting_id=meeting.meeting_id,
        revision=meeting.revision,
        starts_at=meeting.starts_at,
        ends_at=meeting.ends_at,
        attendees=_attendees(match, meeting.persons),
    )
    return emit(cause, scheduled, time=now, name=meeting.meeting_id)


def meeting_rescheduled(
    cause: Event[Value] | Cause, match: Match, meeting: Meeting, previous_starts_at: datetime, *, now: datetime
) -> Outgoing:
    """A booked meeting is elsewhere now."""
    rescheduled = MeetingRescheduled(
        program_id=match.program_id,
        match_id=match.match_id,
        series_id=meeting.series_id,
        meeting_id=meeting.meeting_id,
        revision=meeting.revision,
        starts_at=meeting.starts_at,
        ends_at=meeting.ends_at,
        previous_starts_at=previous_starts_at,
        attendees=_attendees(match, meeting.persons),
    )
    return emit(cause, rescheduled, time=now, name=meeting.meeting_id)


def meeting_cancelled(
    cause: Event[Value] | Cause,
    match: Match,
    meeting: Meeting,
    reason: Literal["attendee", "match_ended", "replanned"],
    *,
    now: datetime,
) -> Outgoing:
    """A booked meeting will not take place."""
    cancelled = MeetingCancelled(
        program_id=match.program_id,
        match_id=match.match_id,
        series_id=meeting.series_id,
        meeting_id=meeting.meeting_id,
        revision=meeting.revision,
        starts_at=meeting.starts_at,
        ends_at=meeting.ends_at,
        reason=reason,
        attendees=_attendees(match, meeting.persons),
    )
    return emit(cause, cancelled, time=now, name=meeting.meeting_id)


def meeting_completed(cause: Event[Value] | Cause, match: Match, meeting: Meeting, *, now: datetime) -> Outgoing:
    """A booked meeting's end passed."""
    completed = MeetingCompleted(
        program_id=match.program_id,
        match_id=match.match_id,
        series_id=meeting.series_id,
        meeting_id=meeting.meeting_id,
        starts_at=meeting.starts_at,
        ends_at=meeting.ends_at,
        attendees=_attendees(match, meeting.persons),
        terms=match.terms,
    )
    return emit(cause, completed, time=now, name=meeting.meeting_id)


def meeting_attendees_changed(
    cause: Event[Value] | Cause,
    match: Match,
    meeting: Meeting,
    *,
    invited: frozenset[UUID] = frozenset(),
    uninvited: frozenset[UUID] = frozenset(),
    now: datetime,
) -> Outgoing:
    """A booked meeting takes place as planned, with others. `invited` are new in it, `uninvited` no longer are."""
    changed = MeetingAttendeesChanged(
        program_id=match.program_id,
        match_id=match.match_id,
        series_id=meeting.series_id,
        meeting_id=meeting.meeting_id,
        revision=meeting.revision,
        starts_at=meeting.starts_at,
        ends_at=meeting.ends_at,
        attendees=_attendees(match, meeting.persons),
        invited_person_ids=tuple(sorted(invited)),
        uninvited=_attendees(match, uninvited),
    )
    return emit(cause, changed, time=now, name=f"{meeting.meeting_id}:{meeting.revision}")


def _attendees(match: Match, persons: frozenset[UUID]) -> tuple[values.Attendee, ...]:
    return tuple(
        values.Attendee(
            participant_id=attendee.participant_id,
            person_id=attendee.person_id,
            organisation_id=attendee.organisation_id,
            role=attendee.role,
            zone=attendee.zone,
        )
        for attendee in (*match.attendees, *match.former)
        if attendee.person_id in persons
    )
