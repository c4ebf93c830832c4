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

from .. import rules
from ..codes import Rows, TagSets
from ..facts import Facts
from ..score import FACETS, weight_points
from ..values import Policy
from .market import Flags, Ints

Bits: TypeAlias = npt.NDArray[np.uint64]

LEVELS: Final = 5
_AT_ONCE: Final = 4096


class Mentors(NamedTuple):
    """Columns of the mentors. `allowed`: meets what the policy asks of each mentor alone.

    `managers`, `hours` and `languages` are words by mentors, other two-dimensional ones mentors by words.
    """

    allowed: Flags
    person: Ints
    organisation: Ints
    seniority: Ints
    offset: Ints
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
    """Columns of the mentees: two-dimensional ones are mentees by words. `barred`: persons each must not meet.

    `allowed`: meets what the policy asks of each mentee alone.
    """

    allowed: Flags
    person: Ints
    organisation: Ints
    seniority: Ints
    offset: Ints
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
    """Copy those rows of the facts. What the policy asks of everybody by themselves is decided here."""
    nobody = np.zeros(0, np.intp)
    former = rules.kept_apart(facts, policy)
    barred = [sorted(facts.blocked_with(int(row)) | former(int(row))) for row in mentees]
    start = np.zeros(len(mentees) + 1, np.int64)
    np.cumsum([len(persons) for persons in barred], out=start[1:])
    wanted = facts.skills.levels(mentees)[1]
    asked = np.flatnonzero(wanted.any(axis=0))  # what nobody wants is worth nothing to anybody
    offered = facts.skills.offers[mentors[:, None], asked]
    return Columns(
        Mentors(
            allowed=facts.mentor[mentors] & rules.credentials(facts, policy, mentors, nobody),
            person=facts.person[mentors],
            organisation=facts.organisation[mentors],
            seniority=facts.seniority[mentors],
            offset=facts.offset[mentors],
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
            allowed=rules.mentee_credentials(facts, policy, nobody, mentees),
            person=facts.person[mentees],
            organisation=facts.organisation[mentees],
            seniority=facts.seniority[mentees],
            offset=facts.offset[mentees],
            style=facts.style[mentees],
            industry=facts.industry[mentees],
            managers=facts.managers[mentees],
            hours=facts.hours[mentees],
            languages=_tags(facts.languages, mentees),
            wants=as_runs(wanted[:, asked]),
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


def terms_of(policy: Policy, *, scale: int) -> Terms:
    """The policy as numbers. `scale`: points of a full score. The gap holds where both seniorities are known."""
    points = weight_points(policy.weights)
    least, most = rules.gap_limits(policy)
    return Terms(
        share_language=policy.share_language,
        minimum_minutes=policy.minimum_common_minutes,
        organisations=("any", "same", "other").index(policy.organisations),
        boss_levels=policy.boss_levels,
        apart_under_one_boss=not policy.same_boss_allowed,
        minimum_gap=least,
        maximum_gap=most,
        # The rule is points >= minimum * scale, over numbers that may be no whole points.
        minimum_points=int(np.ceil(policy.minimum_score * scale)) if policy.minimum_score > 0 else -1,
        weights=np.array([points[name] for name in FACETS], np.int64),
    )


def as_runs(levels: npt.NDArray[np.uint8]) -> Bits:
    """Levels 0 to 5 by row and skill as runs of five bits each, packed into words."""
    rows, bits = len(levels), levels.shape[1] * LEVELS
    words = max(1, -(-bits // 64))
    packed = np.zeros((rows, words), np.uint64)
    for low in range(0, rows, _AT_ONCE):  # a bit is a byte until it is packed
        part = levels[low : low + _AT_ONCE]
        padded = np.zeros((len(part), words * 64), np.bool_)
        padded[:, :bits] = (part[:, :, None] > np.arange(LEVELS, dtype=np.uint8)).reshape(len(part), bits)
        packed[low : low + _AT_ONCE] = np.packbits(padded, axis=1, bitorder="little").view("<u8")
    return packed


def _tags(tags: TagSets, rows: Rows) -> Bits:
    """Words of those rows, without the words that nobody of the pool uses."""
    used = max(1, int(np.flatnonzero(tags.words.any(axis=0)).max(initial=0)) + 1)
    return np.ascontiguousarray(tags.words[rows, :used])


def _turned(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.ascontiguousarray(array.T)
