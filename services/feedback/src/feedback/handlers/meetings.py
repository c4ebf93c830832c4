"""A meeting was held: ask each of its people once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from feedback.domain.asking import Attendee, FeedbackRequest, HeldMeeting, requests_for
from mentorstream_events import Event, derived_id
from mentorstream_events.feedback import FeedbackRequested
from mentorstream_events.meetings import MeetingCompleted
from mentorstream_runtime.errors import Rejected
from mentorstream_runtime.outbox import Outgoing, emit


class Asked(NamedTuple):
    """Who was asked about a meeting before."""

    match_id: UUID
    persons: Collection[UUID]


class MeetingState(Protocol):
    """What is known of the programs, matches and meetings of a batch, and where what is decided goes."""

    def move_program(self, program_id: UUID, time: datetime) -> datetime:
        """Move the program's time on to `time`, never back; returns what it is then."""
        ...

    def program_of(self, match_id: UUID) -> UUID | None:
        """The program that a match is known to belong to."""
        ...

    def asked(self, meeting_id: UUID) -> Asked | None:
        """Who was asked about a meeting, or None if nobody was."""
        ...

    def keep_match(self, match_id: UUID, program_id: UUID, low_rating: int, organisations: Collection[UUID]) -> None:
        """Remember the newest terms of a match and whose it is."""
        ...

    def tell_again(self, meeting: HeldMeeting) -> None:
        """Remember the details of a meeting that people were asked about before."""
        ...

    def ask(self, requests: Sequence[FeedbackRequest]) -> None:
        """Remember new requests."""
        ...


def on_meeting_completed(event: Event[MeetingCompleted], state: MeetingState) -> list[Outgoing]:
    """One request, and one event, for each attendee not asked before.

    Raises Rejected for a meeting that is known in another match, or a match that is known in another program.
    """
    data = event.data
    known_program = state.program_of(data.match_id)
    if known_program not in (None, data.program_id):
        raise Rejected("wrong_program", f"match {data.match_id} belongs to program {known_program}")
    asked = state.asked(data.meeting_id)
    if asked is not None and asked.match_id != data.match_id:
        raise Rejected("wrong_match", f"meeting {data.meeting_id} belongs to match {asked.match_id}")
    now = state.move_program(data.program_id, event.time)
    held = _held(data)
    requests = requests_for(
        held,
        asked=asked.persons if asked is not None else (),
        identify=lambda person_id: derived_id("feedback-request", data.meeting_id, person_id),
        now=now,
    )
    if asked is not None:
        # After a restore the requests are there already, taken over from facts that do not tell all of this.
        state.tell_again(held)
    elif not requests:
        return []
    organisations = {attendee.organisation_id for attendee in data.attendees}
    state.keep_match(data.match_id, data.program_id, data.terms.low_rating, organisations)
    state.ask(requests)
    return [emit(event, _requested(request), time=now, name=request.request_id) for request in requests]


def _held(data: MeetingCompleted) -> HeldMeeting:
    return HeldMeeting(
        program_id=data.program_id,
        match_id=data.match_id,
        meeting_id=data.meeting_id,
        started_at=data.starts_at,
        ended_at=data.ends_at,
        attendees=tuple(
            Attendee(
                participant_id=attendee.participant_id,
                person_id=attendee.person_id,
                organisation_id=attendee.organisation_id,
                role=attendee.role,
                zone=attendee.zone,
            )
            for attendee in data.attendees
        ),
        ask=data.terms.ask_feedback,
    )


def _requested(request: FeedbackRequest) -> FeedbackRequested:
    return FeedbackRequested(
        program_id=request.program_id,
        match_id=request.match_id,
        meeting_id=request.meeting_id,
        request_id=request.request_id,
        participant_id=request.attendee.participant_id,
        person_id=request.attendee.person_id,
        organisation_id=request.attendee.organisation_id,
        role=request.attendee.role,
        meeting_ended_at=request.meeting_ended_at,
        expires_at=request.expires_at,
    )
