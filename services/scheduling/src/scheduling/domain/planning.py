"""Finding times that fit: the regular slot of a series, the place of each occurrence, and free times to choose from.

The reference zone is that of whoever the terms say keeps their local time; of several, that of most. A slot is a local
minute of the week there.
Time is cut into weeks of seven local days that begin with the series' first day; occurrence n belongs to the week that
begins `n * cadence_days` later. Everybody's hours are open or closed at instants, so an occurrence at which only one
side has changed its clocks is judged by what each side's clock then shows.

Choice of the slot, in this order; the same input gives the same slot:
1. starts on the quarter of an hour; a finer step (5 minutes, 1 minute) only if no such start fits any week;
2. fits in the most of the coming weeks, at most a year of them;
3. has most room on both sides, in quarters of an hour, before it would stop being as good: so it lies amid common
   hours, away from their edges and from other meetings;
4. comes first in the week.

An occurrence that does not fit is moved to the nearest start that does in its week, or skipped if there is none.
Nothing here books anything: booked time comes in, proposed times go out.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from .local_time import (
    DAY,
    WEEK,
    instant_at,
    local_of,
    longest_run,
    lowest,
    minute_not_before,
    minute_of,
    minutes_set,
    open_set,
    runs_of,
    to_local_set,
    weekly_set,
)
from .values import Agreement, Attendee, Busy, NoSlot, Placed, Slot

STEPS_MINUTES: Final = (15, 5, 1)
CHOICE_DAYS: Final = 14
# Weeks looked at when a slot is chosen: more than a year shows nothing new of any clock change.
_LOOKAHEAD_DAYS: Final = 371
_LONGEST_MEETING: Final = 240
# Instants of a week that is searched: seven days, a day more for whatever a clock is turned back, one meeting more.
_SPAN: Final = WEEK + DAY + _LONGEST_MEETING
_GRIDS: Final = {step: sum(1 << minute for minute in range(0, WEEK, step)) for step in STEPS_MINUTES}


class _People(NamedTuple):
    """Zones and weekly sets of all attendees, each once."""

    weekly: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, attendees: Sequence[Attendee]) -> _People:
        return cls(tuple({(attendee.zone, weekly_set(attendee.hours)) for attendee in attendees}))

    def common(self, start: int) -> int:
        bits = minutes_set(_SPAN)
        for zone, weekly in self.weekly:
            bits &= open_set(zone, weekly, start, _SPAN)
            if not bits:
                break
        return bits


class _Week(NamedTuple):
    """Seven local days of the reference zone: the instant and the local minute that they begin with."""

    start: int
    local_start: int

    @classmethod
    def of(cls, zone: str, first_day: int) -> _Week:
        return cls(instant_at(zone, first_day * DAY), first_day * DAY)


def find_slot(agreement: Agreement, booked: Sequence[Busy], *, not_before: datetime) -> Slot | NoSlot:
    """The best slot from the first whole local day at or after `not_before`; see the module for what best means.

    `booked` are all attendees' intervals in order, regular times of their other series included. Weeks that the
    match's end cuts short count only if there is no whole one.
    """
    zone, minutes = agreement.zone, agreement.meeting_minutes
    first_day = -(-local_of(zone, minute_not_before(not_before)) // DAY)
    weeks = _weeks_ahead(agreement, zone, first_day) or [_Week.of(zone, first_day)]
    people = _People.of(agreement.attendees)
    until = minute_of(agreement.ends_at)
    common = [_cut(people.common(week.start), week.start, 0, until) for week in weeks]
    starts = [
        _local_starts(zone, week, _free(bits, week.start, booked), minutes)
        for week, bits in zip(weeks, common, strict=True)
    ]
    minute = _choose(starts)
    if minute is not None:
        return Slot(
            zone=zone,
            first_day=first_day,
            minute=minute,
            cadence_days=agreement.cadence_days,
            meeting_minutes=minutes,
        )
    longest = min(WEEK, max(longest_run(bits) for bits in common))
    reason: Literal["no_common_hours", "too_short", "booked"] = "booked"
    if longest < minutes:
        reason = "too_short" if longest else "no_common_hours"
    return NoSlot(reason=reason, longest_common_minutes=longest)


def keeps_slot(
    agreement: Agreement, slot: Slot, booked: Sequence[Busy], *, before: Agreement, not_before: datetime
) -> bool:
    """Whether a slot in use stays, now that `before` became `agreement`.

    It stays if the meetings are of the same kind and it fits as many of the coming weeks as before the change, or as
    many as the best one does. So a change that takes nothing away from a slot never moves anybody.
    """
    zone = slot.zone
    kind = (agreement.cadence_days, agreement.meeting_minutes)
    if zone not in agreement.zones or (slot.cadence_days, slot.meeting_minutes) != kind:
        return False
    earliest = local_of(zone, minute_not_before(not_before))
    passed = max(0, -(-(earliest - slot.first_day * DAY) // (slot.cadence_days * DAY)))
    weeks = _weeks_ahead(agreement, zone, slot.first_day + passed * slot.cadence_days)
    if not weeks:
        return True  # nothing is known against it, and the meetings that are left are looked at one by one
    starts = _starts(agreement, zone, weeks, booked)
    fitting = _count(starts, slot.minute)
    if not fitting:
        return False
    best = _choose(starts)
    return (
        best is None
        or fitting >= _count(starts, best)
        or fitting >= _count(_starts(before, zone, weeks, booked), slot.minute)
    )


def place(
    agreement: Agreement, slot: Slot, number: int, booked: Sequence[Busy], *, not_before: datetime
) -> Placed | None:
    """Where occurrence `number` goes: at its time, else at the nearest free start of its week, else nowhere."""
    week = _Week.of(slot.zone, slot.first_day + number * slot.cadence_days)
    bits = _free(_People.of(agreement.attendees).common(week.start), week.start, booked)
    bits = _cut(bits, week.start, minute_not_before(not_before), minute_of(agreement.ends_at))
    starts = _local_starts(slot.zone, week, bits, slot.meeting_minutes)
    if starts >> slot.minute & 1:
        return Placed(number, instant_at(slot.zone, week.local_start + slot.minute), moved=False)
    for step in STEPS_MINUTES:
        on_grid = starts & _GRIDS[step]
        if on_grid:
            minute = _nearest(on_grid, slot.minute)
            return Placed(number, instant_at(slot.zone, week.local_start + minute), moved=True)
    return None


@lru_cache(maxsize=8192)
def regular_times(slot: Slot, first_number: int, until: datetime) -> tuple[Busy, ...]:
    """The planned times of a series from an occurrence on, for as long as slots are compared, before `until`.

    They are not booked yet, but a new series keeps clear of them: otherwise the two would push each other about.
    """
    end = minute_of(until)
    found = []
    for number in range(first_number, first_number + _LOOKAHEAD_DAYS // slot.cadence_days):
        start = instant_at(slot.zone, (slot.first_day + number * slot.cadence_days) * DAY + slot.minute)
        if start + slot.meeting_minutes > end:
            break
        found.append(Busy(start, start + slot.meeting_minutes))
    return tuple(found)


def occurs_before(agreement: Agreement, slot: Slot, number: int) -> bool:
    """Whether the week of occurrence `number` begins before the match ends."""
    return _Week.of(slot.zone, slot.first_day + number * slot.cadence_days).start < minute_of(agreement.ends_at)


def fits(agreement: Agreement, start: int, minutes: int, booked: Sequence[Busy], *, not_before: datetime) -> bool:
    """Whether everybody is free and willing for `minutes` from `start`, after `not_before` and before the end."""
    if start < minute_not_before(not_before) or start + minutes > minute_of(agreement.ends_at):
        return False
    people = _People.of(agreement.attendees)
    wanted = minutes_set(minutes)
    return _free(people.common(start) & wanted, start, booked) == wanted


def choices(
    agreement: Agreement, booked: Sequence[Busy], *, now: datetime, not_before: datetime, limit: int
) -> list[int]:
    """Up to `limit` free starts in the `CHOICE_DAYS` from `now`, on as many days as possible, in order of time.

    Of each day the one with most room is taken, then the next best that does not overlap one taken, and so on.
    """
    zone, minutes = agreement.zone, agreement.meeting_minutes
    first = minute_not_before(not_before)
    last = min(minute_of(agreement.ends_at), minute_of(now + timedelta(days=CHOICE_DAYS)))
    today = local_of(zone, minute_of(now)) // DAY
    people = _People.of(agreement.attendees)
    days: list[_Day] = []
    for first_day in range(today, today + CHOICE_DAYS + 1, 7):
        week = _Week.of(zone, first_day)
        bits = _cut(_free(people.common(week.start), week.start, booked), week.start, first, last)
        starts = _local_starts(zone, week, bits, minutes)
        days += [_Day(week, day * DAY, starts >> day * DAY & minutes_set(DAY)) for day in range(7)]
    chosen: list[int] = []
    while len(chosen) < limit and days:
        remaining = []
        for day in days:
            minute = _choose([day.starts])
            if minute is None or len(chosen) == limit:
                continue
            chosen.append(instant_at(zone, day.week.local_start + day.minute + minute))
            overlapping = minutes_set(2 * minutes - 1) << minute >> minutes - 1
            remaining.append(day._replace(starts=day.starts & ~overlapping))
        days = remaining
    return sorted(chosen)


class _Day(NamedTuple):
    """The starts left on one day of a week; `minute` is where the day begins in its week."""

    week: _Week
    minute: int
    starts: int


def _weeks_ahead(agreement: Agreement, zone: str, first_day: int) -> list[_Week]:
    """The weeks of the coming occurrences that end before the match does."""
    until = minute_of(agreement.ends_at)
    weeks = []
    for day in range(first_day, first_day + _LOOKAHEAD_DAYS, agreement.cadence_days):
        if instant_at(zone, (day + 7) * DAY) > until:
            break
        weeks.append(_Week.of(zone, day))
    return weeks


def _free(bits: int, start: int, booked: Sequence[Busy]) -> int:
    """A set of instants without what is booked. No booking is longer than the longest meeting."""
    end = start + _SPAN
    for index in range(bisect_left(booked, (start - _LONGEST_MEETING, 0)), len(booked)):
        if booked[index].start >= end or not bits:
            break
        bits &= ~(
            minutes_set(booked[index].end - max(booked[index].start, start)) << max(0, booked[index].start - start)
        )
    return bits


def _cut(bits: int, start: int, first: int, until: int) -> int:
    """A set of instants without those before `first` or from `until` on."""
    bits &= minutes_set(until - start)
    return bits if first <= start else bits & ~minutes_set(first - start)


def _local_starts(zone: str, week: _Week, bits: int, minutes: int) -> int:
    """Local minutes of a week at which a meeting may start."""
    starts = runs_of(bits, minutes)
    return to_local_set(zone, starts, week.start, _SPAN, week.local_start) & minutes_set(WEEK) if starts else 0


def _starts(agreement: Agreement, zone: str, weeks: Sequence[_Week], booked: Sequence[Busy]) -> list[int]:
    """For each week the local minutes, in the reference zone, at which a meeting may start."""
    people = _People.of(agreement.attendees)
    return [
        _local_starts(zone, week, _free(people.common(week.start), week.start, booked), agreement.meeting_minutes)
        for week in weeks
    ]


def _count(starts: Sequence[int], minute: int) -> int:
    return sum(bits >> minute & 1 for bits in starts)


def _choose(starts: Sequence[int]) -> int | None:
    """The minute that fits most weeks and has most room; None if none fits any."""
    for step in STEPS_MINUTES:
        best = _fitting_most(starts, _GRIDS[step])
        if best:
            return _roomiest(best, step, starts)
    return None


def _fitting_most(starts: Sequence[int], grid: int) -> int:
    """The minutes of `grid` that are in most of the sets; empty if all are.

    Counts in binary, one set of minutes for each digit, so that all minutes are counted at once.
    """
    every = grid
    for bits in starts:
        every &= bits
    if every and starts:
        return every
    digits: list[int] = []
    for bits in starts:
        carry = bits & grid
        for index, digit in enumerate(digits):
            if not carry:
                break
            digits[index], carry = digit ^ carry, digit & carry
        if carry:
            digits.append(carry)
    best = grid
    for digit in reversed(digits):
        best = best & digit or best
    return best if digits else 0


def _roomiest(best: int, step: int, starts: Sequence[int]) -> int:
    """Of equally good minutes the one with most room around it, the first of several."""
    if best.bit_count() == 1:
        return lowest(best)
    # Room is measured in all minutes that are as good, not only in those of the step.
    equal = best if step == 1 else _fitting_most(starts, _GRIDS[1])
    if not equal & best:
        equal = best
    room = 15
    while True:
        roomy = runs_of(equal, 2 * room + 1) << room & best
        if not roomy:
            return lowest(best)
        best = roomy
        room += 15


def _nearest(minutes: int, wanted: int) -> int:
    """The minute of a set that is nearest to `wanted`; the earlier of two."""
    before = minutes & minutes_set(wanted)
    after = minutes >> wanted
    if not after:
        return before.bit_length() - 1
    next_minute = wanted + lowest(after)
    if not before:
        return next_minute
    previous = before.bit_length() - 1
    return previous if wanted - previous <= next_minute - wanted else next_minute
