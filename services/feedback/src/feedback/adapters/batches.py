"""What one batch of a partition loads, changes in memory and writes. Nothing is kept from batch to batch.

Locks are taken in one order everywhere: programs by id, then persons by id.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from feedback.domain.asking import FeedbackRequest, HeldMeeting
from feedback.handlers.meetings import Asked
from mentorstream_events import Event
from mentorstream_events.meetings import MeetingCompleted
from mentorstream_events.people import PersonErased
from mentorstream_runtime.database import columns_of

if TYPE_CHECKING:
    from mentorstream_runtime.database import Connection

_REQUEST_COLUMNS = (
    "request_id",
    "program_id",
    "match_id",
    "meeting_id",
    "participant_id",
    "person_id",
    "organisation_id",
    "role",
    "zone",
    "meeting_started_at",
    "meeting_ended_at",
    "expires_at",
)


class MeetingBatch:
    """The programs, matches and meetings of a batch of held meetings."""

    def __init__(self, queries: Mapping[str, str]) -> None:
        self._queries = queries
        self.clear()

    def clear(self) -> None:
        """Drop everything."""
        self._now: dict[UUID, datetime] = {}
        self._program_of: dict[UUID, UUID] = {}
        self._asked: dict[UUID, tuple[UUID, set[UUID]]] = {}
        self._low_ratings: dict[UUID, int] = {}
        self._organisations: set[tuple[UUID, UUID]] = set()
        self._requests: list[FeedbackRequest] = []
        self._told_again: list[tuple[UUID, UUID, str, datetime]] = []

    async def load(self, connection: Connection, events: Sequence[Event[MeetingCompleted]]) -> None:
        """Lock the programs and read what is known of the matches and meetings."""
        self.clear()
        first_times: dict[UUID, datetime] = {}
        for event in events:
            first_times.setdefault(event.data.program_id, event.time)
        await connection.execute(self._queries["add_programs"], list(first_times), list(first_times.values()))
        for row in await connection.fetch(self._queries["lock_programs"], list(first_times)):
            self._now[row["program_id"]] = row["now"]
        matches = list({event.data.match_id for event in events})
        for row in await connection.fetch(self._queries["load_matches"], matches):
            self._program_of[row["match_id"]] = row["program_id"]
        meetings = list({event.data.meeting_id for event in events})
        for row in await connection.fetch(self._queries["load_asked"], meetings):
            self._asked[row["meeting_id"]] = (row["match_id"], set(row["persons"]))

    def move_program(self, program_id: UUID, time: datetime) -> datetime:
        """Move the program's time on to `time`, never back; returns what it is then."""
        self._now[program_id] = max(self._now[program_id], time)
        return self._now[program_id]

    def program_of(self, match_id: UUID) -> UUID | None:
        """The program that a match is known to belong to."""
        return self._program_of.get(match_id)

    def asked(self, meeting_id: UUID) -> Asked | None:
        """Who was asked about a meeting, or None if nobody was."""
        known = self._asked.get(meeting_id)
        return Asked(*known) if known is not None else None

    def keep_match(self, match_id: UUID, program_id: UUID, low_rating: int, organisations: Collection[UUID]) -> None:
        """Remember the newest terms of a match and whose it is."""
        self._program_of[match_id] = program_id
        self._low_ratings[match_id] = low_rating
        self._organisations |= {(match_id, organisation_id) for organisation_id in organisations}

    def ask(self, requests: Sequence[FeedbackRequest]) -> None:
        """Remember new requests."""
        for request in requests:
            _, persons = self._asked.setdefault(request.meeting_id, (request.match_id, set()))
            persons.add(request.attendee.person_id)
            self._requests.append(request)

    def tell_again(self, meeting: HeldMeeting) -> None:
        """Remember the details of a meeting that people were asked about before."""
        self._told_again += [
            (meeting.meeting_id, attendee.person_id, attendee.zone, meeting.started_at)
            for attendee in meeting.attendees
        ]

    async def flush(self, connection: Connection) -> None:
        """Write what changed: the programs' time, matches and whose they are, persons, requests."""
        await connection.execute(self._queries["move_programs"], list(self._now), list(self._now.values()))
        if self._told_again:
            await connection.execute(self._queries["complete_requests"], *columns_of(self._told_again, 4))
        if not self._low_ratings:
            return
        matches = [(match_id, self._program_of[match_id], low) for match_id, low in self._low_ratings.items()]
        await connection.execute(self._queries["keep_matches"], *columns_of(matches, 3))
        await connection.execute(self._queries["keep_match_organisations"], *columns_of(sorted(self._organisations), 2))
        if not self._requests:
            return
        persons = list({request.attendee.person_id for request in self._requests})
        await connection.execute(self._queries["add_persons"], persons)
        erased = {row["person_id"] for row in await connection.fetch(self._queries["erased_among"], persons)}
        # A request that somebody else stored meanwhile violates its constraint: the batch is then decided again.
        await connection.copy_records_to_table(
            "request", records=[_request_row(request, erased) for request in self._requests], columns=_REQUEST_COLUMNS
        )


class PeopleBatch:
    """The persons who are erased in a batch."""

    def __init__(self, queries: Mapping[str, str]) -> None:
        self._queries = queries
        self.clear()

    def clear(self) -> None:
        """Drop everything."""
        self._erased: set[UUID] = set()

    async def load(self, connection: Connection, events: Sequence[Event[PersonErased]]) -> None:
        """Lock the persons by marking them: whatever comes of it, the mark is what this batch is for."""
        self.clear()
        await connection.execute(self._queries["erase_persons"], list({event.data.person_id for event in events}))

    def forget(self, person_id: UUID) -> None:
        """Delete the person's texts with the flush."""
        self._erased.add(person_id)

    async def flush(self, connection: Connection) -> None:
        """Delete the texts, now that no answer of these persons is under way."""
        await connection.execute(self._queries["delete_texts_of_persons"], list(self._erased))


def _request_row(request: FeedbackRequest, erased: Collection[UUID]) -> tuple[object, ...]:
    """Of somebody erased it is over at once: as an erasure that came later would leave it."""
    expires_at = request.meeting_ended_at if request.attendee.person_id in erased else request.expires_at
    return (
        request.request_id,
        request.program_id,
        request.match_id,
        request.meeting_id,
        request.attendee.participant_id,
        request.attendee.person_id,
        request.attendee.organisation_id,
        request.attendee.role,
        request.attendee.zone,
        request.meeting_started_at,
        request.meeting_ended_at,
        expires_at,
    )
