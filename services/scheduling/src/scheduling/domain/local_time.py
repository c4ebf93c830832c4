"""Local time as sets of minutes: whose hours are open when, and which instants a local time names.

A set of minutes is one Python integer: bit i stands for minute i from an origin. Such sets are intersected, shifted
and cut as whole numbers, so a week of 10,080 minutes costs about as much as one comparison, and no rounding to a
coarser grid is ever needed. Instants are whole minutes since 1970-01-01T00:00Z; local minutes are wall-clock minutes
since 1970-01-01T00:00 of a zone, as if its offset were zero.

An instant always has one local time, a local time may name no instant (gap) or two (fold). So all sets are built from
instants, by the offsets in force; nothing adds hours to a wall clock.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

DAY: Final = 1440
WEEK: Final = 7 * DAY
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - a wall clock without a zone
_MONDAY: Final = 3 * DAY  # 1970-01-01 was a Thursday
_BLOCK: Final = 366 * DAY


class Hours(NamedTuple):
    """One interval of a week on a wall clock: ISO weekday, minutes from midnight, the end not included."""

    weekday: int
    start_minute: int
    end_minute: int


class Stretch(NamedTuple):
    """Instants from `start` to before `end` during which a zone's offset is `offset` minutes."""

    start: int
    end: int
    offset: int


def minute_of(instant: datetime) -> int:
    """The minute that an aware instant lies in."""
    return (instant - _EPOCH) // timedelta(minutes=1)


def minute_not_before(instant: datetime) -> int:
    """The first whole minute at or after an aware instant."""
    return -((_EPOCH - instant) // timedelta(minutes=1))


def instant_of(minute: int) -> datetime:
    """A minute as an aware datetime in UTC."""
    return _EPOCH + timedelta(minutes=minute)


def offset_at(zone: str, minute: int) -> int:
    """The zone's offset from UTC in minutes at an instant. Raises ZoneInfoNotFoundError or ValueError for no zone."""
    offset = datetime.fromtimestamp(minute * 60, ZoneInfo(zone)).utcoffset()
    return 0 if offset is None else offset // timedelta(minutes=1)


def local_of(zone: str, minute: int) -> int:
    """The local minute that a zone's clocks show at an instant."""
    return minute + offset_at(zone, minute)


@lru_cache(maxsize=16384)  # mostly asked for midnights, which all series of a zone share
def instant_at(zone: str, local: int) -> int:
    """The instant that a local minute names: in a fold the first one, in a gap as far after it as before (PEP 495)."""
    wall = (_NAIVE_EPOCH + timedelta(minutes=local)).replace(tzinfo=ZoneInfo(zone), fold=0)
    return minute_of(wall.astimezone(UTC))


def stretches(zone: str, start: int, end: int) -> list[Stretch]:
    """The instants from `start` to `end` cut where the zone's offset changes."""
    found = []
    offset = 0
    for block in range(start // _BLOCK, (end - 1) // _BLOCK + 1):
        for at, after in _changes(zone, block):
            if at >= end:
                break
            if at > start and after != offset:
                found.append(Stretch(start, at, offset))
                start = at
            offset = after
    found.append(Stretch(start, end, offset))
    return found


@lru_cache(maxsize=4096)
def _changes(zone: str, block: int) -> tuple[tuple[int, int], ...]:
    """(instant, offset from then on) within a block of days, beginning with the block's start.

    Days are compared and a day that ends otherwise than it began is searched. Two changes on one day that undo each
    other would be missed; no zone has had them.
    """
    start = block * _BLOCK
    offset = offset_at(zone, start)
    found = [(start, offset)]
    for day in range(start, start + _BLOCK, DAY):
        after = offset_at(zone, day + DAY)
        if after != offset:
            low, high = day, day + DAY
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset_at(zone, middle) == offset else (low, middle)
            found.append((high, after))
            offset = after
    return tuple(found)


@lru_cache(maxsize=4096)
def weekly_set(hours: tuple[Hours, ...]) -> int:
    """Weekly hours as local minutes of three weeks from a Monday, so that any week can be cut out of them."""
    bits = 0
    for weekday, start, end in hours:
        bits |= minutes_set(end - start) << ((weekday - 1) * DAY + start)
    return bits | bits << WEEK | bits << 2 * WEEK


def open_set(zone: str, weekly: int, start: int, length: int) -> int:
    """Which of `length` instants from `start` lie in weekly hours (see `weekly_set`) of a zone. At most two weeks."""
    pieces = stretches(zone, start, start + length)
    if len(pieces) == 1:
        return weekly >> (start + pieces[0].offset + _MONDAY) % WEEK & minutes_set(length)
    bits = 0
    for piece in pieces:
        shift = (piece.start + piece.offset + _MONDAY) % WEEK
        bits |= (weekly >> shift & minutes_set(piece.end - piece.start)) << (piece.start - start)
    return bits


def to_local_set(zone: str, instants: int, start: int, length: int, local_start: int) -> int:
    """A set of instants from `start` as local minutes from `local_start`, which must not be after the first of them.

    Where a local minute names two instants it is in the set if the first one is; where it names none, it is not.
    """
    pieces = stretches(zone, start, start + length)
    if len(pieces) == 1:
        return instants << (start + pieces[0].offset - local_start)
    bits = covered = 0
    for piece in pieces:
        whole = minutes_set(piece.end - piece.start)
        position = piece.start + piece.offset - local_start
        bits |= _shifted(instants >> (piece.start - start) & whole, position) & ~covered
        covered |= _shifted(whole, position)
    return bits


def _shifted(minutes: int, by: int) -> int:
    """A set moved on; what would come before its beginning is dropped: a clock may be turned back past midnight."""
    return minutes << by if by >= 0 else minutes >> -by


@lru_cache(maxsize=512)
def minutes_set(length: int) -> int:
    """The set of minutes 0 to before `length`; empty when that is not positive."""
    return (1 << length) - 1 if length > 0 else 0


@lru_cache(maxsize=256)  # the weeks of a series look alike as long as no clock changes and nothing is booked
def runs_of(minutes: int, length: int) -> int:
    """The minutes with which `length` minutes of a set begin, without a hole. Doubles the run seen at each step."""
    seen = 1
    while seen < length and minutes:
        step = min(seen, length - seen)
        minutes &= minutes >> step
        seen += step
    return minutes


def longest_run(minutes: int) -> int:
    """Length of the longest run of a set without a hole."""
    low, high = 0, minutes.bit_length() + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if runs_of(minutes, middle) else (low, middle)
    return low


def lowest(minutes: int) -> int:
    """The first minute of a set that is not empty."""
    return (minutes & -minutes).bit_length() - 1
