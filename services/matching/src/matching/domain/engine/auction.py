"""Whole-pool matching by auction: mentees bid for places, mentors keep their best bids.

A mentee bids for the mentor that is worth most to them at today's prices, so much that their second choice would do as
well, and `epsilon` on top. A mentor with a place left takes every bid that meets the place's cost; a full one drops the
lowest, whose mentee bids again. A mentor's price is what the next bid has to beat: the lowest bid held, or the cost of
the next free place if that is less. Prices never fall, a mentor with a free place asks no more than that place costs,
and who holds a place would gain at most `epsilon` elsewhere. These three make the prices a proof: no assignment is
worth more than `epsilon` a pair above this one (`certificate.bound` adds it up without this module).

Steps are a fixed `epsilon` from prices of nothing. Scaling epsilon needs fewer bids in tight pools, but leaves mentors
with free places and high prices behind, which is where the proof breaks; see docs/matching.

Sources: D. P. Bertsekas, "The auction algorithm: a distributed relaxation method for the assignment problem", Annals of
Operations Research 14 (1988); D. P. Bertsekas and D. A. Castanon, "The auction algorithm for the transportation
problem", Annals of Operations Research 20 (1989), for places that are alike; D. P. Bertsekas, "Linear Network
Optimization", MIT Press (1991), chapter 4, for remembering the best few candidates between bids.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from .compiled import compiled
from .market import MOST_POINTS, Assignment, Ints, Market, NoMarket, Places

# A five-hundredth of a full score. What is certified in practice is a fourth of that, what is lost a hundredth.
EPSILON: Final = 1 << 11
# How many candidates a mentee remembers. As long as the second best of them beats what the best forgotten one was worth
# when it was forgotten, the others need no look. 8 was best of 4, 8 and 16 at 32 and 64 candidates.
_REMEMBERED: Final = 8
_CLOSED: Final = 1 << 60


def solve(market: Market, epsilon: int = EPSILON) -> Assignment:
    """Match the whole pool for the largest sum of points; a pair of no or negative worth is not made.

    The sum is at most `epsilon` for each pair made below the largest possible one. The number of bids grows with the
    range of points divided by `epsilon`; smaller steps than needed cost time. Raises ValueError below a step of 1.
    """
    if epsilon < 1:
        raise ValueError(f"epsilon must be at least 1, is {epsilon}")
    mentor_of, price = _auction(
        market.start, market.mentor, market.points, market.capacity, market.first_place(), market.costs(), epsilon, -1
    )
    return Assignment(mentor_of, price, 0, epsilon)


def solve_to_the_point(market: Market) -> tuple[Market, Assignment]:
    """An answer of the largest sum, by steps too small to lose a point, and the finer market that its prices belong to.

    All points are multiplied by one more than the most pairs there can be, and a step is 1: what is lost is less than
    one point of the market given. Far faster than `paths.exact` where points have few levels, as those of a survey;
    where they have many, bids in small steps take long. Raises NoMarket where the finer points do not fit.
    """
    finer = min(market.mentees, int(market.capacity.sum())) + 1
    if market.pairs and int(np.abs(market.points).max()) * finer > MOST_POINTS:
        raise NoMarket(f"points: must not exceed {MOST_POINTS // finer} to be solved to the point")
    cost = None if market.place_cost is None else market.place_cost * finer
    scaled = Market(market.start, market.mentor, market.points * np.int32(finer), market.capacity, cost)
    return scaled, solve(scaled, 1)


def opening(market: Market) -> Assignment:
    """A start for an exact answer: mentees bid without a step on top, for as long as that raises prices, but not for
    long.

    Who is matched is with their best mentor at these prices, exactly. Others may be left over who would gain by a
    place. R. Jonker and A. Volgenant (see `paths`) call this augmenting row reduction.
    """
    places = market.capacity, market.first_place(), market.costs()
    mentor_of, price = _auction(market.start, market.mentor, market.points, *places, 0, 4 * market.mentees)
    return Assignment(mentor_of, price)


@compiled
def _push(bids: Ints, holders: Places, low: int, count: int, bid: int, holder: int) -> None:
    """Add to the heap at low:low+count, the lowest bid first."""
    hole = count
    while hole > 0:
        parent = (hole - 1) >> 1
        if bids[low + parent] <= bid:
            break
        bids[low + hole] = bids[low + parent]
        holders[low + hole] = holders[low + parent]
        hole = parent
    bids[low + hole] = bid
    holders[low + hole] = holder


@compiled
def _replace(bids: Ints, holders: Places, low: int, count: int, bid: int, holder: int) -> None:
    """Put a bid in the place of the lowest."""
    hole = 0
    while True:
        child = 2 * hole + 1
        if child >= count:
            break
        if child + 1 < count and bids[low + child + 1] < bids[low + child]:
            child += 1
        if bids[low + child] >= bid:
            break
        bids[low + hole] = bids[low + child]
        holders[low + hole] = holders[low + child]
        hole = child
    bids[low + hole] = bid
    holders[low + hole] = holder


@compiled
def _look(
    start: Ints, mentor: Places, points: Places, price: Ints, i: int, known: Places, worth: Places, nets: Ints
) -> tuple[int, int]:
    """Look at all candidates of mentee i and remember the best.

    Returns how many, and what the best of the others is worth; 0 if none of them is worth more than nothing.
    """
    count, beyond = 0, 0
    for e in range(start[i], start[i + 1]):
        net = points[e] - price[mentor[e]]
        if net <= beyond:
            continue
        if count < _REMEMBERED:
            spot = count
            count += 1
        else:
            spot = _REMEMBERED - 1
            beyond = max(beyond, min(net, nets[spot]))
            if net <= nets[spot]:
                continue
        while spot > 0 and nets[spot - 1] < net:
            nets[spot] = nets[spot - 1]
            known[spot], worth[spot] = known[spot - 1], worth[spot - 1]
            spot -= 1
        nets[spot] = net
        known[spot], worth[spot] = mentor[e], points[e]
    return count, beyond


@compiled
def _auction(
    start: Ints,
    mentor: Places,
    points: Places,
    capacity: Places,
    first: Ints,
    cost: Ints,
    epsilon: int,
    most_bids: int,
) -> tuple[Places, Ints]:
    mentees, mentors = len(start) - 1, len(capacity)
    bids, holders = np.zeros(len(cost), np.int64), np.zeros(len(cost), np.int32)
    held = np.zeros(mentors, np.int32)
    price = np.zeros(mentors, np.int64)
    for j in range(mentors):
        price[j] = cost[first[j]] if capacity[j] > 0 else _CLOSED
    known = np.empty((mentees, _REMEMBERED), np.int32)
    worth = np.empty((mentees, _REMEMBERED), np.int32)
    known_count = np.zeros(mentees, np.int32)
    forgotten = np.full(mentees, _CLOSED, np.int64)  # what the best forgotten candidate was worth; it only falls
    nets = np.empty(_REMEMBERED, np.int64)
    mentor_of = np.full(mentees, -1, np.int32)
    # Last in, first out: who was just outbid bids at once. The first mentee begins.
    waiting = np.arange(mentees - 1, -1, -1).astype(np.int32)
    size = mentees
    while size > 0 and most_bids != 0:
        most_bids -= 1
        size -= 1
        i = waiting[size]
        best = second = 0  # staying unmatched is worth 0
        choice, worth_of_choice = -1, 0
        for c in range(known_count[i]):
            net = worth[i, c] - price[known[i, c]]
            if net > second:
                if net > best:
                    second, best = best, net
                    choice, worth_of_choice = known[i, c], worth[i, c]
                else:
                    second = net
        if second < forgotten[i]:
            count, beyond = _look(start, mentor, points, price, i, known[i], worth[i], nets)
            known_count[i], forgotten[i] = count, beyond
            choice = -1
            if count > 0:
                choice, worth_of_choice = known[i, 0], worth[i, 0]
                second = nets[1] if count > 1 else 0
        if choice < 0:
            continue
        bid = worth_of_choice - second + epsilon
        low, count = first[choice], held[choice]
        # The next place is free to whoever meets its cost; outbidding the lowest may be cheaper.
        if count < capacity[choice] and cost[low + count] <= price[choice]:
            _push(bids, holders, low, count, bid, i)
            count += 1
            held[choice] = count
        elif bid <= price[choice]:
            continue  # without a step on top, a tie leads nowhere
        else:
            outbid = holders[low]
            mentor_of[outbid] = -1
            waiting[size] = outbid
            size += 1
            _replace(bids, holders, low, count, bid, i)
        price[choice] = min(bids[low], cost[low + count] if count < capacity[choice] else _CLOSED)
        mentor_of[i] = choice
    return mentor_of, np.where(capacity > 0, price, 0)
