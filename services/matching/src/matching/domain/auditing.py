"""Whether groups of mentees fare alike, and whether a mentee gains by telling something else than the truth.

Both look at outcomes and decide nothing. Figures of groups come with how uncertain they are, and say nothing about
causes. Misstating is simulated in a round over everybody, as if nobody were matched yet: one mentee at a time tells
what would suit them best, all others the truth, and the round is solved again. What they get counts by the truth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias
from uuid import UUID

import numpy as np
from msgspec.structs import replace

from . import search
from .availability import offset_minutes, week_bits
from .engine import audit
from .engine.market import NOBODY, Flags, Ints, Market, Places
from .grouping import Declared, Grouping, groups_of
from .pool import Pool
from .rounding import Posed, candidates_now, pose
from .score import SCALE
from .values import Hours, Participant, Skill
from .what_if import everybody

Outcome = Literal["running", "round"]
Misstating = Literal["preferences", "availability"]
SEED: Final = 1
OTHERS: Final = "others"
# How many candidates are gone through in all, over the rounds that are solved: so that it takes a few seconds.
_WORK: Final = 10_000_000
_FEWEST, _MOST = 20, 200


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """One group of mentees. What is hidden is None; hidden groups that were declared are one, `OTHERS`.

    `match_rate`: the share with a mentor, with its 95% interval. `score_gap`: the mean score of the group's pairs less
    that of all other pairs, with its 95% interval; None where either has too few pairs.
    """

    group: str
    size: int
    match_rate: float | None
    match_rate_low: float | None
    match_rate_high: float | None
    score_gap: float | None
    score_gap_low: float | None
    score_gap_high: float | None


@dataclass(frozen=True, slots=True)
class FairnessAudit:
    """How groups fare. `match_rate` is of all mentees; None where there are none."""

    mentees: int
    match_rate: float | None
    groups: tuple[GroupFigures, ...]


@dataclass(frozen=True, slots=True)
class StrategyAudit:
    """What mentees gain by misstating. Gains are in scores, by the truth.

    `asked`: mentees for whom it was simulated, of `mentees`. `better`, `worse`: shares of them who did better, or
    worse, than with the truth. `mean_gain`: with its 95% interval. `largest_gain`: of anyone.
    """

    mentees: int
    asked: int
    better: float
    worse: float
    mean_gain: float
    mean_gain_low: float
    mean_gain_high: float
    largest_gain: float


class TooFew(Exception):
    """Of what was declared there is too little to compare groups by it."""


def fairness(pool: Pool, outcome: Outcome, grouping: Grouping) -> FairnessAudit:
    """Match rate and score gap by group: of the matches that run, or of a round over everybody.

    Raises TooFew where fewer than `SMALL` mentees are of a declared group, or all of them of the same.
    """
    mentees, matched, points = _running(pool) if outcome == "running" else _of_a_round(pool)
    if isinstance(grouping, Declared):
        told = [grouping.group_of[each] for each in mentees if each in grouping.group_of]
        if len(told) < audit.SMALL or len(set(told)) == 1:
            raise TooFew
    if not mentees:
        return FairnessAudit(0, None, ())
    names, group = groups_of(pool, mentees, grouping)
    declared = isinstance(grouping, Declared)
    found = audit.by_group(matched, points, group, seed=SEED, guarded=declared)
    shown = [each for each in found if not declared or each.rate is not None]
    groups = [
        GroupFigures(
            names[each.group],
            each.size,
            each.rate,
            each.low,
            each.high,
            *(None if gap is None else gap / SCALE for gap in (each.score_gap, each.gap_low, each.gap_high)),
        )
        for each in shown
    ]
    if len(shown) < len(found):  # that there is such a group, and how large it is, may tell of single people
        rest = len(mentees) - sum(each.size for each in shown)
        groups.append(GroupFigures(OTHERS, rest, None, None, None, None, None, None))
    return FairnessAudit(mentees=len(mentees), match_rate=float(matched.mean()), groups=tuple(groups))


def strategy(pool: Pool, misstating: Misstating) -> StrategyAudit:
    """What mentees gain by misstating. Raises ValueError for partners, who are both sides at once."""
    if pool.program.kind == "peer":
        raise ValueError("partners are both sides of a pair")
    posed = pose(everybody(pool))
    lie = _wants_what_is_offered if misstating == "preferences" else _is_free_only_then
    asked = min(_MOST, max(_FEWEST, _WORK // max(1, posed.market.pairs)))
    found = audit.temptation(
        posed.market,
        lambda market: posed.answer(market).assignment.mentor_of,
        lambda market, mentee: _told(posed, market, mentee, lie),
        ask=asked,
        seed=SEED,
    )
    return StrategyAudit(
        mentees=posed.market.mentees,
        asked=found.asked,
        better=found.better,
        worse=found.worse,
        mean_gain=found.mean_gain / SCALE,
        mean_gain_low=found.low / SCALE,
        mean_gain_high=found.high / SCALE,
        largest_gain=found.largest_gain / SCALE,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Profile:
    """A profile as somebody would tell it."""

    zone: str
    languages: tuple[str, ...]
    availability: tuple[Hours, ...]
    offers: tuple[Skill, ...]
    wants: tuple[Skill, ...]
    goals: tuple[str, ...]
    interests: tuple[str, ...]
    values: tuple[str, ...]
    style: str | None
    industry: str | None
    seniority: int


_Lie: TypeAlias = Callable[[Pool, Participant, Participant], None]


def _told(posed: Posed, market: Market, mentee: int, lie: _Lie) -> audit.Misstated | None:
    """The mentee's candidates after lying so as to suit the mentor who truly fits best; None where nobody fits."""
    low, high = int(market.start[mentee]), int(market.start[mentee + 1])
    if low == high:
        return None
    pool, row = posed.pool, int(posed.mentees[mentee])
    truly = dict(zip(market.mentor[low:high].tolist(), market.points[low:high].tolist(), strict=True))
    dearest = int(posed.mentors[max(truly, key=lambda place: (truly[place], -place))])
    person = _at(pool, row)
    lie(pool, person, _at(pool, dearest))
    mentor, points = candidates_now(posed, row)
    pool.put_participant(person)
    for place in mentor.tolist():
        if place not in truly:  # no candidate by the truth: a rule forbids them, or too many are better
            fit = search.fit_of(pool, int(posed.mentors[place]), row)
            truly[place] = 0 if fit is None else fit.total
    return audit.Misstated(mentor, points, np.array([truly[place] for place in mentor.tolist()], np.int32))


