"""What one transaction knows and has decided: programs, matches, their active series and booked meetings, who is taken.

Whoever decides loads it under the locks of its programs and persons, changes it here, and writes it back as a whole.
It holds no rules and does no I/O; everything in it is a value, replaced when it changes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from mentorstream_events.values import Terms
from scheduling.domain.planning import regular_times
from scheduling.domain.values import Agreement, Attendee, Busy, NoSlot, Slot, busy, merged


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """A confirmed match as its last event told. The mentor is the first attendee.

    `former` are those who left a circle that goes on: meetings that were held name them still.
    """

    match_id: UUID
    program_id: UUID
    status: Literal["planned", "blocked", "ended"]
    ends_at: datetime
    terms: Terms
    attendees: tuple[Attendee, ...]
    former: tuple[Attendee, ...] = ()
    series_count: int = 0
    blocked: NoSlot | None = None
    # Known from own facts only, after a restore: without hours and terms.
    awaits_details: bool = False

    @property
    def agreement(self) -> Agreement:
        """What planning needs of it."""
        return Agreement(
            attendees=self.attendees,
            cadence_days=self.terms.cadence_days,
            meeting_minutes=self.terms.meeting_minutes,
            notice_days=self.terms.notice_days,
            meetings_ahead=self.terms.meetings_ahead,
            local_time_of=self.terms.local_time_of,
            ends_at=self.ends_at,
        )

    @property
    def persons(self) -> frozenset[UUID]:
        """Who meets."""
        return frozenset(attendee.person_id for attendee in self.attendees)


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """A regular time of a match. Occurrences below `next_number` were booked or skipped."""

    series_id: UUID
    match_id: UUID
    slot: Slot
    next_number: int = 0
    active: bool = True


class Meeting(msgspec.Struct, frozen=True, kw_only=True):
    """One meeting. The revision is the iCalendar SEQUENCE and grows with every change that people are told of.

    `persons` are those who are invited: mostly everybody of the match, but not who joined while it was under way, nor
    who said that they cannot come.
    """

    meeting_id: UUID
    series_id: UUID
    match_id: UUID
    program_id: UUID
    number: int
    revision: int
    starts_at: datetime
    ends_at: datetime
    status: Literal["scheduled", "cancelled", "completed"] = "scheduled"
    persons: frozenset[UUID]


class Schedule:
    """The working set. `not_before` is the business time at loading: nothing is ever booked before it.

    `held` counts the meetings that a match has had. `regular` are the active series of persons who are to get another
    one, with the ends of their matches and how many meetings they still lack, where that is limited.
    """

    def __init__(
        self,
        *,
        programs: Iterable[tuple[UUID, datetime | None]] = (),
        matches: Iterable[Match] = (),
        series: Iterable[Series] = (),
        meetings: Iterable[Meeting] = (),
        held: Iterable[tuple[UUID, int]] = (),
        bookings: Iterable[tuple[UUID, UUID, datetime, datetime]] = (),
        regular: Iterable[tuple[UUID, Series, datetime, int | None]] = (),
        not_before: datetime,
    ) -> None:
        self.not_before = not_before
        self.moved = 0
        self.skipped = 0
        self._programs = dict(programs)
        self._matches = {match.match_id: match for match in matches}
        self._series = {one.match_id: one for one in series}
        self._meetings: dict[UUID, dict[UUID, Meeting]] = {}
        self._match_of: dict[UUID, UUID] = {}
        self._held = dict(held)
        self._taken: dict[UUID, dict[UUID, Busy]] = {}
        for meeting in meetings:
            self._remember(meeting)
        for person_id, meeting_id, starts_at, ends_at in bookings:
            self._taken.setdefault(person_id, {})[meeting_id] = busy(starts_at, ends_at)
        self._regular: dict[UUID, dict[UUID, tuple[Series, datetime, int | None]]] = {}
        for person_id, one, ends_at, lacking in regular:
            self._regular.setdefault(person_id, {})[one.series_id] = (one, ends_at, lacking)
        self.changed_programs: dict[UUID, datetime] = {}
        self.changed_matches: dict[UUID, Match] = {}
        self.changed_series: dict[UUID, Series] = {}
        self.changed_meetings: dict[UUID, Meeting] = {}
        self.new_meetings: set[UUID] = set()
        self.meetings_of_others: set[UUID] = set()  # known ones to which others are invited now

    def move_program(self, program_id: UUID, time: datetime) -> datetime:
        """Move a program's time on to `time`, never back; returns what it is then."""
        known = self._programs.get(program_id)
        if known is None or known < time:
            self._programs[program_id] = self.changed_programs[program_id] = known = time
        return known

    def time_of(self, program_id: UUID) -> datetime | None:
        """A program's time, if anything was ever decided for it."""
        return self._programs.get(program_id)

    def match(self, match_id: UUID) -> Match | None:
        """A match, if it was ever confirmed."""
        return self._matches.get(match_id)

    def keep_match(self, match: Match) -> None:
        """Remember a match as it is now."""
        self._matches[match.match_id] = self.changed_matches[match.match_id] = match

    def series_of(self, match_id: UUID) -> Series | None:
        """The active series of a match."""
        return self._series.get(match_id)

    def keep_series(self, series: Series) -> None:
        """Remember a series as it is now; one that is no longer active is out of sight then."""
        self.changed_series[series.series_id] = series
        match = self._matches[series.match_id]
        for person_id in (*match.persons, *(each.person_id for each in match.former)):
            self._regular.get(person_id, {}).pop(series.series_id, None)
        if series.active:
            self._series[series.match_id] = series
            entry = (series, match.ends_at, self.lacking(match))
            for person_id in match.persons:
                self._regular.setdefault(person_id, {})[series.series_id] = entry
        elif self._series.get(series.match_id, series).series_id == series.series_id:
            self._series.pop(series.match_id, None)

    def lacking(self, match: Match) -> int | None:
        """How many meetings the match may still get beyond those held and booked; None where that is not limited.

        Below zero where its terms were lowered since.
        """
        total = match.terms.meetings_total
        if total is None:
            return None
        return total - self._held.get(match.match_id, 0) - len(self._meetings.get(match.match_id, {}))

    def lacks_any(self, match: Match) -> bool:
        """Whether the match may get another meeting."""
        lacking = self.lacking(match)
        return lacking is None or lacking > 0

    def meeting(self, meeting_id: UUID) -> Meeting | None:
        """A meeting, if it is booked now."""
        match_id = self._match_of.get(meeting_id)
        return None if match_id is None else self._meetings[match_id].get(meeting_id)

    def meetings_of(self, match_id: UUID) -> list[Meeting]:
        """The booked meetings of a match in order of time, one that is under way included."""
        return sorted(
            self._meetings.get(match_id, {}).values(), key=lambda meeting: (meeting.starts_at, meeting.meeting_id)
        )

    def booked(self, persons: Collection[UUID], *, without: Collection[UUID] = ()) -> list[Busy]:
        """When any of these persons is taken, in any program, in order; `without` are meetings to leave out."""
        return merged(
            taken
            for person_id in persons
            for meeting_id, taken in self._taken.get(person_id, {}).items()
            if meeting_id not in without
        )

    def regular(self, persons: Collection[UUID], *, without: UUID | None = None) -> list[Busy]:
        """When these persons' other series, in any program, are going to meet beyond what is booked, in order."""
        return merged(
            taken
            for person_id in persons
            for series_id, (series, ends_at, lacking) in self._regular.get(person_id, {}).items()
            if series_id != without
            for taken in regular_times(series.slot, series.next_number, ends_at)[: _limit(lacking)]
        )

    def book(self, meeting: Meeting) -> None:
        """Book a new meeting."""
        self.new_meetings.add(meeting.meeting_id)
        self.changed_meetings[meeting.meeting_id] = meeting
        self._remember(meeting)
        self._take(meeting)

    def change(self, meeting: Meeting) -> None:
        """Remember a booked meeting as it is now: elsewhere, with others, cancelled or completed."""
        before = self._meetings[meeting.match_id][meeting.meeting_id]
        for person_id in before.persons:
            self._taken.get(person_id, {}).pop(meeting.meeting_id, None)
        self.changed_meetings[meeting.meeting_id] = meeting
        if meeting.persons != before.persons and meeting.meeting_id not in self.new_meetings:
            self.meetings_of_others.add(meeting.meeting_id)
        if meeting.status == "scheduled":
            self._remember(meeting)
            self._take(meeting)
        else:
            del self._meetings[meeting.match_id][meeting.meeting_id]
            if meeting.status == "completed":
                self._held[meeting.match_id] = self._held.get(meeting.match_id, 0) + 1

    def _remember(self, meeting: Meeting) -> None:
        self._meetings.setdefault(meeting.match_id, {})[meeting.meeting_id] = meeting
        self._match_of[meeting.meeting_id] = meeting.match_id

    def _take(self, meeting: Meeting) -> None:
        for person_id in meeting.persons:
            self._taken.setdefault(person_id, {})[meeting.meeting_id] = busy(meeting.starts_at, meeting.ends_at)


def _limit(lacking: int | None) -> int | None:
    return None if lacking is None else max(0, lacking)
