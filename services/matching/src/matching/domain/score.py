"""The score of a pair: a weighted sum of facets, counted in whole points so that it adds up exactly.

One is 2**20 points. Weights are turned into whole points that sum to one, and each facet's share of its weight is
rounded down. All of it is integer arithmetic and every result is a fraction that a float holds exactly: facets sum to
the score in whatever order they are added, and every machine gives the same.

What is not known is neutral, not zero: who left a field empty is neither punished for it nor preferred. For things
that are equal or not, neutral is a half. For overlaps it is a quarter, about what two people who both filled the field
in tend to share: with more, an empty profile would beat a fairly fitting one.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from .codes import NOBODY, Counts, Rows, TagSets
from .facts import Facts
from .values import FacetName, Weights

SCALE: Final = 1 << 20
FACETS: Final[tuple[FacetName, ...]] = (
    "skills",
    "goals",
    "interests",
    "values",
    "style",
    "industry",
    "seniority",
    "common_time",
    "zone_distance",
)
ENOUGH_COMMON_MINUTES: Final = 240  # more common time than this in a week makes no match better
FARTHEST_MINUTES: Final = 720  # zones that are half a day or more apart are as far apart as zones are counted
_OVERLAP_UNKNOWN: Final = (1, 4)
# Quarters by how many steps the mentor is above the mentee, from 10 below to 10 above: best from 1 to 4 above.
_SENIORITY_QUARTERS: Final = np.array([0] * 10 + [1] + [4] * 4 + [3, 2] + [1] * 4, np.int64)
_SENIORITY_UNKNOWN: Final = 2

# Numerator and denominator of a facet's value, for each pair.
_Fraction: TypeAlias = tuple[Counts, Counts]


@lru_cache(maxsize=1024)
def weight_points(weights: Weights) -> dict[FacetName, int]:
    """The weights as points that sum to SCALE, by largest remainder; all 0 where every weight is 0."""
    raw = [max(0.0, getattr(weights, name)) for name in FACETS]
    total = sum(raw)
    if total <= 0:
        return dict.fromkeys(FACETS, 0)
    shares = [weight / total * SCALE for weight in raw]
    points = [int(share) for share in shares]
    by_remainder = sorted(range(len(FACETS)), key=lambda index: (points[index] - shares[index], index))
    for index in by_remainder[: SCALE - sum(points)]:
        points[index] += 1
    return dict(zip(FACETS, points, strict=True))


def facet_points(facts: Facts, weights: Weights, mentors: Rows, mentees: Rows) -> npt.NDArray[np.int64]:
    """Points by facet (rows, in the order of FACETS) and pair (columns); one side may be a single row."""
    count = max(len(mentors), len(mentees))
    points = np.zeros((len(FACETS), count), np.int64)
    for index, (name, weight) in enumerate(weight_points(weights).items()):
        if weight:
            numerator, denominator = _VALUE[name](facts, mentors, mentees)
            points[index] = weight * numerator // denominator
    return points


def total_points(facts: Facts, weights: Weights, mentors: Rows, mentees: Rows) -> Counts:
    """The score of each pair in points."""
    totals: Counts = facet_points(facts, weights, mentors, mentees).sum(axis=0)
    return totals


def _or_neutral(known: npt.NDArray[np.bool_], numerator: Counts, denominator: Counts) -> _Fraction:
    neutral, of = _OVERLAP_UNKNOWN
    return np.where(known, numerator, neutral), np.where(known, denominator, of)


def _skills(facts: Facts, mentors: Rows, mentees: Rows) -> _Fraction:
    """How much of what is wanted is offered: each wanted skill counts its level, up to the level offered."""
    skills = facts.skills
    wanted = skills.wanted[mentees]
    known = (wanted > 0) & (skills.offered[mentors] > 0)
    return _or_neutral(known, skills.covered(mentors, mentees), wanted)


def _overlap(tags: TagSets, mentors: Rows, mentees: Rows) -> _Fraction:
    """Jaccard: how many of all the tags that either has both have."""
    mine, theirs = tags.sizes[mentors], tags.sizes[mentees]
    common = tags.common(mentors, mentees)
    return _or_neutral((mine > 0) & (theirs > 0), common, mine + theirs - common)


def _equal(codes: npt.NDArray[np.int64], mentors: Rows, mentees: Rows) -> _Fraction:
    mine, theirs = codes[mentors], codes[mentees]
    known = (mine != NOBODY) & (theirs != NOBODY)
    return np.where(known, 2 * (mine == theirs), 1), np.array([2])


def _seniority(facts: Facts, mentors: Rows, mentees: Rows) -> _Fraction:
    above, below = facts.seniority[mentors], facts.seniority[mentees]
    known = (above > 0) & (below > 0)
    return np.where(known, _SENIORITY_QUARTERS[above - below + 10], _SENIORITY_UNKNOWN), np.array([4])


def _common_time(facts: Facts, mentors: Rows, mentees: Rows) -> _Fraction:
    minutes = np.minimum(facts.common_minutes(mentors, mentees), ENOUGH_COMMON_MINUTES)
    return minutes, np.array([ENOUGH_COMMON_MINUTES])


def _zone_distance(facts: Facts, mentors: Rows, mentees: Rows) -> _Fraction:
    """How near to one another their zones are now, by the difference of their offsets from UTC."""
    apart = np.minimum(np.abs(facts.offset[mentors] - facts.offset[mentees]), FARTHEST_MINUTES)
    return FARTHEST_MINUTES - apart, np.array([FARTHEST_MINUTES])


_VALUE: Final = {
    "skills": _skills,
    "goals": lambda facts, mentors, mentees: _overlap(facts.goals, mentors, mentees),
    "interests": lambda facts, mentors, mentees: _overlap(facts.interests, mentors, mentees),
    "values": lambda facts, mentors, mentees: _overlap(facts.values, mentors, mentees),
    "style": lambda facts, mentors, mentees: _equal(facts.style, mentors, mentees),
    "industry": lambda facts, mentors, mentees: _equal(facts.industry, mentors, mentees),
    "seniority": _seniority,
    "common_time": _common_time,
    "zone_distance": _zone_distance,
}
