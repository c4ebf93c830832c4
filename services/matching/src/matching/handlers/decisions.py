"""Decisions of the domain told to others: the events on `matches` that follow from one on `registrations`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, TypeAlias, TypeVar

from matching.domain.pool import Pool
from matching.domain.values import (
    Changed,
    Confirmed,
    Decision,
    Ended,
    EndReason,
    Match,
    Proposed,
    Role,
    Side,
    Waitlisted,
)
from mentorstream_events import Event, Value
from mentorstream_events import values as wire
from mentorstream_events.matches import (
    MatchChanged,
    MatchConfirmed,
    MatchEnded,
    MatchProposed,
    ParticipantWaitlisted,
)
from mentorstream_runtime.outbox import Cause, Outgoing, emit

from .details import member_of, terms_of

T = TypeVar("T")
WireReason: TypeAlias = Literal[
    "declined", "expired", "withdrawn", "rematch", "coordinator", "term_over", "other_accepted", "no_longer_fits"
]
# A pair that may not be any more before it has begun is, to its people, a proposal that was withdrawn.
_WIRE_REASON: Final[dict[EndReason, WireReason]] = {
    "declined": "declined",
    "expired": "expired",
    "withdrawn": "withdrawn",
    "unfit": "withdrawn",
    "rematch": "rematch",
    "coordinator": "coordinator",
    "term_over": "term_over",
    "other_accepted": "other_accepted",
    "no_longer_fits": "no_longer_fits",
}


def tell(pool: Pool, cause: Event[Value] | Cause, decisions: Iterable[Decision]) -> list[Outgoing]:
    """The outgoing events, in the order of the decisions, at the program's time."""
    return [emit(cause, data, time=pool.now, name=name) for name, data in (_said(pool, each) for each in decisions)]


def _said(pool: Pool, decision: Decision) -> tuple[object, Value]:
    match decision:
        case Proposed(match):
            return match.match_id, _proposed(pool, match)
        case Confirmed(match):
            return match.match_id, _confirmed(pool, match)
        case Changed(match, reason):
            return match.match_id, MatchChanged(
                program_id=pool.program.program_id,
                match_id=match.match_id,
                mentor=_member(pool, match.mentor, "mentor"),
                mentees=(_member(pool, match.mentee, "mentee"),),
                terms=terms_of(pool.program.terms),
                ends_at=_set(match.ends_at),
                reason=reason,
                round_id=match.round_id,
            )
        case Ended(match, was_confirmed):
            return match.match_id, _ended(pool, match, was_confirmed=was_confirmed)
        case Waitlisted(waiting):
            participant = pool.participants[waiting.participant_id]
            return waiting.participant_id, ParticipantWaitlisted(
                program_id=pool.program.program_id,
                participant_id=participant.participant_id,
                person_id=participant.person_id,
                organisation_id=participant.organisation_id,
                role="mentee",
                waiting_since=waiting.since,
                reasons=tuple(wire.Reason(rule=each.rule, removed=each.removed) for each in waiting.reasons),
                lists=choice.number if (choice := pool.choices.get(waiting.participant_id)) is not None else 0,
            )


def _proposed(pool: Pool, match: Match) -> MatchProposed:
    return MatchProposed(
        program_id=pool.program.program_id,
        match_id=match.match_id,
        mentor=_member(pool, match.mentor, "mentor"),
        mentees=(_member(pool, match.mentee, "mentee"),),
        score=match.score,
        facets=match.facets,
        policy_version=match.policy_version,
        expires_at=_set(match.expires_at),
        round_id=match.round_id,
    )


def _confirmed(pool: Pool, match: Match) -> MatchConfirmed:
    return MatchConfirmed(
        program_id=pool.program.program_id,
        match_id=match.match_id,
        mentor=_member(pool, match.mentor, "mentor"),
        mentees=(_member(pool, match.mentee, "mentee"),),
        score=match.score,
        facets=match.facets,
        policy_version=match.policy_version,
        terms=terms_of(pool.program.terms),
        ends_at=_set(match.ends_at),
        round_id=match.round_id,
    )


def _ended(pool: Pool, match: Match, *, was_confirmed: bool) -> MatchEnded:
    return MatchEnded(
        program_id=pool.program.program_id,
        match_id=match.match_id,
        mentor_person_id=match.mentor.person_id,
        mentee_person_ids=(match.mentee.person_id,),
        organisation_ids=tuple(dict.fromkeys((match.mentor.organisation_id, match.mentee.organisation_id))),
        was_confirmed=was_confirmed,
        reason=_WIRE_REASON[_set(match.end_reason)],
        round_id=match.round_id,
    )


def _member(pool: Pool, side: Side, role: Role) -> wire.Member:
    return member_of(pool.participants[side.participant_id], role)


def _set(value: T | None) -> T:
    """What a match in this status always has."""
    if value is None:
        raise ValueError("a match lacks what its status asks for")
    return value
