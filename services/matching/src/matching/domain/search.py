"""Who fits whom: the best mentor for a mentee, the mentees that fit a mentor, and why nobody fits.

Filter first, then score what is left. Nothing is changed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from . import rules
from .facts import Mask, Rows, language, term
from .pool import Pool
from .rules import RULE_BIT, RULES, Rule
from .score import FACETS, SCALE, facet_points, weight_points
from .values import Participant, Reason, RuleName, Shared, Weights


@dataclass(frozen=True, slots=True)
class Fit:
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
        weighted = weight_points(weights)
        return {name: points / SCALE for name, points in zip(FACETS, self.points, strict=True) if weighted[name]}


# Every rule that looks at a mentor who is known to be one and to be free, the cheap and selective ones first: their
# order does not change who is left. The minimum score comes when the score is there.
_FILTERS: Final[tuple[tuple[RuleName, Rule], ...]] = (
    ("language", rules.language),
    ("common_time", rules.common_time),
    ("same_person", rules.same_person),
    ("organisation", rules.organisation),
    ("credentials", rules.credentials),
    ("reporting_line", rules.reporting_line),
    ("block", rules.block),
    ("former_match", rules.former_match),
)


def best_mentor(pool: Pool, mentee: int) -> Fit | None:
    """The free mentor who fits best.

    Of several equally good ones who has the smallest part of their capacity in use, then who was left alone longest,
    then the lowest id.
    """
    facts, policy = pool.facts, pool.program.policy
    mentees, mentors = np.array([mentee]), facts.free_mentors()
    for _, rule in _FILTERS:
        if not len(mentors):
            return None
        mentors = mentors[rule(facts, policy, mentors, mentees)]
    if not len(mentors):
        return None
    points = facet_points(facts, policy.weights, mentors, mentees)
    totals = points.sum(axis=0)
    best = np.max(totals)
    if best < policy.minimum_score * SCALE:
        return None
    tied = np.flatnonzero(totals == best)
    chosen = tied[0]
    if len(tied) > 1:
        rows = mentors[tied]
        load = facts.live[rows] / facts.capacity[rows]
        chosen = tied[np.lexsort((facts.id_low[rows], facts.id_high[rows], facts.free_since[rows], load))[0]]
    return Fit(int(mentors[chosen]), mentee, tuple(points[:, chosen].tolist()))


@dataclass(frozen=True, slots=True)
class Prospects:
    """Waiting mentees as one mentor sees them: those who fit, first come first, and those for whom a reason is new."""

    fits: tuple[Fit, ...]
    untold: tuple[int, ...]


def prospects(pool: Pool, mentor: int, places: int) -> Prospects:
    """The first `places` of the waiting mentees who fit: longest waiting first, then better score, then lowest id."""
    facts, policy = pool.facts, pool.program.policy
    mentors, mentees = np.array([mentor]), facts.waiting_rows()
    untold: list[int] = []

    def narrow(name: RuleName, keep: Mask) -> Rows:
        removed = mentees[~keep]
        untold.extend(removed[(facts.known[removed] & RULE_BIT[name]) == 0].tolist())
        return mentees[keep]

    for name, rule in _FILTERS:
        if not len(mentees):
            break
        mentees = narrow(name, rule(facts, policy, mentors, mentees))
    if not len(mentees):
        return Prospects((), tuple(untold))
    points = facet_points(facts, policy.weights, mentors, mentees)
    enough = points.sum(axis=0) >= policy.minimum_score * SCALE
    mentees, points = narrow("minimum_score", enough), points[:, enough]
    order = np.lexsort(
        (facts.id_low[mentees], facts.id_high[mentees], -points.sum(axis=0), facts.waiting_since[mentees])
    )
    mentees, points, taken = mentees[order], points[:, order], min(places, len(order))
    fits = tuple(Fit(mentor, int(mentees[each]), tuple(points[:, each].tolist())) for each in range(taken))
    mentees = mentees[taken:]
    narrow("capacity", np.zeros(len(mentees), np.bool_))
    return Prospects(fits, tuple(untold))


def why_nobody(pool: Pool, mentee: int) -> tuple[Reason, ...]:
    """For each rule how many of the program's mentors it was the first to remove, in the order of the rules."""
    facts, policy = pool.facts, pool.program.policy
    mentees, mentors = np.array([mentee]), facts.mentors()
    if not len(mentors):
        return (Reason(rule="no_candidates", removed=0),)
    reasons = []
    for name, rule in RULES:
        kept = mentors[rule(facts, policy, mentors, mentees)]
        if len(kept) < len(mentors):
            reasons.append(Reason(rule=name, removed=len(mentors) - len(kept)))
        mentors = kept
        if not len(mentors):
            break
    return tuple(reasons)


def common_ground(pool: Pool, mentor: Participant, mentee: Participant) -> Shared:
    """What the two have in common, in the mentor's words and sorted."""
    left, right = pool.rows((mentor.participant_id,)), pool.rows((mentee.participant_id,))
    wanted = {term(skill.skill) for skill in mentee.profile.wants}
    goals, interests = set(map(term, mentee.profile.goals)), set(map(term, mentee.profile.interests))
    return Shared(
        languages=tuple(sorted({language(tag) for tag in mentor.profile.languages}
                               & {language(tag) for tag in mentee.profile.languages})),
        skills=tuple(sorted({skill.skill for skill in mentor.profile.offers if term(skill.skill) in wanted})),
        goals=tuple(sorted({goal for goal in mentor.profile.goals if term(goal) in goals})),
        interests=tuple(sorted({interest for interest in mentor.profile.interests if term(interest) in interests})),
        common_minutes=int(pool.facts.common_minutes(left, right)[0]),
    )  # fmt: skip
