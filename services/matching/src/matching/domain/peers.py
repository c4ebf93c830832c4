"""Who fits whom where everybody mentors everybody: the best partner for one, and why nobody fits.

Two peers may be partners if each may mentor the other. Their points are, by facet, the mean of both ways round, so that
whoever of them asks finds the same. Partners are sought among those who wait: everybody else has one. The loops over
people are in `kernel`.
"""

from __future__ import annotations

import math
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from . import kernel
from .codes import Rows
from .facts import Facts, Mask
from .pool import Pool
from .rules import RULES
from .score import FACETS, SCALE, facet_points
from .search import Fit, kept_from, rulebook
from .values import Reason, Weights

Ints: TypeAlias = npt.NDArray[np.int64]

# Of two who meet at one look. Those of whom more wait do not all look again when the policy, or the clocks, change: an
# event is decided within about a second. Whoever does not is found by those who do, and by whoever comes or changes.
_PAIRS_AT_ONCE: Final = 4_000_000


def look(pool: Pool, row: int) -> Fit | tuple[Reason, ...]:
    """The one of those who wait who fits best; of equally good ones who waits longest, then the lowest id.

    Where nobody fits: why not, as `why_no_partner` has it.
    """
    best, reasons = _look(pool, row)
    return reasons if best is None else best


def why_no_partner(pool: Pool, row: int) -> tuple[Reason, ...]:
    """For each rule how many of the others it was the first to remove; "capacity": who has a partner, or pauses."""
    return _look(pool, row, reasons_only=True)[1]


def _look(pool: Pool, row: int, *, reasons_only: bool = False) -> tuple[Fit | None, tuple[Reason, ...]]:
    facts, waiting, mentors = pool.facts, pool.facts.waiting_list, pool.facts.mentor_rows
    others = len(facts.row_of) - 1
    if not others:
        return None, (Reason(rule="no_candidates", removed=0),)
    if row not in mentors:
        return None, (Reason(rule="role", removed=others),)
    book, kept, points = rulebook(pool), kept_from(pool, row), np.empty(len(FACETS), np.int64)
    removed = np.zeros(len(RULES), np.int64)
    best = kernel.find_partner(facts.table, waiting.rows, waiting.count, row, book, *kept, points, removed)
    if best >= 0 and not reasons_only:
        return Fit(best, row, tuple(points.tolist())), ()
    kernel.count_partners(facts.table, mentors.rows, mentors.count, row, book, *kept, points, removed)
    removed[kernel.ROLE] = others - (mentors.count - 1)
    counted = zip(RULES, removed.tolist(), strict=True)
    return None, tuple([Reason(rule=name, removed=count) for (name, _), count in counted if count])


def looks_at_once(pool: Pool) -> int:
    """How many may look at everybody in one event: all of 2,000 people, and fewer of more."""
    return max(1, _PAIRS_AT_ONCE // len(pool.facts.row_of)) if pool.facts.row_of else 1


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
    return points_of_partners(pool.facts, pool.program.policy.weights, others, np.array([row], np.intp))


def points_of_partners(facts: Facts, weights: Weights, ones: Rows, others: Rows) -> Ints:
    """Points by facet (rows) and pair (columns): half of what each pair is worth one way round and the other."""
    both: Ints = facet_points(facts, weights, ones, others) + facet_points(facts, weights, others, ones)
    return both // 2


def _first_broken(pool: Pool, row: int, others: Rows, points: Ints) -> npt.NDArray[np.int64]:
    """The place in RULES of the first rule that each pair breaks, one way round or the other; -1 for none."""
    facts, policy, one = pool.facts, pool.program.policy, np.array([row], np.intp)
    broken = np.full(len(others), -1, np.int64)
    for place, (name, rule) in enumerate(RULES):
        if name == "minimum_score":
            allowed: Mask = points.sum(axis=0) >= math.ceil(policy.minimum_score * SCALE)
        elif name == "capacity":
            allowed = _take_part(facts, others) & _take_part(facts, one)
        else:
            allowed = rule(facts, policy, others, one) & rule(facts, policy, one, others)
        broken[(broken < 0) & ~allowed] = place
    return broken


def _take_part(facts: Facts, rows: Rows) -> Mask:
    """Who has no partner, and does not pause."""
    allowed: Mask = (facts.live[rows] == 0) & (facts.capacity[rows] > 0)
    return allowed