def _wants_what_is_offered(pool: Pool, mentee: Participant, mentor: Participant) -> None:
    """Say that one wants just what this mentor offers, and is like them."""
    theirs, mine = mentor.profile, mentee.profile
    told = _Profile(
        zone=mine.zone,
        languages=mine.languages,
        availability=mine.availability,
        offers=mine.offers,
        wants=theirs.offers,
        goals=theirs.goals,
        interests=theirs.interests,
        values=theirs.values,
        style=theirs.style,
        industry=theirs.industry,
        seniority=mine.seniority,
    )
    pool.put_participant(replace(mentee, profile=told))


def _is_free_only_then(pool: Pool, mentee: Participant, mentor: Participant) -> None:
    """Say that one is free only when this mentor is."""
    offsets = [offset_minutes(each.profile.zone, pool.now) for each in (mentee, mentor)]
    mine, theirs = (
        week_bits(each.profile.availability, offset) for each, offset in zip((mentee, mentor), offsets, strict=True)
    )
    pool.facts.put_hours(pool.facts.row_of[mentee.participant_id], mine & theirs, offsets[0])


def _at(pool: Pool, row: int) -> Participant:
    return pool.participants[pool.facts.id_at(row)]


def _running(pool: Pool) -> tuple[list[UUID], Flags, Ints]:
    """All mentees, whether they have a match that runs, and its points as it was decided."""
    score: dict[UUID, float] = {}
    for match in pool.matches.values():
        if match.status == "confirmed":
            for side in (match.mentor, match.mentee) if match.partners else (match.mentee,):
                score[side.participant_id] = match.score
    mentees = sorted(each for each, known in pool.participants.items() if known.is_mentee)
    points = np.array([round(score.get(each, 0.0) * SCALE) for each in mentees], np.int64)
    return mentees, np.array([each in score for each in mentees], np.bool_), points


def _of_a_round(pool: Pool) -> tuple[list[UUID], Flags, Ints]:
    posed = pose(everybody(pool))
    mentor_of: Places = posed.answer(posed.market).assignment.mentor_of
    points = audit.points_of(posed.market, mentor_of)
    if pool.program.kind == "peer":  # each pair stands there twice, with half of its points
        points = points * 2
    mentees = [posed.pool.facts.id_at(int(row)) for row in posed.mentees]
    return mentees, mentor_of != NOBODY, points
