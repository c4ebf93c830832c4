"""What the API answers coordinators: shapes of JSON, made from what was read and explained.

Scores, facets and differences are fractions of a full score, and exact: facets sum to their score to the last bit. Ids
are of participants; nobody is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from matching.adapters.coordinated_rounds import Draft, Edit, SeenRound
from matching.adapters.coordination import Glance, SeenProgram, SeenWaiting
from matching.domain.engine.waiting import Estimate
from matching.domain.explaining import Candidate, Why, WhyNot, WhyNotInRound
from matching.domain.rounding import Solution
from matching.domain.score import SCALE
from matching.domain.values import FacetName, Match, Reason, Side

from .words import rule_words

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
class RunnerUpAnswer:
    """Who would have been in the match otherwise, and how much that pair's score is lower.

    `participant_id` is null for somebody of another organisation, where the program is not yours.
    """

    participant_id: UUID | None
    score: float
    short: float


@dataclass(frozen=True, slots=True)
class WhyNotAnswer:
    """Why not this other mentor: hard rules, the first of which decided; or the score.

    `change`: how much more score would have made the match, 0 if it would be made now, null where none can; `verified`:
    solving again with that much more made it.
    """

    participant_id: UUID
    rules: list[str]
    words: list[str]
    score: float | None
    facets: Mapping[str, float] | None
    change: float | None
    verified: bool


@dataclass(frozen=True, slots=True)
class NowAnswer:
    """The pair as the pool and the policy are now, as if it had not been made.

    `broken`: rules that would keep it apart now. `runner_up_mentor`: the free mentor whom the mentee would come to.
    `runner_up_mentee`: the waiting mentee who would get the place. `others`: how many of the other mentors each rule
    removes; `lower`: how many are left, with lower scores as a rule.
    """

    policy_version: int
    score: float
    facets: Mapping[str, float]
    broken: list[str]
    runner_up_mentor: RunnerUpAnswer | None
    runner_up_mentee: RunnerUpAnswer | None
    others: list[ReasonAnswer]
    lower: int


@dataclass(frozen=True, slots=True)
class OnTheDayAnswer:
    """What the round that made the pair knew, prices counted. Differences are shares of a full score.

    `ahead`: how much better this pair was for the mentee than the next mentor; `short`: by how much the next mentee
    fell short of the place. `why_not`: of the other mentor, if asked.
    """

    runner_up_mentor: UUID | None
    ahead: float | None
    runner_up_mentee: UUID | None
    short: float | None
    why_not: WhyNotInRound | None


@dataclass(frozen=True, slots=True)
class ExplanationAnswer:
    """Why two were matched. `match` says what was decided; `now` is null where one of them has left.

    `on_the_day` is what the round knew that made the pair; null where no round did, or the program is not yours.
    """

    match: MatchAnswer
    now: NowAnswer | None
    why_not: WhyNotAnswer | None
    on_the_day: OnTheDayAnswer | None


@dataclass(frozen=True, slots=True)
class RoundAnswer:
    """A round. `figures`, once it is solved: value, upper bound, gap, blocking pairs, matched, dropped."""

    round_id: UUID
    status: str
    asked_by: str
    objective: str
    policy_version: int
    seed: int
    requested_at: datetime
    completed_at: datetime | None
    participants: int
    input_digest: str
    result_digest: str | None
    figures: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class RoundsAnswer:
    """Rounds, newest first. `next`: pass it as `after`; null at the end."""

    items: list[RoundAnswer]
    next: str | None


@dataclass(frozen=True, slots=True)
class DraftAnswer:
    """A drafted pair, with the runners-up and by how much of a full score, prices counted, they were behind."""

    mentor_id: UUID
    mentee_id: UUID
    score: float
    facets: Mapping[str, float]
    next_mentor_id: UUID | None
    ahead_of_next: float | None
    next_mentee_id: UUID | None
    short_of_place: float | None
    removed: bool


@dataclass(frozen=True, slots=True)
class EditAnswer:
    """A pair taken out of the drafts, or put in."""

    action: Literal["remove", "add"]
    mentor_id: UUID
    mentee_id: UUID


@dataclass(frozen=True, slots=True)
class DraftsAnswer:
    """Drafts by the mentee's id, and all edits that stand. `next`: pass it as `after`; null at the end."""

    items: list[DraftAnswer]
    edits: list[EditAnswer]
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


def now_answer(why: Why, policy_version: int, seen: set[UUID]) -> NowAnswer:
    """What the pool says of the pair now. `seen`: participants whom the asking organisation may be told of."""
    return NowAnswer(
        policy_version=policy_version,
        score=why.points / SCALE,
        facets=_fractions(why.facets),
        broken=list(why.broken),
        runner_up_mentor=_runner_up(why.next_mentor, seen),
        runner_up_mentee=_runner_up(why.next_mentee, seen),
        others=reason_answers(why.others),
        lower=why.lower,
    )


def on_the_day_answer(solution: Solution, mentee_id: UUID, why_not: WhyNotInRound | None) -> OnTheDayAnswer | None:
    """What the round knew of this pair; None where it was not the round's, but put in by hand."""
    for pair in solution.pairs:
        if pair.mentee_id == mentee_id:
            return OnTheDayAnswer(
                runner_up_mentor=pair.next_mentor_id,
                ahead=None if pair.next_mentor_id is None else pair.ahead_of_next,
                runner_up_mentee=pair.next_mentee_id,
                short=None if pair.next_mentee_id is None else pair.short_of_place,
                why_not=why_not,
            )
    return None


def why_not_answer(other_id: UUID, why_not: WhyNot) -> WhyNotAnswer:
    """Why not this mentor."""
    return WhyNotAnswer(
        participant_id=other_id,
        rules=list(why_not.rules),
        words=[rule_words(rule) for rule in why_not.rules],
        score=None if why_not.points is None else why_not.points / SCALE,
        facets=None if why_not.facets is None else _fractions(why_not.facets),
        change=None if why_not.change is None else why_not.change / SCALE,
        verified=why_not.verified,
    )


def round_answer(found: SeenRound) -> RoundAnswer:
    """A round."""
    return RoundAnswer(**{name: getattr(found, name) for name in RoundAnswer.__dataclass_fields__})


def draft_answer(draft: Draft) -> DraftAnswer:
    """A drafted pair."""
    return DraftAnswer(**{name: getattr(draft, name) for name in DraftAnswer.__dataclass_fields__})


def edit_answer(edit: Edit) -> EditAnswer:
    """An edit."""
    return EditAnswer(edit.kind, edit.mentor_id, edit.mentee_id)


def candidates_of(why: Why) -> Sequence[UUID]:
    """Everybody whom an explanation would tell of."""
    return [each.participant_id for each in (why.next_mentor, why.next_mentee) if each is not None]


def _side(side: Side) -> SideAnswer:
    return SideAnswer(side.participant_id, side.organisation_id)


def _runner_up(candidate: Candidate | None, seen: set[UUID]) -> RunnerUpAnswer | None:
    if candidate is None:
        return None
    told = candidate.participant_id if candidate.participant_id in seen else None
    return RunnerUpAnswer(told, candidate.points / SCALE, candidate.short / SCALE)


def _fractions(points: Mapping[FacetName, int]) -> dict[str, float]:
    return {name: value / SCALE for name, value in points.items()}
