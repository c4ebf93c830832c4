"""Contracts of the topic `meetings`: series and meetings of confirmed matches, all times in UTC."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from .values import Attendee, Count, MatchId, MeetingId, ProgramId, SeriesId, Terms, Timestamp, Value, Version, Zone


class SeriesPlanned(Value, frozen=True, kw_only=True):
    """A regular time was found. The local time holds in `zone` when clocks change."""

    program_id: ProgramId
    match_id: MatchId
    series_id: SeriesId
    zone: Zone
    weekday: Annotated[int, Meta(ge=1, le=7)]
    start_minute: Annotated[int, Meta(ge=0, le=1439)]
    cadence_days: Annotated[int, Meta(ge=7, le=91)]
    meeting_minutes: Annotated[int, Meta(ge=10, le=240)]
    first_starts_at: Timestamp
    attendees: Annotated[tuple[Attendee, ...], Meta(min_length=2, max_length=51)]
    first_day: (
        Annotated[
            int,
            Meta(ge=0, le=100_000, description="Day, from 1970-01-01 on, with which the first of its weeks begins."),
        ]
        | None
    ) = None


class SeriesBlocked(Value, frozen=True, kw_only=True):
    """No common time was found, and why: the best that was seen."""

    program_id: ProgramId
    match_id: MatchId
    reason: Literal["no_common_hours", "too_short", "booked"]
    longest_common_minutes: Annotated[int, Meta(ge=0, le=10080, description="Longest common interval of a week.")]
    attendees: Annotated[tuple[Attendee, ...], Meta(min_length=2, max_length=51)]


class SeriesClosed(Value, frozen=True, kw_only=True):
    """No more meetings come of this match."""

    program_id: ProgramId
    match_id: MatchId
    series_id: SeriesId
    reason: Literal["match_ended", "replanned", "all_held"]


class MeetingScheduled(Value, frozen=True, kw_only=True):
    """A meeting is booked for everyone in it."""

    program_id: ProgramId
    match_id: MatchId
    series_id: SeriesId
    meeting_id: MeetingId
    revision: Annotated[Count, Meta(description="The iCalendar SEQUENCE.")]
    starts_at: Timestamp
    ends_at: Timestamp
    attendees: Annotated[tuple[Attendee, ...], Meta(min_length=2, max_length=51)]


class MeetingRescheduled(Value, frozen=True, kw_only=True):
    """A booked meeting moved."""

    program_id: ProgramId
    match_id: MatchId
    series_id: SeriesId
    meeting_id: MeetingId
    revision: Version
    starts_at: Timestamp
    ends_at: Timestamp
    previous_starts_at: Timestamp
    attendees: Annotated[tuple[Attendee, ...], Meta(min_length=2, max_length=51)]


class MeetingAttendeesChanged(Value, frozen=True, kw_only=True):
    """A booked meeting takes place as planned, with others: somebody joined or left its circle, or cannot come.

    `attendees` are those invited now. Only those who are new in it, and those who no longer are, need to be told.
    """

    program_id: ProgramId
    match_id: MatchId
    series_id: SeriesId
    meeting_id: MeetingId
    revision: Version
    starts_at: Timestamp
    ends_at: Timestamp
    attendees: Annotated[tuple[Attendee, ...], Meta(min_length=2, max_length=51)]
    invited_person_ids: Annotated[tuple[UUID, ...], Meta(max_length=51)] = ()
    uninvited: Annotated[tuple[Attendee, ...], Meta(max_length=51)] = ()


class MeetingCancelled(Value, frozen=True, kw_only=True):
    """A booked meeting will not take place."""

    program_id: ProgramId
    match_id: MatchId
    series_id: SeriesId
    meeting_id: MeetingId
    revision: Version
    starts_at: Timestamp
    ends_at: Timestamp
    reason: Literal["attendee", "match_ended", "replanned"]
    attendees: Annotated[tuple[Attendee, ...], Meta(min_length=2, max_length=51)]


class MeetingCompleted(Value, frozen=True, kw_only=True):
    """The end of a booked meeting passed and nobody had cancelled it. Carries its match's terms."""

    program_id: ProgramId
    match_id: MatchId
    series_id: SeriesId
    meeting_id: MeetingId
    starts_at: Timestamp
    ends_at: Timestamp
    attendees: Annotated[tuple[Attendee, ...], Meta(min_length=2, max_length=51)]
    terms: Terms
