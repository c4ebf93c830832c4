"""Fairness first: who gets a mentor is settled by need, then the worst pair is made as good as it can be, then the sum.

Three steps, each within what the one before it left, and what each guarantees:

1. *Who.* Mentees come in the order given (never matched before, waited longest) and each is let in if all those before
them can still be matched. The sets that can be matched form a matroid, so this is the best set in that order: nobody
left out could be let in without leaving out someone who comes earlier. It is also as large as any set can be. 2. *The
worst-off.* The lowest points of any pair is as high as it can be with everybody of step 1 matched. 3. *The sum.* Among
assignments that keep 1 and 2, the sum of points less load costs is within `epsilon` a pair of the largest. Load costs
spread the work: see `market.load_costs`.

Only the worst pair is raised, not the second worst after it: this is max-min, not leximin. Groups of people get no
quota here; whether groups fare alike is what `audit` measures.

Sources: J. Edmonds and D. R. Fulkerson, "Transversals and matroid partition", Journal of Research NBS 69B (1965), for
step 1; the bottleneck assignment problem: R. Burkard, M. Dell'Amico and S. Martello, "Assignment Problems", SIAM
(2009), chapter 6; floors for each side in reviewer assignment: A. Kobren and others, "Paper matching with local
fairness constraints", KDD (2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import auction, paths
from .compiled import compiled
from .market import Assignment, Flags, Ints, Market, Places


@dataclass(frozen=True, slots=True)
class Fair:
    """The answer: `market` is what step 3 chose from, so `certificate.verify(market, assignment)` checks the sum.

    `included`: mentees of step 1. `floor`: the lowest points of step 2; 0 if nobody is matched.
    """

    market: Market
    assignment: Assignment
    included: Flags
    floor: int


def fair(market: Market, order: Ints, *, epsilon: int = auction.EPSILON) -> Fair:
    """Match by need, then raise the worst-off, then maximise the sum. `order`: mentees, the neediest first."""
    included = _let_in(market.start, market.mentor, market.capacity, order.astype(np.int64))
    kept = included[market.rows()] & (market.capacity[market.mentor] > 0)
    levels = np.unique(market.points[kept])
    low, high = 0, len(levels) - 1
    while low < high:  # the highest level at which everybody can still be matched
        middle = (low + high + 1) // 2
        if _all_fit(_only(market, kept & (market.points >= levels[middle])), included):
            low = middle
        else:
            high = middle - 1
    floor = int(levels[low]) if len(levels) else 0
    left = _only(market, kept & (market.points >= floor))
    return Fair(left, paths.as_many_as_possible(left, auction.solve(left, epsilon)), included, floor)


def need_order(waiting_days: Ints, matched_before: Flags) -> Ints:
    """Mentees by need: never matched before first, then who waited longest, then the earlier row."""
    return np.lexsort((np.arange(len(waiting_days)), -waiting_days, matched_before))


def _only(market: Market, kept: Flags) -> Market:
    start = np.zeros(market.mentees + 1, np.int64)
    np.cumsum(np.bincount(market.rows()[kept], minlength=market.mentees), out=start[1:])
    return Market(start, market.mentor[kept], market.points[kept], market.capacity, market.place_cost)


def _all_fit(market: Market, wanted: Flags) -> bool:
    order = np.flatnonzero(wanted)
    return bool(_let_in(market.start, market.mentor, market.capacity, order).sum() == len(order))


@compiled
def _let_in(start: Ints, mentor: Places, capacity: Places, order: Ints) -> Flags:
    """Which mentees, taken in order, can be matched together with those before them (Kuhn's augmenting paths).

    A search that finds no free place proves that nothing it reached leads to one, now or later: those mentors are not
    looked at again. So all searches that fail look at each candidate once.
    """
    mentees, mentors = len(start) - 1, len(capacity)
    first = np.zeros(mentors + 1, np.int64)
    for j in range(mentors):
        first[j + 1] = first[j] + capacity[j]
    holders, held = np.zeros(first[mentors], np.int32), np.zeros(mentors, np.int32)
    place_of, inside = np.full(mentees, -1, np.int64), np.zeros(mentees, np.bool_)
    seen, via = np.full(mentors, -1, np.int64), np.zeros(mentors, np.int32)
    queue, dead = np.zeros(mentees, np.int32), np.zeros(mentors, np.bool_)
    home = np.full(mentees, -1, np.int32)
    for turn in range(len(order)):
        head, size, end = 0, 1, -1
        queue[0] = order[turn]
        while head < size and end < 0:
            i = queue[head]
            head += 1
            for e in range(start[i], start[i + 1]):
                j = mentor[e]
                if dead[j] or seen[j] == turn:
                    continue
                seen[j], via[j] = turn, i
                if held[j] < capacity[j]:
                    end = j
                    break
                for place in range(first[j], first[j] + held[j]):
                    queue[size] = holders[place]
                    size += 1
        if end < 0:
            dead |= seen == turn
            continue
        inside[order[turn]] = True
        place = first[end] + held[end]
        held[end] += 1
        while end >= 0:  # everybody on the way moves one on
            i = via[end]
            left, left_place = home[i], place_of[i]
            home[i], place_of[i], holders[place] = end, place, i
            end, place = left, left_place
    return inside
