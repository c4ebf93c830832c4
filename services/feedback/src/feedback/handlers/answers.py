"""An answer to a request: stored once, with all that follows from it, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from feedback.domain.answering import Accepted, Outcome, Signal, Standing, judge
from feedback.domain.asking import Role
from feedback.domain.questionnaire import Answer
from mentorstream_events.feedback import FeedbackSubmitted, MatchAtRisk
from mentorstream_events.registrations import RematchRequested
from mentorstream_runtime.outbox import Cause, Outgoing, emit


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRequest:
    """A request whose program and person are locked, and what is known of its meeting and match.

    `now` is the time of the answer: business time, not before that of the program. `organisation_ids` are those of
    everybody who was in the meeting.
    """

    request_id: UUID
    program_id: UUID
    match_id: UUID
    meeting_id: UUID
    participant_id: UUID
    organisation_id: UUID
    organisation_ids: tuple[UUID, ...]
    role: Role
    standing: Standing
    now: datetime


class AnswerState(Protocol):
    """One transaction over one request."""

    async def open_request(self, request_id: UUID, person_id: UUID, now: datetime) -> OpenRequest | None:
        """Lock the request's program, then its person, and read what is known; None if there is no such request."""
        ...

    async def keep_answer(self, request: OpenRequest, answer: Answer) -> None:
        """Store the answer."""
        ...

    async def keep_signal(self, request: OpenRequest, signal: Signal) -> None:
        """Remember that the meeting's signal was told."""
        ...

    async def keep_rematch(self, request: OpenRequest) -> None:
        """Remember that the participant asked to leave the match."""
        ...

    async def publish(self, events: Sequence[Outgoing]) -> None:
        """Write the events into the outbox."""
        ...


async def submit_answer(
    state: AnswerState, request_id: UUID, person_id: UUID, answer: Answer, now: datetime, traceparent: str | None
) -> Outcome | None:
    """Decide an answer and keep what it changes; None if the person has no such request.

    The ids of its events derive from the request, so that they are the same whichever attempt gets through.
    """
    request = await state.open_request(request_id, person_id, now)
    if request is None:
        return None
    outcome = judge(request.standing, answer, request.now)
    if not isinstance(outcome, Accepted):
        return outcome
    cause = Cause(id=f"answer:{request_id}", traceparent=traceparent)
    events = [emit(cause, _submitted(request, answer), time=request.now)]
    await state.keep_answer(request, answer)
    for signal in outcome.signals:
        await state.keep_signal(request, signal)
        events.append(emit(cause, _at_risk(request, signal), time=request.now, name=signal))
    if outcome.ask_rematch:
        await state.keep_rematch(request)
        events.append(emit(cause, _rematch(request), time=request.now))
    await state.publish(events)
    return outcome


def _submitted(request: OpenRequest, answer: Answer) -> FeedbackSubmitted:
    return FeedbackSubmitted(
        program_id=request.program_id,
        match_id=request.match_id,
        meeting_id=request.meeting_id,
        request_id=request.request_id,
        participant_id=request.participant_id,
        organisation_id=request.organisation_id,
        role=request.role,
        rating=answer.rating,
        took_place=answer.took_place,
    )


def _at_risk(request: OpenRequest, signal: Signal) -> MatchAtRisk:
    return MatchAtRisk(
        program_id=request.program_id,
        match_id=request.match_id,
        organisation_ids=request.organisation_ids,
        signal=signal,
        meeting_id=request.meeting_id,
    )


def _rematch(request: OpenRequest) -> RematchRequested:
    return RematchRequested(
        program_id=request.program_id, participant_id=request.participant_id, match_id=request.match_id
    )
