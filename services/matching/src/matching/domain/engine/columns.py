"""The facts of a pool as columns of bits, in the shape that `retrieval` walks through.

Levels of skills become runs of bits: level 3 is 111. Then the lower of what is wanted and what is offered, summed over
skills, is the number of common bits, the same count as for tags, languages and weekly hours. What the rules need of
mentors lies word by word, because all mentors are asked; what the score needs lies row by row, because few are. A copy
of the facts at one moment: what changes later is not seen. The rules and the score themselves are written in
`matching.domain.rules` and `score`; tests hold that retrieval finds what they say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from ..facts import Facts, Rows, TagSets, term
from ..score import FACETS, weight_points
from ..values import Policy
from .market import Flags, Ints

Bits: TypeAlias = npt.NDArray[np.uint64]

LEVELS: Final = 5


class Mentors(NamedTuple):
    """Columns of the mentors. `allowed`: meets what the policy asks of each mentor alone.

    `managers`, `hours` and `languages` are words by mentors, other two-dimensional ones mentors by words.
    """

    allowed: Flags
    person: Ints
    organisation: Ints
    seniority: Ints
    style: Ints
    industry: Ints
    managers: Ints
    hours: Bits
    languages: Bits
    offers: Bits
    offered: Ints
    goals: Bits
    goal_count: Ints
    interests: Bits
    interest_count: Ints
    values: Bits
    value_count: Ints
    tie: Bits


class Mentees(NamedTuple):
    """Columns of the mentees: two-dimensional ones are mentees by words. `barred`: persons each must not meet."""

    person: Ints
    organisation: Ints
    seniority: Ints
    style: Ints
    industry: Ints
    managers: Ints
    hours: Bits
    languages: Bits
    wants: Bits
    wanted: Ints
    goals: Bits
    goal_count: Ints
    interests: Bits
    interest_count: Ints
    values: Bits
    value_count: Ints
    tie: Bits
    barred_start: Ints
    barred: Ints


class Terms(NamedTuple):
    """The policy as whole numbers. `organisations`: 0 any, 1 same, 2 other. Gaps count how far the mentor is above."""

    share_language: bool
    minimum_minutes: int
    organisations: int
    boss_levels: int
    apart_under_one_boss: bool
    minimum_gap: int
    maximum_gap: int
    minimum_points: int
    weights: Ints


@dataclass(frozen=True, slots=True)
class Columns:
    """A pool at one moment. Row numbers of `mentors` and `mentees` are positions in the rows it was made of."""

    mentors: Mentors
    mentees: Mentees


def columns_of(facts: Facts, policy: Policy, mentors: Rows, mentees: Rows) -> Columns:
    """Copy those rows of the facts. What the policy asks of every mentor by themselves is decided here."""
    needed = facts.credentials.pack(map(term, policy.mentor_credentials))
    held = facts.credentials.words[mentors] & needed == needed
    barred = [sorted(facts.blocked_with(int(row)) | facts.paired_with(int(row))) for row in mentees]
    start = np.zeros(len(mentees) + 1, np.int64)
    np.cumsum([len(persons) for persons in barred], out=start[1:])
    offered, wanted = facts.skills.levels(mentors)[0], facts.skills.levels(mentees)[1]
    return Columns(
        Mentors(
            allowed=facts.mentor[mentors] & held.all(axis=1),
            person=facts.person[mentors],
            organisation=facts.organisation[mentors],
            seniority=facts.seniority[mentors],
            style=facts.style[mentors],
            industry=facts.industry[mentors],
            managers=_turned(facts.managers[mentors]),
            hours=_turned(facts.hours[mentors]),
            languages=_turned(_tags(facts.languages, mentors)),
            offers=as_runs(offered),
            offered=facts.skills.offered[mentors],
            goals=_tags(facts.goals, mentors),
            goal_count=facts.goals.sizes[mentors],
            interests=_tags(facts.interests, mentors),
            interest_count=facts.interests.sizes[mentors],
            values=_tags(facts.values, mentors),
            value_count=facts.values.sizes[mentors],
            tie=facts.id_low[mentors] ^ facts.id_high[mentors],
        ),
        Mentees(
            person=facts.person[mentees],
            organisation=facts.organisation[mentees],
            seniority=facts.seniority[mentees],
            style=facts.style[mentees],
            industry=facts.industry[mentees],
            managers=facts.managers[mentees],
            hours=facts.hours[mentees],
            languages=_tags(facts.languages, mentees),
            wants=as_runs(wanted),
            wanted=facts.skills.wanted[mentees],
            goals=_tags(facts.goals, mentees),
            goal_count=facts.goals.sizes[mentees],
            interests=_tags(facts.interests, mentees),
            interest_count=facts.interests.sizes[mentees],
            values=_tags(facts.values, mentees),
            value_count=facts.values.sizes[mentees],
            tie=facts.id_low[mentees] ^ facts.id_high[mentees],
            barred_start=start,
            barred=np.array([person for persons in barred for person in persons], np.int64),
        ),
    )


def terms_of(
    policy: Policy,
    *,
    scale: int,
    apart_under_one_boss: bool = False,
    seniority_gap: tuple[int, int] = (-10, 10),
) -> Terms:
    """The policy as numbers. `scale`: points of a full score. The gap holds where both seniorities are known."""
    points = weight_points(policy.weights)
    return Terms(
        share_language=policy.share_language,
        minimum_minutes=policy.minimum_common_minutes,
        organisations=("any", "same", "other").index(policy.organisations),
        boss_levels=policy.boss_levels,
        apart_under_one_boss=apart_under_one_boss,
        minimum_gap=seniority_gap[0],
        maximum_gap=seniority_gap[1],
        # The rule is points >= minimum * scale, over numbers that may be no whole points.
        minimum_points=int(np.ceil(policy.minimum_score * scale)) if policy.minimum_score > 0 else -1,
        weights=np.array([points[name] for name in FACETS], np.int64),
    )


def as_runs(levels: npt.NDArray[np.uint8]) -> Bits:
    """Levels 0 to 5 by row and skill as runs of five bits each, packed into words."""
    runs = levels[:, :, None] > np.arange(LEVELS, dtype=np.uint8)
    flat = runs.reshape(len(levels), levels.shape[1] * LEVELS)
    words = max(1, -(-flat.shape[1] // 64))
    padded = np.zeros((len(levels), words * 64), np.bool_)
    padded[:, : flat.shape[1]] = flat
    return np.packbits(padded, axis=1, bitorder="little").view("<u8").astype(np.uint64, copy=False)


def _tags(tags: TagSets, rows: Rows) -> Bits:
    """Words of those rows, without the words that nobody of the pool uses."""
    used = max(1, int(np.flatnonzero(tags.words.any(axis=0)).max(initial=0)) + 1)
    return np.ascontiguousarray(tags.words[rows, :used])


def _turned(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.ascontiguousarray(array.T)
