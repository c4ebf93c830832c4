"""Decisions of the domain told to others: the events on `matches` that follow from one on `registrations`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias, TypeVar
from uuid import UUID

from matching.domain.pool import Pool
from matching.domain.score import SCALE
from matching.domain.values import (
    Changed,
    ChangeReason,
    Confirmed,
    Decision,
    Ended,
    EndReason,
    Match,
    Proposed,
    Round,
    RoundDone,
    RoundStatus,
    Side,
    Waiting,
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
    RoundCompleted,
)
from mentorstream_runtime.outbox import Cause, Outgoing, emit

from .details import member_of, terms_of

T = TypeVar("T")
_OfMatch: TypeAlias = Proposed | Confirmed | Changed | Ended
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


Outcome: TypeAlias = Literal["applied", "drafted", "gated", "discarded", "published", "failed"]
_OUTCOME: Final[dict[RoundStatus, Outcome]] = {
    "applied": "applied",
    "drafted": "drafted",
    "gated": "gated",
    "discarded": "discarded",
    "published": "published",
    "failed": "failed",
}


def tell(pool: Pool, cause: Event[Value] | Cause, decisions: Sequence[Decision]) -> list[Outgoing]:
    """The outgoing events, in the order of the decisions, at the program's time.

    A circle is one match to others: all that was decided of its mentees is told once, where the first of it was.
    """
    told: list[Outgoing] = []
    circles_told: set[UUID] = set()
    for each in decisions:
        name: object
        data: Value | None
        if isinstance(each, Waitlisted):
            name, data = each.waiting.participant_id, _waitlisted(pool, each.waiting)
        elif isinstance(each, RoundDone):
            name, data = f"{each.round.round_id}:{each.round.status}", _completed(pool, each.round)
        elif each.match.circle_id is None:
            name, data = each.match.match_id, _of_match(pool, each)
        elif each.match.circle_id not in circles_told:
            name = each.match.circle_id
            circles_told.add(name)
            data = _of_circle(pool, name, _about(name, decisions))
        else:
            continue
        if data is not None:
            told.append(emit(cause, data, time=pool.now, name=name))
    return told


def _about(circle_id: UUID, decisions: Sequence[Decision]) -> list[_OfMatch]:
    of_matches = [each for each in decisions if not isinstance(each, Waitlisted | RoundDone)]
    return [each for each in of_matches if each.match.circle_id == circle_id]


def _of_match(pool: Pool, decision: _OfMatch) -> Value:
    rows = [decision.match]
    match decision:
        case Proposed():
            return _proposed(pool, rows)
        case Confirmed():
            return _confirmed(pool, rows)
        case Changed(reason=reason):
            return _changed(pool, rows, reason)
        case Ended(was_confirmed=was_confirmed):
            return _ended(pool, rows, was_confirmed=was_confirmed)


def _of_circle(pool: Pool, circle_id: UUID, decisions: Sequence[_OfMatch]) -> Value | None:
    """What has become of a circle, from what was decided of each of its mentees; None for nothing to tell.

    It begins with its first confirmed mentees and ends with its last. While it is proposed, who leaves is not told.
    """
    rows = pool.told_as(circle_id)
    begun = {each.match.match_id for each in decisions if isinstance(each, Confirmed)}
    ended = [each for each in decisions if isinstance(each, Ended)]
    ran = any(each.was_confirmed and each.match.match_id not in begun for each in ended) or any(
        row.status == "confirmed" and row.match_id not in begun for row in rows
    )
    if not rows:
        return _ended(pool, [each.match for each in ended], was_confirmed=ran)
    if any(isinstance(each, Proposed) for each in decisions):
        return _proposed(pool, rows)
    if rows[0].status == "proposed":
        return None
    if not ran:
        return _confirmed(pool, rows)
    if begun or ended:
        return _changed(pool, rows, "members")
    return _changed(pool, rows, next(each.reason for each in decisions if isinstance(each, Changed)))


def _waitlisted(pool: Pool, waiting: Waiting) -> ParticipantWaitlisted:
    participant = pool.participants[waiting.participant_id]
    choice = pool.choices.get(waiting.participant_id)
    # A list from before this wait was not in vain: it led to a match, or they left.
    used_up = choice is not None and choice.decided_at >= waiting.since
    return ParticipantWaitlisted(
        program_id=pool.program.program_id,
        participant_id=participant.participant_id,
        person_id=participant.person_id,
        organisation_id=participant.organisation_id,
        role="mentee",
        waiting_since=waiting.since,
        reasons=tuple([wire.Reason(rule=each.rule, removed=each.removed) for each in waiting.reasons]),
        lists=choice.number if choice is not None and used_up else 0,
    )


def _completed(pool: Pool, round_: Round) -> RoundCompleted:
    figures = round_.figures
    return RoundCompleted(
        program_id=pool.program.program_id,
        round_id=round_.round_id,
        objective=round_.objective,
        outcome=_OUTCOME[round_.status],
        value=figures.value,
        upper_bound=figures.upper_bound,
        gap=figures.gap,
        blocking_pairs=figures.blocking_pairs,
        participants=round_.participants,
        matched=figures.matched,
        matched_share=figures.matched / round_.participants if round_.participants else 0.0,
        dropped=figures.dropped,
        seed=round_.seed,
        policy_version=round_.policy_version,
        input_digest=round_.input_digest,
        result_digest=round_.result_digest,
    )


def _proposed(pool: Pool, rows: Sequence[Match]) -> MatchProposed:
    score, facets = _worth(rows)
    return MatchProposed(
        program_id=pool.program.program_id,
        match_id=rows[0].told_as,
        mentor=_mentor(pool, rows),
        mentees=_mentees(pool, rows),
        score=score,
        facets=facets,
        policy_version=rows[0].policy_version,
        expires_at=_set(rows[0].expires_at),
        round_id=rows[0].round_id,
    )


def _confirmed(pool: Pool, rows: Sequence[Match]) -> MatchConfirmed:
    score, facets = _worth(rows)
    return MatchConfirmed(
        program_id=pool.program.program_id,
        match_id=rows[0].told_as,
        mentor=_mentor(pool, rows),
        mentees=_mentees(pool, rows),
        score=score,
        facets=facets,
        policy_version=rows[0].policy_version,
        terms=terms_of(pool.program.terms),
        ends_at=_set(rows[0].ends_at),
        round_id=rows[0].round_id,
    )


def _changed(pool: Pool, rows: Sequence[Match], reason: ChangeReason) -> MatchChanged:
    return MatchChanged(
        program_id=pool.program.program_id,
        match_id=rows[0].told_as,
        mentor=_mentor(pool, rows),
        mentees=_mentees(pool, rows),
        terms=terms_of(pool.program.terms),
        ends_at=_set(rows[0].ends_at),
        reason=reason,
        round_id=rows[0].round_id,
    )


def _ended(pool: Pool, rows: Sequence[Match], *, was_confirmed: bool) -> MatchEnded:
    organisations = (side.organisation_id for row in rows for side in (row.mentor, row.mentee))
    return MatchEnded(
        program_id=pool.program.program_id,
        match_id=rows[0].told_as,
        mentor_person_id=rows[0].mentor.person_id,
        mentee_person_ids=tuple(row.mentee.person_id for row in rows),
        organisation_ids=tuple(dict.fromkeys(organisations)),
        was_confirmed=was_confirmed,
        reason=_WIRE_REASON[_set(rows[-1].end_reason)],
        round_id=rows[0].round_id,
    )


def _worth(rows: Sequence[Match]) -> tuple[float, dict[str, float]]:
    """Score and facets; of a circle the mean of its pairs, in whole points, so that they still sum exactly."""
    if len(rows) == 1:
        return rows[0].score, rows[0].facets
    points = {name: int(sum(row.facets.get(name, 0.0) for row in rows) * SCALE) // len(rows) for name in rows[0].facets}
    return sum(points.values()) / SCALE, {name: value / SCALE for name, value in points.items()}


def _mentor(pool: Pool, rows: Sequence[Match]) -> wire.Member:
    return _member(pool, rows[0].mentor, "partner" if rows[0].partners else "mentor")


def _mentees(pool: Pool, rows: Sequence[Match]) -> tuple[wire.Member, ...]:
    return tuple([_member(pool, row.mentee, "partner" if row.partners else "mentee") for row in rows])


def _member(pool: Pool, side: Side, role: wire.Part) -> wire.Member:
    return member_of(pool.participants[side.participant_id], role)


def _set(value: T | None) -> T:
    """What a match in this status always has."""
    if value is None:
        raise ValueError("a match lacks what its status asks for")
    return value
