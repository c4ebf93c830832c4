"""What the API answers coordinators who ask why two were matched: shapes of JSON, made from what was explained.

Scores, facets and differences are fractions of a full score, and exact: facets sum to their score to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from matching.domain.explaining import Candidate, Why, WhyNot, WhyNotInRound
from matching.domain.rounding import Solution
from matching.domain.score import SCALE
from matching.domain.values import FacetName
from matching.entrypoints.words import rule_words

from .answers import MatchAnswer, ReasonAnswer, reason_answers


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


def candidates_of(why: Why) -> Sequence[UUID]:
    """Everybody whom an explanation would tell of."""
    return [each.participant_id for each in (why.next_mentor, why.next_mentee) if each is not None]


def _runner_up(candidate: Candidate | None, seen: set[UUID]) -> RunnerUpAnswer | None:
    if candidate is None:
        return None
    told = candidate.participant_id if candidate.participant_id in seen else None
    return RunnerUpAnswer(told, candidate.points / SCALE, candidate.short / SCALE)


def _fractions(points: Mapping[FacetName, int]) -> dict[str, float]:
    return {name: value / SCALE for name, value in points.items()}
