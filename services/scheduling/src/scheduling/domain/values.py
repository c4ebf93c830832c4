"""What planning speaks of: who meets and when they can, what was agreed, slots, booked time. Values only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from .local_time import DAY, Hours, instant_of, minute_not_before, minute_of, offset_at


class Busy(NamedTuple):
    """A booked interval in minutes, the end not included."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attendee:
    """Someone who meets, and when they can. Raises ValueError for a zone or hours that make no sense."""

    participant_id: UUID
    person_id: UUID
    organisation_id: UUID
    role: Literal["mentor", "mentee", "partner"]
    zone: str
    hours: tuple[Hours, ...]

    def __post_init__(self) -> None:
        try:
            offset_at(self.zone, 0)
        except (LookupError, ValueError, OSError) as error:
            raise ValueError(f"{self.zone!r} is no known IANA time zone") from error
        for hours in self.hours:
            if not (1 <= hours.weekday <= 7 and 0 <= hours.start_minute < hours.end_minute <= DAY):
                raise ValueError(f"hours {tuple(hours)} do not end after they start on one weekday")


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What planning needs of a match: who, how often, how long, until when, and in whose local time."""

    attendees: tuple[Attendee, ...]
    cadence_days: int
    meeting_minutes: int
    notice_days: int
    meetings_ahead: int
    local_time_of: Literal["mentor", "mentee"]
    ends_at: datetime

    @property
    def zones(self) -> list[str]:
        """The zones of those whose local time is kept: the mentor, who comes first, or everybody else.

        Of partners the second stands for the mentee.
        """
        mentor, *mentees = (attendee.zone for attendee in self.attendees)
        return [mentor] if self.local_time_of == "mentor" else mentees

    @property
    def zone(self) -> str:
        """The reference zone of a new series, in which its time stays the same when clocks change.

        Of several mentees' zones it is the one that most of them have, the first of the alphabet among equals, so that
        as few as can be see their time move. A series keeps its zone while one of them has it.
        """
        zones = self.zones
        return min(zones, key=lambda zone: (-zones.count(zone), zone))


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A regular time: minute `minute` of weeks that begin at local midnight, the first of them on `first_day`.

    Days count from 1970-01-01.
    """

    zone: str
    first_day: int
    minute: int
    cadence_days: int
    meeting_minutes: int

    @property
    def weekday(self) -> int:
        """ISO weekday, 1 Monday to 7 Sunday."""
        return (self.first_day + self.minute // DAY + 3) % 7 + 1

    @property
    def start_minute(self) -> int:
        """Minutes from local midnight."""
        return self.minute % DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSlot:
    """Why there is no slot. `longest_common_minutes` is of one week, whatever is booked."""

    reason: Literal["no_common_hours", "too_short", "booked"]
    longest_common_minutes: int


class Placed(NamedTuple):
    """Where an occurrence went: its number, its first minute, whether that is not the planned one."""

    number: int
    start: int
    moved: bool


def merged(booked: Iterable[Busy]) -> list[Busy]:
    """Several people's intervals as one list in order, which the functions here expect."""
    return sorted(set(booked))


def busy(starts_at: datetime, ends_at: datetime) -> Busy:
    """A meeting as a booked interval."""
    return Busy(minute_of(starts_at), minute_not_before(ends_at))


def at(minute: int) -> datetime:
    """A minute as an aware datetime in UTC."""
    return instant_of(minute)
