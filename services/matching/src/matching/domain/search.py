"""Who fits whom: the best mentor for a mentee, the mentees that fit a mentor, and why nobody fits.

Filter first, then score what is left; the loops over people are in `kernel`. Nothing is changed here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from . import kernel
from .codes import language
from .pool import Pool
from .rules import RULES, gap_limits, kept_apart
from .score import FACETS, SCALE, weight_points
from .values import FacetName, NearSkill, Participant, Policy, Reason, Shared, Weights
from .vocabulary import Vocabulary, term

_Numbers: TypeAlias = npt.NDArray[np.int64]


class Fit(Struct, frozen=True, gc=False):
    """A pair that may be, and how well it fits. `points` are by facet, in the order of `score.FACETS`."""

    mentor: int
    mentee: int
    points: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.points)

    @property
    def score(self) -> float:
        """From 0 to 1."""
        return self.total / SCALE

    def facets(self, weights: Weights) -> dict[str, float]:
        """The facets that have a weight; they sum to the score exactly."""
        points = self.points
        return {name: points[place] / SCALE for place, name in _weighted(weights)}


@lru_cache(maxsize=1024)
def _weighted(weights: Weights) -> tuple[tuple[int, FacetName], ...]:
    """The facets that have a weight, and their places in FACETS."""
    points = weight_points(weights)
    return tuple([(place, name) for place, name in enumerate(FACETS) if points[name]])


_NONE: Final = np.zeros(0, np.int64)
_NO_CANDIDATES: Final = (Reason(rule="no_candidates", removed=0),)
_RULE_NAMES: Final = tuple([name for name, _ in RULES])
_ORGANISATIONS: Final = {
    "any": kernel.ANY_ORGANISATION,
    "same": kernel.SAME_ORGANISATION,
    "other": kernel.OTHER_ORGANISATION,
}


def look(pool: Pool, mentee: int) -> Fit | tuple[Reason, ...]:
    """The free mentor who fits best; where nobody fits: why not, as `why_nobody` has it.

    Of several equally good ones who has the smallest part of their capacity in use, then who was left alone longest,
    then the lowest id.
    """
    facts, free, mentors = pool.facts, pool.facts.free_rows, pool.facts.mentor_rows
    if not mentors.count:
        return _NO_CANDIDATES
    book, points, removed = rulebook(pool), np.empty(len(FACETS), np.int64), np.empty(len(RULES), np.int64)
    blocked, paired = kept_from(pool, mentee)
    mentor = kernel.look_for_mentor(
        facts.table, free.rows, free.count, mentors.rows, mentors.count, mentee, book, blocked, paired, points, removed
    )
    return _reasons(removed) if mentor < 0 else Fit(mentor, mentee, tuple(points.tolist()))


def fit_of(pool: Pool, mentor: int, mentee: int) -> Fit | None:
    """How well two rows fit; None where a rule forbids the pair. Whether there is a place is not asked."""
    facts = pool.facts
    if not facts.mentor[mentor]:
        return None
    book, points = rulebook(pool), np.empty(len(FACETS), np.int64)
    blocked, paired = kept_from(pool, mentee)
    found = kernel.find_mentor(facts.table, np.array([mentor]), 1, mentee, book, blocked, paired, points)
    return None if found < 0 else Fit(mentor, mentee, tuple(points.tolist()))


@dataclass(frozen=True, slots=True)
class Prospects:
    """Waiting mentees as one mentor sees them: those who fit, first come first, and those for whom a reason is new."""

    fits: tuple[Fit, ...]
    untold: tuple[int, ...]


def prospects(pool: Pool, mentor: int, places: int) -> Prospects:
    """The first `places` of the waiting mentees who fit: longest waiting first, then better score, then lowest id."""
    facts, waiting = pool.facts, pool.facts.waiting_list
    book, points = rulebook(pool), np.empty(len(FACETS), np.int64)
    blocked, paired = kept_from(pool, mentor)
    fits, totals, untold = np.empty((3, waiting.count), np.int64)
    taken, told = kernel.find_mentees(
        facts.table, waiting.rows, waiting.count, mentor, book, blocked, paired, points, places, fits, totals, untold
    )
    found = []
    for mentee in fits[:taken].tolist():
        kernel.score_pair(facts.table, mentor, mentee, book, points)
        found.append(Fit(mentor, mentee, tuple(points.tolist())))
    return Prospects(tuple(found), tuple(untold[:told].tolist()))


def why_nobody(pool: Pool, mentee: int) -> tuple[Reason, ...]:
    """For each rule how many of the program's mentors it was the first to remove, in the order of the rules."""
    facts, mentors = pool.facts, pool.facts.mentor_rows
    if not mentors.count:
        return _NO_CANDIDATES
    book, points, removed = rulebook(pool), np.empty(len(FACETS), np.int64), np.empty(len(RULES), np.int64)
    blocked, paired = kept_from(pool, mentee)
    kernel.count_reasons(facts.table, mentors.rows, mentors.count, mentee, book, blocked, paired, points, removed)
    return _reasons(removed)


