"""Who fits whom where everybody mentors everybody: the best partner for one, and why nobody fits.

Two peers may be partners if each may mentor the other. Their points are, by facet, the mean of both ways round, so that
whoever of them asks finds the same. Partners are sought among those who wait: everybody else has one.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from .facts import Mask, Rows
from .pool import Pool
from .rules import RULES
from .score import SCALE, facet_points
from .search import Fit
from .values import Reason

Ints: TypeAlias = npt.NDArray[np.int64]


def best_partner(pool: Pool, row: int) -> Fit | None:
    """The one of those who wait who fits best; of equally good ones who waits longest, then the lowest id."""
    waiting = [entry for entry in pool.waiting.values() if pool.facts.row_of[entry.participant_id] != row]
    if not waiting:
        return None
    others = pool.rows([entry.participant_id for entry in waiting])
    points = points_with(pool, row, others)
    allowed = _first_broken(pool, row, others, points) < 0
    if not allowed.any():
        return None
    totals = np.where(allowed, points.sum(axis=0), -1)
    entries = [waiting[index] for index in np.flatnonzero(totals == totals.max())]
    best = pool.facts.row_of[min(entries, key=lambda entry: (entry.since, entry.participant_id)).participant_id]
    return Fit(best, row, tuple(points[:, int(np.flatnonzero(others == best)[0])].tolist()))


def why_no_partner(pool: Pool, row: int) -> tuple[Reason, ...]:
    """For each rule how many of the others it was the first to remove; "capacity": who has a partner, or pauses."""
    facts = pool.facts
    others = np.array([other for other in sorted(facts.row_of.values()) if other != row], np.intp)
    if not len(others):
        return (Reason(rule="no_candidates", removed=0),)
    broken = _first_broken(pool, row, others, points_with(pool, row, others))
    counts = np.bincount(broken[broken >= 0], minlength=len(RULES))
    return tuple(
        Reason(rule=name, removed=count) for (name, _), count in zip(RULES, counts.tolist(), strict=True) if count
    )


def fit_of(pool: Pool, row: int, other: int) -> Fit | None:
    """How well two fit each other; None where a rule keeps them apart. Whether they have partners is not asked."""
    others = np.array([other], np.intp)
    points = points_with(pool, row, others)
    broken = int(_first_broken(pool, row, others, points)[0])
    apart = broken >= 0 and RULES[broken][0] != "capacity"
    return None if apart else Fit(row, other, tuple(points[:, 0].tolist()))


def points_of(pool: Pool, row: int, others: Rows) -> tuple[Ints, Ints]:
    """Which of these others may be the row's partner, and the points of each of them."""
    points = points_with(pool, row, others)
    fits = np.flatnonzero(_first_broken(pool, row, others, points) < 0)
    return fits, points.sum(axis=0)[fits]


def points_with(pool: Pool, row: int, others: Rows) -> Ints:
    """Points by facet (rows) and other person (columns): half of what they are worth as mentor and as mentee."""
    facts, weights, one = pool.facts, pool.program.policy.weights, np.array([row], np.intp)
    both: Ints = facet_points(facts, weights, others, one) + facet_points(facts, weights, one, others)
    return both // 2


def _first_broken(pool: Pool, row: int, others: Rows, points: Ints) -> npt.NDArray[np.int64]:
    """The place in RULES of the first rule that each pair breaks, one way round or the other; -1 for none."""
    facts, policy, one = pool.facts, pool.program.policy, np.array([row], np.intp)
    broken = np.full(len(others), -1, np.int64)
    for place, (name, rule) in enumerate(RULES):
        if name == "minimum_score":
            allowed: Mask = points.sum(axis=0) >= math.ceil(policy.minimum_score * SCALE)
        elif name == "capacity":
            allowed = _has_no_partner(pool, others) & (facts.capacity[others] > 0) & (facts.capacity[one] > 0)
        else:
            allowed = rule(facts, policy, others, one) & rule(facts, policy, one, others)
        broken[(broken < 0) & ~allowed] = place
    return broken


def _has_no_partner(pool: Pool, others: Rows) -> Mask:
    return np.array([not pool.matches_of_mentee(pool.facts.id_at(other)) for other in others.tolist()], np.bool_)
