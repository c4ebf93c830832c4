"""Why two were matched, and why another mentor was not taken.

A match on arrival is the best mentor who was free at that moment. That moment is gone; what is answered here is the
same question about the pool as it is now, as if this match had not been made: its place is free and the two were never
paired. So an answer may differ from what was known then, and says which policy it is by. For a match of a round there
are also the round's own input and prices, which tell what was so on the day. Changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import numpy as np

from .codes import Counts, Rows
from .engine import explain
from .engine.market import NOBODY
from .facts import Facts, Mask
from .peers import points_of_partners
from .pool import Pool
from .rounding import Solution
from .rules import RULES
from .score import FACETS, SCALE, facet_points, weight_points
from .values import FacetName, Match, Policy, Reason, RuleName


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody else who could have been in this match. `points` are those of the pair; `short` how many it lacks."""

    participant_id: UUID
    points: int
    short: int


@dataclass(frozen=True, slots=True)
class Why:
    """Why this pair, as the pool is now. `facets` are points and sum to `points`, both by the policy in force.

    `broken`: rules that keep the two apart now, though they are matched; facts or policy have changed. `next_mentor`:
    the free mentor whom the mentee would have otherwise. `next_mentee`: the waiting mentee whom the mentor would have.
    `others`: how many of the other mentors each rule was the first to remove; the rest, `lower`, may be and score less.
    """

    points: int
    facets: dict[FacetName, int]
    broken: tuple[RuleName, ...]
    next_mentor: Candidate | None
    next_mentee: Candidate | None
    others: tuple[Reason, ...]
    lower: int


@dataclass(frozen=True, slots=True)
class WhyNot:
    """Why not this other mentor.

    `rules`: hard rules between the mentee and this mentor, the first of which decided; empty if it is a matter of
    points. `points` and `facets`: of the pair; None where a rule keeps them apart. `change`: how many points more would
    have made this the match, 0 if it would be made now; None where no points can. `verified`: solving again with that
    many made it.
    """

    rules: tuple[RuleName, ...]
    points: int | None
    facets: dict[FacetName, int] | None
    change: int | None
    verified: bool


def why(pool: Pool, match: Match) -> Why:
    """Why the two of a match are together. Raises LookupError when either has left the program."""
    facts, policy = pool.facts, pool.program.policy
    mentor, mentee = _row(pool, match.mentor.participant_id), _row(pool, match.mentee.participant_id)
    mentors, one = facts.mentors(), np.array([mentee])
    own = mentors == mentor
    masks = _masks(pool, mentors, one, own)
    others = []
    left = ~own
    for name, mask in masks.items():
        removed = int(np.count_nonzero(left & ~mask))
        if removed:
            others.append(Reason(rule=name, removed=removed))
        left &= mask
    pair = _points(pool, np.array([mentor]), one)[:, 0]
    points = int(pair.sum())
    single, rivals = np.array([mentor]), _rivals(pool, mentor, mentee)
    return Why(
        points=points,
        facets=_by_name(policy, pair.tolist()),
        broken=tuple(name for name, mask in masks.items() if not mask[own].all()),
        next_mentor=_best(facts, mentors[left], _totals(pool, mentors[left], one), points),
        next_mentee=_best(facts, rivals, _totals(pool, single, rivals), points),
        others=tuple(others),
        lower=int(np.count_nonzero(left)),
    )


def why_not(pool: Pool, match: Match, other_id: UUID) -> WhyNot:
    """Why the mentee of a match has not this other mentor. Raises LookupError when somebody is not in the program."""
    facts, policy = pool.facts, pool.program.policy
    mentor, mentee = _row(pool, match.mentor.participant_id), _row(pool, match.mentee.participant_id)
    other = _row(pool, other_id)
    one = np.array([mentee])
    single = np.array([other])
    rules = tuple(name for name, mask in _masks(pool, single, one, single == mentor).items() if not mask[0])
    if rules:
        return WhyNot(rules, None, None, None, verified=False)
    mentors = facts.mentors()
    may = mentors[_all(_masks(pool, mentors, one, mentors == mentor))]
    # The mentee alone with everybody who could have taken them, the best of whom is taken: what an arrival decides on.
    points = _points(pool, may, one)
    totals: Counts = points.sum(axis=0)
    place = int(np.flatnonzero(may == other)[0])
    rest = np.delete(totals, place)
    change = max(0, int(rest.max()) - int(totals[place]) + 1) if len(rest) else 0
    totals[place] += change
    verified = int(np.argmax(totals)) == place and np.count_nonzero(totals == totals[place]) == 1
    pair = points[:, place]
    return WhyNot((), int(pair.sum()), _by_name(policy, pair.tolist()), change, verified=verified)


