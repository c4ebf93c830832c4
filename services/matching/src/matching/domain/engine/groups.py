"""Forms of mentoring that change the problem: circles with a least size, and peers who mentor each other.

Reverse mentoring is the same problem with the roles exchanged, and a flash program one where a place is a meeting: both
are solved by `auction` as they are, with other rows and other capacities.

*Circles.* A mentor takes between `least` and `capacity` mentees, or none. Whether that can be done best is a hard
problem (from a least size of three on). `circles` solves without least sizes, closes the emptiest circle that is too
small, and solves again. It guarantees the sizes, and a bound: no assignment, with or without least sizes, is worth
more.

*Peers.* Everybody may be paired with everybody. The pool is solved as if each person were on both sides, which falls
into pairs, chains and rings; chains and rings are then cut into pairs as well as they can be. What is left over is
paired greedily. Only a ring of odd length loses, at most a third of it, so the sum is at least two thirds of the
largest (less `epsilon` a person), and half of the two-sided bound is proof of how near it is; it is mostly within a few
per cent. Exact would be J. Edmonds' blossoms, which are cubic.

Sources: the two-sided bound and its half-integral solutions: M. L. Balinski, "Integer programming: methods, uses,
computation", Management Science 12 (1965); lower bounds on sizes: P. Biro and others, "The college admissions problem
with lower and common quotas", Theoretical Computer Science 411 (2010).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import auction
from .certificate import bound, pair_entries
from .compiled import compiled
from .market import NOBODY, Assignment, Ints, Market, NoMarket, Places


@dataclass(frozen=True, slots=True)
class Circles:
    """`open_circles`: mentors who lead one. `bound`: no assignment to mentors with room for one is worth more, which
    `price` proves; the prices of the assignment are those without the circles that were closed.
    """

    assignment: Assignment
    open_circles: Ints
    value: int
    bound: int
    price: Ints


@dataclass(frozen=True, slots=True)
class Peers:
    """`partner`: by person, or NOBODY. No pairing is worth more than `bound` points: half of what `price` proves."""

    partner: Places
    value: int
    bound: int
    price: Ints


def circles(market: Market, least: Places, *, epsilon: int = auction.EPSILON) -> Circles:
    """Match so that every mentor has nobody or at least `least[j]` mentees. `market.capacity` is the most."""
    capacity = np.where(market.capacity >= least, market.capacity, 0).astype(np.int32)
    most, price = None, np.zeros(market.mentors, np.int64)
    while True:
        now = Market(market.start, market.mentor, market.points, capacity)
        answer = auction.solve(now, epsilon)
        if most is None:
            most, price = bound(now, answer.price), answer.price
        entries = pair_entries(now, answer.mentor_of)
        held = np.bincount(market.mentor[entries], minlength=market.mentors)
        small = np.flatnonzero((held > 0) & (held < least))
        if not len(small):
            value = int(market.points[entries].sum(dtype=np.int64))
            return Circles(answer, np.flatnonzero(held), value, most, price)
        # Close whoever is furthest from a circle, then whose pairs are worth least, then the later row; several at once
        # when many are too small, so that large pools need few rounds.
        worth = np.bincount(market.mentor[entries], market.points[entries], market.mentors)
        order = np.lexsort((-small, worth[small], held[small] - least[small]))
        capacity = capacity.copy()
        capacity[small[order[: max(1, len(small) // 8)]]] = 0


def peers(start: Ints, other: Places, points: Places, *, epsilon: int = auction.EPSILON) -> Peers:
    """Pair people. Person i may be paired with other[start[i]:start[i+1]]; each pair stands at both, with equal points.

    Raises NoMarket if it does not, or if somebody is paired with themselves.
    """
    people = len(start) - 1
    both_sides = Market(start, other, points, np.ones(people, np.int32))
    rows = both_sides.rows()
    forth, back = np.lexsort((other, rows)), np.lexsort((rows, other))
    same = np.array_equal(rows[forth], other[back]) and np.array_equal(other[forth], rows[back])
    if not same or not np.array_equal(points[forth], points[back]) or np.any(rows == other):
        raise NoMarket("other: each pair must stand at both, with equal points, and nobody with themselves")
    answer = auction.solve(both_sides, epsilon)
    given = np.zeros(people, np.int64)
    entries = pair_entries(both_sides, answer.mentor_of)
    given[rows[entries]] = points[entries]
    partner = _cut(answer.mentor_of, given)
    alone = (partner[rows] == NOBODY) & (partner[other] == NOBODY) & (points > 0)
    for entry in np.flatnonzero(alone)[np.lexsort((other[alone], rows[alone], -points[alone]))]:
        if partner[rows[entry]] == partner[other[entry]] == NOBODY:
            partner[rows[entry]], partner[other[entry]] = other[entry], rows[entry]
    value = int(points[other == np.repeat(partner, np.diff(start))].sum(dtype=np.int64)) // 2
    return Peers(partner, value, bound(both_sides, answer.price) // 2, answer.price)


@compiled
def _cut(follows: Places, points: Ints) -> Places:
    """Cut chains and rings of i -> follows[i], worth points[i] each, into pairs of the largest sum."""
    people = len(follows)
    partner, done, led = np.full(people, -1, np.int32), np.zeros(people, np.bool_), np.zeros(people, np.bool_)
    for i in range(people):
        if follows[i] >= 0:
            led[follows[i]] = True
    chain = np.zeros(people + 1, np.int32)
    for ring in range(2):  # chains first, from their ends; what is left are rings
        for begin in range(people):
            if done[begin] or (ring == 0 and led[begin]):
                continue
            size, i = 0, begin
            while i >= 0 and not done[i]:
                done[i] = True
                chain[size] = i
                size += 1
                i = follows[i]
            if ring == 0:
                _pair_up(chain[:size], points, partner)
                continue
            # A ring is a chain once one link is cut: try the cut before its first member, and the one after.
            turned = np.append(chain[1:size], chain[:1])
            if _worth_of(turned, points) > _worth_of(chain[:size], points):
                chain[:size] = turned
            _pair_up(chain[:size], points, partner)
    return partner


@compiled
def _worth_of(chain: Places, points: Ints) -> int:
    """The most points that pairs of neighbours in the chain are worth."""
    before, best = 0, 0
    for at in range(1, len(chain)):
        before, best = best, max(best, before + points[chain[at - 1]])
    return best


@compiled
def _pair_up(chain: Places, points: Ints, partner: Places) -> None:
    """Pair neighbours for the most points, going back over the best sums."""
    best = np.zeros(len(chain) + 1, np.int64)
    for at in range(2, len(chain) + 1):
        best[at] = max(best[at - 1], best[at - 2] + points[chain[at - 2]])
    at = len(chain)
    while at >= 2:
        if best[at] == best[at - 1]:
            at -= 1
            continue
        one, other = chain[at - 2], chain[at - 1]
        partner[one], partner[other] = other, one
        at -= 2
