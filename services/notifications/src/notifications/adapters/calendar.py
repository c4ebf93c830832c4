"""Meetings as iCalendar objects, the way mail clients expect them (RFC 5545 and, for the methods, RFC 5546)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal
from uuid import UUID

from icalendar import Calendar, Event, vCalAddress

Method = Literal["REQUEST", "CANCEL"]
_PRODUCT: Final = "-//Mentorstream//Notifications//EN"


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A name, on one line, and an address."""

    name: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """One revision of a meeting, as one receiver's calendar shall show it. `url` is the receiver's own link."""

    meeting_id: UUID
    revision: int
    stamped_at: datetime
    starts_at: datetime
    ends_at: datetime
    summary: str
    description: str
    url: str
    organizer: Mailbox
    attendees: Sequence[Mailbox]
    takes_place: bool = True


def uid_of(meeting_id: UUID) -> str:
    """The same for all revisions of a meeting, so that calendars change and remove what they have."""
    return f"{meeting_id}@mentorstream"


def calendar_object(method: Method, meeting: Meeting) -> str:
    """The calendar as text with CRLF line ends. Times are UTC: no calendar needs to know our zones."""
    event = Event.new(
        uid=uid_of(meeting.meeting_id),
        sequence=meeting.revision,
        stamp=meeting.stamped_at.astimezone(UTC),
        start=meeting.starts_at.astimezone(UTC),
        end=meeting.ends_at.astimezone(UTC),
        summary=meeting.summary,
        description=meeting.description,
        url=meeting.url,
        organizer=vCalAddress.new(meeting.organizer.address, cn=_parameter(meeting.organizer.name)),
        # Nobody reads replies at the organizer's address, so none is asked for: people answer by their link.
        attendees=[
            vCalAddress.new(
                attendee.address,
                cn=_parameter(attendee.name),
                role="REQ-PARTICIPANT",
                partstat="NEEDS-ACTION",
                rsvp=False,
            )
            for attendee in meeting.attendees
        ],
    )
    # A CANCEL without a status takes its receivers out of a meeting that takes place (RFC 5546, 3.2.5).
    if method == "REQUEST" or not meeting.takes_place:
        event.add("status", "CONFIRMED" if method == "REQUEST" else "CANCELLED")
    # Put together by hand: `Calendar.new` would give the calendar a random UID beside the event's.
    calendar = Calendar()
    for name, value in (("prodid", _PRODUCT), ("version", "2.0"), ("method", method)):
        calendar.add(name, value)
    calendar.add_component(event)
    text: str = calendar.to_ical().decode()
    return text


def _parameter(name: str) -> str:
    # A parameter value cannot contain a double quote.
    return name.replace('"', "'")