def _reasons(removed: _Numbers) -> tuple[Reason, ...]:
    return tuple(
        [Reason(rule=_RULE_NAMES[place], removed=count) for place, count in enumerate(removed.tolist()) if count]
    )


def rulebook(pool: Pool) -> _Numbers:
    """The policy as numbers, beside where the table has what it looks at. Made anew when either has changed."""
    facts, policy = pool.facts, pool.program.policy
    known = pool.rulebook
    if known is not None and known[0] is policy and known[1] is facts.regions:
        return known[2]
    for credentials in (policy.mentor_credentials, policy.mentee_credentials):  # either may reshape the table
        facts.credentials.pack(credentials)
    needed = [
        facts.credentials.pack(credentials).view(np.int64).tolist()
        for credentials in (policy.mentor_credentials, policy.mentee_credentials)
    ]
    book = np.array(
        [
            *facts.regions,
            policy.share_language,
            policy.minimum_common_minutes,
            _ORGANISATIONS[policy.organisations],
            min(policy.boss_levels, kernel.MANAGERS_WIDTH),
            policy.same_boss_allowed,
            *gap_limits(policy),
            _uses_rare_rules(policy),
            max(0, math.ceil(policy.minimum_score * SCALE)),
            *weight_points(policy.weights).values(),
            *needed[0],
            *needed[1],
        ],
        np.int64,
    )
    pool.rulebook = (policy, facts.regions, book)
    return book


def _uses_rare_rules(policy: Policy) -> bool:
    """Whether the policy asks for anything of `kernel.RARE_RULES`."""
    gaps = policy.seniority_gap_minimum, policy.seniority_gap_maximum
    return bool(policy.mentee_credentials) or not policy.same_boss_allowed or gaps != (None, None)


def kept_from(pool: Pool, row: int) -> tuple[_Numbers, _Numbers]:
    """Codes of the persons whom blocks, and whom former matches, keep from the row's person."""
    facts = pool.facts
    if facts.may_meet_anybody(row):
        return _NONE, _NONE
    blocked = facts.blocked_with(row)
    paired = kept_apart(facts, pool.program.policy)(row)
    return (
        np.array(list(blocked), np.int64) if blocked else _NONE,
        np.array(list(paired), np.int64) if paired else _NONE,
    )


def common_ground(pool: Pool, mentor: Participant, mentee: Participant) -> Shared:
    """What the two have in common, in the mentor's words and sorted."""
    mine, theirs = mentor.profile, mentee.profile
    known = set(map(language, theirs.languages))
    row_of = pool.facts.row_of
    vocabulary = pool.facts.skills.vocabulary
    offered = {each.skill: vocabulary.skill(each.skill) for each in mine.offers}
    wanted = {vocabulary.skill(each.skill): each.skill for each in theirs.wants}
    return Shared(
        languages=tuple(sorted({tag for tag in map(language, mine.languages) if tag in known})),
        skills=tuple(sorted(tag for tag, skill in offered.items() if skill in wanted)),
        near_skills=_near(vocabulary, offered, wanted),
        goals=_common(mine.goals, theirs.goals),
        interests=_common(mine.interests, theirs.interests),
        common_minutes=kernel.common_minutes(
            pool.facts.table, row_of[mentor.participant_id], row_of[mentee.participant_id]
        ),
    )


def _near(vocabulary: Vocabulary, offered: Mapping[str, str], wanted: Mapping[str, str]) -> tuple[NearSkill, ...]:
    """What counts as near: of each skill wanted that is not offered itself, what is offered beside it."""
    left = wanted.keys() - set(offered.values())
    found = [(tag, near) for tag, skill in offered.items() for near, _ in vocabulary.near(skill) if near in left]
    return tuple(NearSkill(offered=tag, wanted=wanted[near]) for tag, near in sorted(found))


def _common(mine: Iterable[str], theirs: Iterable[str]) -> tuple[str, ...]:
    wanted = set(map(term, theirs))
    return tuple(sorted({each for each in mine if term(each) in wanted})) if wanted else ()