@dataclass(frozen=True, slots=True)
class WhyNotInRound:
    """Why not this other mentor, by the round's own input and prices.

    `candidate`: whether the mentor was one; else a rule, a place that was taken, or better candidates kept them out.
    `short`: by how much of a full score the pair fell short, prices counted. `change`: how much more would have made
    it, `verified` by solving the round again; None where the round was not for the highest sum, one to one.
    """

    candidate: bool
    short: float | None
    change: float | None
    verified: bool


def why_not_in_round(solution: Solution, mentee_id: UUID, other_id: UUID, *, highest_sum: bool) -> WhyNotInRound:
    """Why the mentee did not get this other mentor. Raises LookupError for a mentee who was not in the round.

    `highest_sum`: the round was for that, one to one.
    """
    if mentee_id not in solution.mentees:
        raise LookupError("this mentee was not in the round")
    market, assignment = solution.market, solution.assignment
    mentee = solution.mentees.index(mentee_id)
    mentor = solution.mentors.index(other_id) if other_id in solution.mentors else NOBODY
    if mentor == NOBODY or explain.entry_of(market, mentee, mentor) == NOBODY:
        return WhyNotInRound(candidate=False, short=None, change=None, verified=False)
    short = explain.shortfall(market, assignment, mentee, mentor) / SCALE
    if not highest_sum:
        return WhyNotInRound(candidate=True, short=short, change=None, verified=False)
    change = explain.smallest_change(market, assignment, mentee, mentor)
    return WhyNotInRound(candidate=True, short=short, change=change.points / SCALE, verified=change.verified)


def _rivals(pool: Pool, mentor: int, mentee: int) -> Rows:
    """Waiting mentees who could have had the mentor's place."""
    waiting: Rows = pool.facts.waiting_rows()
    waiting = waiting[waiting != mentee]
    if not len(waiting):
        return waiting
    place = np.ones(len(waiting), np.bool_)
    masks = _masks(pool, np.array([mentor]), waiting, place, of_pair=False)
    rivals: Rows = waiting[_all(masks)]
    return rivals


def _points(pool: Pool, mentors: Rows, mentees: Rows) -> Counts:
    """Points by facet and pair; those of partners are the mean of both ways round."""
    facts, weights = pool.facts, pool.program.policy.weights
    if pool.program.kind == "peer":
        return points_of_partners(facts, weights, mentors, mentees)
    points: Counts = facet_points(facts, weights, mentors, mentees)
    return points


def _masks(pool: Pool, mentors: Rows, mentees: Rows, matched: Mask, *, of_pair: bool = True) -> dict[RuleName, Mask]:
    """What each rule says of each pair, as if those `matched` had not been: with their place, and, where it is they
    who are asked about (`of_pair`), never paired. Partners must be allowed both ways round, and both be free.
    """
    facts, policy = pool.facts, pool.program.policy
    partners = pool.program.kind == "peer"
    masks: dict[RuleName, Mask] = {}
    for name, rule in RULES:
        if partners and name == "minimum_score":
            mask = _totals(pool, mentors, mentees) >= policy.minimum_score * SCALE
        elif partners and name == "capacity":
            mask = facts.waiting[mentors] | np.zeros(len(mentees), np.bool_) if of_pair else facts.waiting[mentees]
        elif partners:
            mask = rule(facts, policy, mentors, mentees) & rule(facts, policy, mentees, mentors)
        else:
            mask = rule(facts, policy, mentors, mentees)
        if name == "capacity" or (of_pair and name == "former_match"):
            mask = mask | matched
        masks[name] = mask
    return masks


def _all(masks: dict[RuleName, Mask]) -> Mask:
    allowed: Mask = np.logical_and.reduce(list(masks.values()))
    return allowed


def _totals(pool: Pool, mentors: Rows, mentees: Rows) -> Counts:
    if not len(mentors) or not len(mentees):
        return np.zeros(0, np.int64)
    totals: Counts = _points(pool, mentors, mentees).sum(axis=0)
    return totals


def _best(facts: Facts, rows: Rows, totals: Counts, points: int) -> Candidate | None:
    """Whoever has the highest total, of equals the lowest id."""
    if not len(rows):
        return None
    best = min(np.flatnonzero(totals == totals.max()).tolist(), key=lambda place: facts.id_at(int(rows[place])))
    return Candidate(facts.id_at(int(rows[best])), int(totals[best]), points - int(totals[best]))


def _row(pool: Pool, participant_id: UUID) -> int:
    row = pool.facts.row_of.get(participant_id)
    if row is None:
        raise LookupError("this participant is not in the program any more")
    return row


def _by_name(policy: Policy, points: list[int]) -> dict[FacetName, int]:
    weighted = weight_points(policy.weights)
    return {name: value for name, value in zip(FACETS, points, strict=True) if weighted[name]}
