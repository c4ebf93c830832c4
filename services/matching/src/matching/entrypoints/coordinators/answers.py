"""What the API answers coordinators about programs, who waits, and matches: shapes of JSON, made from what was read.

Scores and facets are fractions of a full score, and exact: facets sum to their score to the last bit. Ids are of
participants; nobody is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from matching.adapters.coordination import Glance, SeenProgram, SeenWaiting
from matching.domain.engine.waiting import Estimate
from matching.domain.values import Match, Reason, Side
from matching.entrypoints.words import rule_words

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ProgramAnswer:
    """A program. `owned`: it is your organisation's, and you see all of it; else you see your own people."""

    program_id: UUID
    title: str
    kind: str
    matching: str
    policy_version: int
    owned: bool
    now: datetime


@dataclass(frozen=True, slots=True)
class ProgramsAnswer:
    """Programs by id. `next`: pass it as `after` for those that follow; null at the end."""

    items: list[ProgramAnswer]
    next: UUID | None


@dataclass(frozen=True, slots=True)
class GlanceAnswer:
    """A pool in figures. `waiting_weeks`: people by the whole weeks they wait, the last entry for eight or more."""

    program: ProgramAnswer
    participants: int
    mentors: int
    mentees: int
    capacity: int
    free_places: int
    open_mentors: int
    proposed: int
    running: int
    ended: int
    match_rate: float | None
    mean_score: float | None
    waiting: int
    waiting_weeks: list[int]
    waiting_since: datetime | None


@dataclass(frozen=True, slots=True)
class ReasonAnswer:
    """A rule, in words, and how many mentors it was the first to remove."""

    rule: str
    removed: int
    words: str


@dataclass(frozen=True, slots=True)
class WaitingAnswer:
    """Somebody who waits, for how many days by the program's time, and why.

    `estimate`: days still to wait; null where such estimates have not proved right in this program.
    """

    participant_id: UUID
    organisation_id: UUID
    since: datetime
    days: int
    reasons: list[ReasonAnswer]
    estimate: Estimate | None


@dataclass(frozen=True, slots=True)
class WaitlistAnswer:
    """Who waits, longest first. `next`: pass it as `after`; null at the end."""

    items: list[WaitingAnswer]
    next: str | None


@dataclass(frozen=True, slots=True)
class SideAnswer:
    """One side of a match."""

    participant_id: UUID
    organisation_id: UUID


@dataclass(frozen=True, slots=True)
class MatchAnswer:
    """A match. `score` and `facets` are as it was decided, by the policy version named.

    Mentees of one circle have a match each, with the same `circle_id`.
    """

    match_id: UUID
    status: Literal["proposed", "confirmed", "ended"]
    mentor: SideAnswer
    mentee: SideAnswer
    score: float
    facets: Mapping[str, float]
    policy_version: int
    round_id: UUID | None
    circle_id: UUID | None
    proposed_at: datetime
    expires_at: datetime | None
    confirmed_at: datetime | None
    ends_at: datetime | None
    ended_at: datetime | None
    end_reason: str | None


@dataclass(frozen=True, slots=True)
class MatchesAnswer:
    """Matches by id. `next`: pass it as `after`; null at the end."""

    items: list[MatchAnswer]
    next: UUID | None


@dataclass(frozen=True, slots=True)
class AskedAnswer:
    """The request is on its way. `repeated`: it was asked before, and is not asked again."""

    request_id: UUID
    repeated: bool


def program_answer(program: SeenProgram) -> ProgramAnswer:
    """A program."""
    return ProgramAnswer(
        program.program_id,
        program.title,
        program.kind,
        program.policy.matching,
        program.policy.version,
        program.owned,
        program.now,
    )


def glance_answer(program: SeenProgram, glance: Glance) -> GlanceAnswer:
    """A pool in figures."""
    return GlanceAnswer(
        program=program_answer(program),
        participants=glance.participants,
        mentors=glance.mentors,
        mentees=glance.mentees,
        capacity=glance.capacity,
        free_places=glance.free_places,
        open_mentors=glance.open_mentors,
        proposed=glance.proposed,
        running=glance.running,
        ended=glance.ended,
        match_rate=glance.match_rate,
        mean_score=glance.mean_score,
        waiting=glance.waiting,
        waiting_weeks=list(glance.waiting_weeks),
        waiting_since=glance.waiting_since,
    )


def reason_answers(reasons: Iterable[Reason]) -> list[ReasonAnswer]:
    """Reasons in words."""
    return [ReasonAnswer(reason.rule, reason.removed, rule_words(reason.rule)) for reason in reasons]


def days_waited(entry: SeenWaiting, now: datetime) -> int:
    """Whole days, by the program's time."""
    return max(0, (now - entry.since) // _DAY)


def waiting_answer(entry: SeenWaiting, now: datetime, estimates: Mapping[int, Estimate]) -> WaitingAnswer:
    """Somebody who waits."""
    return WaitingAnswer(
        entry.participant_id,
        entry.organisation_id,
        entry.since,
        days_waited(entry, now),
        reason_answers(entry.reasons),
        estimates.get(days_waited(entry, now)),
    )


def match_answer(match: Match) -> MatchAnswer:
    """A match."""
    return MatchAnswer(
        match_id=match.match_id,
        status=match.status,
        mentor=_side(match.mentor),
        mentee=_side(match.mentee),
        score=match.score,
        facets=match.facets,
        policy_version=match.policy_version,
        round_id=match.round_id,
        circle_id=match.circle_id,
        proposed_at=match.proposed_at,
        expires_at=match.expires_at,
        confirmed_at=match.confirmed_at,
        ends_at=match.ends_at,
        ended_at=match.ended_at,
        end_reason=match.end_reason,
    )


def _side(side: Side) -> SideAnswer:
    return SideAnswer(side.participant_id, side.organisation_id)
