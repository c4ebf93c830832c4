"""Which event goes to which handler, and how a batch of each topic is loaded and written.

Topics are read in any order. What a mail needs and has not yet arrived is waited for by the sender's query, so
no event here waits for another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from mentorstream_events import Event, Value
from mentorstream_events.feedback import FeedbackRequested
from mentorstream_events.matches import (
    MatchChanged,
    MatchConfirmed,
    MatchEnded,
    MatchProposed,
    ParticipantWaitlisted,
)
from mentorstream_events.meetings import (
    MeetingAttendeesChanged,
    MeetingCancelled,
    MeetingRescheduled,
    MeetingScheduled,
    SeriesBlocked,
)
from mentorstream_events.people import PersonErased, PersonKnown
from mentorstream_events.registrations import ParticipantRegistered, ParticipantWithdrawn, ProgramConfigured

from ..adapters import postgres
from ..domain.book import Book
from ..domain.people import Register
from ..handlers import knowing, mailing

if TYPE_CHECKING:
    from mentorstream_runtime.database import Connection
    from mentorstream_runtime.outbox import Outgoing


class _Route(NamedTuple):
    handle: Callable[[Any, Book], None]
    subject_of: Callable[[Value], UUID]


MAIL_ROUTES: Final[Mapping[type[Value], _Route]] = {
    ParticipantRegistered: _Route(mailing.on_participant_registered, attrgetter("participant_id")),
    ParticipantWithdrawn: _Route(mailing.on_participant_withdrawn, attrgetter("participant_id")),
    ParticipantWaitlisted: _Route(mailing.on_participant_waitlisted, attrgetter("participant_id")),
    MatchProposed: _Route(mailing.on_match_proposed, attrgetter("match_id")),
    MatchConfirmed: _Route(mailing.on_match_confirmed, attrgetter("match_id")),
    MatchChanged: _Route(mailing.on_match_changed, attrgetter("match_id")),
    MatchEnded: _Route(mailing.on_match_ended, attrgetter("match_id")),
    SeriesBlocked: _Route(mailing.on_series_blocked, attrgetter("match_id")),
    MeetingScheduled: _Route(mailing.on_meeting_scheduled, attrgetter("meeting_id")),
    MeetingRescheduled: _Route(mailing.on_meeting_rescheduled, attrgetter("meeting_id")),
    MeetingAttendeesChanged: _Route(mailing.on_meeting_attendees_changed, attrgetter("meeting_id")),
    MeetingCancelled: _Route(mailing.on_meeting_cancelled, attrgetter("meeting_id")),
    FeedbackRequested: _Route(mailing.on_feedback_requested, attrgetter("request_id")),
}
PEOPLE_ROUTES: Final[Mapping[type[Value], Callable[[Any, Register], None]]] = {
    PersonKnown: knowing.on_person_known,
    PersonErased: knowing.on_person_erased,
}
MAIL_TOPICS: Final = ("registrations", "matches", "meetings", "feedback")


class MailHandler:
    """Events of programs to planned mails. `news` is called after each commit: there may be mail to send."""

    handles: frozenset[type[Value]] = frozenset({*MAIL_ROUTES, ProgramConfigured})

    def __init__(self, news: Callable[[], None]) -> None:
        self._news = news
        self._book = Book()
        self._titles: dict[UUID, str] = {}

    async def load(self, connection: Connection, events: Sequence[Event[Value]]) -> None:
        """Lock the mails about every subject of the batch."""
        subjects = {
            route.subject_of(event.data) for event in events if (route := MAIL_ROUTES.get(type(event.data))) is not None
        }
        programs = {UUID(event.key) for event in events}
        self._book = await postgres.load_book(connection, subjects, programs) if subjects else Book()
        self._titles = {}

    def decide(self, event: Event[Value]) -> Sequence[Outgoing]:
        """Enter the event's mails in the book. Nothing goes out yet: events of this service tell of mails sent."""
        if isinstance(event.data, ProgramConfigured):
            self._titles[event.data.program_id] = event.data.title
        else:
            MAIL_ROUTES[type(event.data)].handle(event, self._book)
        return ()

    async def flush(self, connection: Connection) -> None:
        """Write mails and titles."""
        await postgres.save_book(connection, self._book)
        await postgres.save_titles(connection, self._titles)

    def settled(self, *, committed: bool) -> None:
        """Keep nothing between batches."""
        self._book, self._titles = Book(), {}
        if committed:
            self._news()


class PeopleHandler:
    """Events of people to the copy of their names and addresses."""

    handles: frozenset[type[Value]] = frozenset(PEOPLE_ROUTES)

    def __init__(self, news: Callable[[], None]) -> None:
        self._news = news
        self._register = Register({}, ())

    async def load(self, connection: Connection, events: Sequence[Event[Value]]) -> None:
        """Lock the people of the batch."""
        people = {event.data.person_id for event in events if isinstance(event.data, PersonKnown | PersonErased)}
        self._register = await postgres.load_register(connection, people)

    def decide(self, event: Event[Value]) -> Sequence[Outgoing]:
        """Keep or forget the person."""
        PEOPLE_ROUTES[type(event.data)](event, self._register)
        return ()

    async def flush(self, connection: Connection) -> None:
        """Write what changed."""
        await postgres.save_register(connection, self._register)

    def settled(self, *, committed: bool) -> None:
        """Keep nothing between batches, least of all names."""
        self._register = Register({}, ())
        if committed:
            self._news()
