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

from .compiled import compiled, prefetch
from .market import MOST_POINTS, Assignment, Ints, Market, NoMarket, Places

# 1/256 of a full score. What is certified in practice is a fourth of that, what is lost a fortieth; see docs/matching.
EPSILON: Final = 1 << 12
# How many candidates a mentee remembers. As long as the second best of them beats what the best forgotten one was worth
# when it was forgotten, the others need no look. 8 are one line of a processor's cache, with mentor and points.
_REMEMBERED: Final = 8
_POSITION_BITS: Final = 3
_LINE: Final = 16  # numbers of 32 bits in a line of cache
_CLOSED: Final = 1 << 50
_UNSEEN: Final = 1 << 60
_HOLDER_BITS: Final = 31
_HOLDER: Final = (1 << _HOLDER_BITS) - 1
# Who bids so many turns from now is fetched from memory in two steps, while others bid. Waiting for memory is almost
# half of the time otherwise, at 100,000 mentees. 16 was best of 8, 16 and 32.
_FAR: Final = 16
_NEAR: Final = 8


def solve(market: Market, epsilon: int = EPSILON) -> Assignment:
    """Match the whole pool for the largest sum of points; a pair of no or negative worth is not made.

    The sum is at most `epsilon` for each pair made below the largest possible one. The number of bids grows with the
    range of points divided by `epsilon`; smaller steps than needed cost time. Raises ValueError for a step below 1 or
    above MOST_POINTS.
    """
    if not 1 <= epsilon <= MOST_POINTS:
        raise ValueError(f"epsilon must be 1 to {MOST_POINTS}, is {epsilon}")
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
def _push(held: Ints, low: int, count: int, bid: int) -> None:
    """Add to the heap at low:low+count, the lowest bid first."""
    hole = count
    while hole > 0:
        parent = (hole - 1) >> 1
        if held[low + parent] <= bid:
            break
        held[low + hole] = held[low + parent]
        hole = parent
    held[low + hole] = bid


@compiled
def _replace(held: Ints, low: int, count: int, bid: int) -> None:
    """Put a bid in the place of the lowest."""
    hole = 0
    while True:
        child = 2 * hole + 1
        if child >= count:
            break
        if child + 1 < count and held[low + child + 1] < held[low + child]:
            child += 1
        if held[low + child] >= bid:
            break
        held[low + hole] = held[low + child]
        hole = child
    held[low + hole] = bid


@compiled
def _best_two(known: Places, price: Ints, at: int) -> tuple[int, int]:
    """What the best two remembered candidates are worth at today's prices, each with its position in the lowest bits.

    Without branches: which of eight is best cannot be foretold, and guessing wrong costs more than looking.
    """
    best = second = 0
    for c in range(_REMEMBERED):
        net = known[at + 2 * c + 1] - price[np.uint32(known[at + 2 * c])]
        key = (net << _POSITION_BITS) | (_REMEMBERED - 1 - c)
        second = max(second, min(best, key))
        best = max(best, key)
    return best, second


@compiled
def _look(
    start: Ints, mentor: Places, points: Places, price: Ints, i: int, known: Places, nets: Ints, top: Ints, kept: Ints
) -> tuple[int, int]:
    """Look at all candidates of mentee i and remember the best; what these are worth is in `top`, best first.

    Returns how many, and what the others are worth at most; 0 if none of them is worth more than nothing. Candidates
    are dealt to as many hands as are remembered: whatever is below the best card of every hand is not among the best.
    """
    low, size = start[i], start[i + 1] - start[i]
    for e in range(size):
        nets[e] = points[low + e] - price[np.uint32(mentor[low + e])]
    for hand in range(_REMEMBERED):
        top[hand] = 0
    for turn in range(size // _REMEMBERED):
        for hand in range(_REMEMBERED):
            top[hand] = max(top[hand], nets[np.uint64(turn * _REMEMBERED + hand)])
    least = top[0]
    for hand in range(1, _REMEMBERED):
        least = min(least, top[hand])
    least = max(least, 1)
    some = 0
    for e in range(size):
        kept[some] = e
        some += nets[e] >= least
    at, count, beyond = 2 * _REMEMBERED * i, 0, least - 1
    for k in range(some):
        e = kept[k]
        net = nets[e]
        if count < _REMEMBERED:
            spot = count
            count += 1
        else:
            spot = _REMEMBERED - 1
            beyond = max(beyond, min(net, top[spot]))
            if net <= top[spot]:
                continue
        while spot > 0 and top[spot - 1] < net:
            top[spot] = top[spot - 1]
            known[at + 2 * spot], known[at + 2 * spot + 1] = known[at + 2 * spot - 2], known[at + 2 * spot - 1]
            spot -= 1
        top[spot] = net
        known[at + 2 * spot], known[at + 2 * spot + 1] = mentor[low + e], points[low + e]
    for spot in range(count, _REMEMBERED):
        known[at + 2 * spot] = known[at + 2 * spot + 1] = top[spot] = 0
    return count, beyond


@compiled
def _around(position: int, size: int) -> int:
    """The position in a ring, after one round at most."""
    return position if position < size else position - size


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
    # A bid held is one number: points first, who bids in the lowest bits.
    held, count_held = np.zeros(len(cost), np.int64), np.zeros(mentors, np.int32)
    price = np.zeros(mentors, np.int64)
    for j in range(mentors):
        price[j] = cost[first[j]] if capacity[j] > 0 else _CLOSED
    # Mentor and points of each one remembered, mentee by mentee; who is worth nothing stands for nobody.
    # Each mentee's begin where a line of cache does.
    unaligned = np.zeros(2 * _REMEMBERED * mentees + _LINE, np.int32)
    known = unaligned[(-unaligned.ctypes.data // 4) % _LINE :]
    # At most what the best forgotten candidate was worth; it only falls.
    forgotten = np.full(mentees, _UNSEEN, np.int64)
    widest = 0
    for i in range(mentees):
        widest = max(widest, start[i + 1] - start[i])
    # `kept` has one more: it is written before it is known whether that counts.
    nets, top, kept = np.zeros(widest, np.int64), np.zeros(_REMEMBERED, np.int64), np.zeros(widest + 1, np.int64)
    mentor_of = np.full(mentees, -1, np.int32)
    # First in, first out, in a ring: so it is known early who bids next, and what they need is fetched by then.
    waiting = np.arange(mentees).astype(np.int32)
    head, size = 0, mentees if mentors > 0 else 0
    while size > 0 and most_bids != 0:
        most_bids -= 1
        if size > _FAR:
            soon = waiting[_around(head + _FAR, mentees)]
            prefetch(known, 2 * _REMEMBERED * soon)
            prefetch(forgotten, soon)
            prefetch(start, soon)
            # What they will need if prices stay: all candidates, or the places of the mentor they will bid for. Not a
            # function of its own: numba would count references to arrays there, which takes longer than all of this.
            soon = waiting[_around(head + _NEAR, mentees)]
            best, second = _best_two(known, price, 2 * _REMEMBERED * soon)
            if second >> _POSITION_BITS < forgotten[soon]:
                for e in range(start[soon], start[soon + 1], _LINE):
                    prefetch(mentor, e)
                    prefetch(points, e)
            else:
                c = _REMEMBERED - 1 - (best & (_REMEMBERED - 1))
                prefetch(held, first[known[2 * (_REMEMBERED * soon + c)]])
        i = waiting[head]
        head = _around(head + 1, mentees)
        size -= 1
        at = 2 * _REMEMBERED * i
        best, second = _best_two(known, price, at)
        choice = at + 2 * (_REMEMBERED - 1 - (best & (_REMEMBERED - 1)))
        best >>= _POSITION_BITS
        second >>= _POSITION_BITS  # staying unmatched is worth 0
        if second < forgotten[i]:
            count, forgotten[i] = _look(start, mentor, points, price, i, known, nets, top, kept)
            choice, best = at, top[0]
            # Nobody forgotten is worth more than the second best remembered, and all count if fewer are remembered.
            second = top[1]
        if best <= 0:
            continue
        j = known[choice]
        bid = known[choice + 1] - second + epsilon
        low, count = first[j], count_held[j]
        # The next place is free to whoever meets its cost; outbidding the lowest may be cheaper.
        if count < capacity[j] and cost[low + count] <= price[j]:
            _push(held, low, count, (bid << _HOLDER_BITS) | i)
            count += 1
            count_held[j] = count
        elif bid <= price[j]:
            continue  # without a step on top, a tie leads nowhere
        else:
            outbid = held[low] & _HOLDER
            mentor_of[outbid] = -1
            waiting[_around(head + size, mentees)] = outbid
            size += 1
            _replace(held, low, count, (bid << _HOLDER_BITS) | i)
        price[j] = min(held[low] >> _HOLDER_BITS, cost[low + count] if count < capacity[j] else _CLOSED)
        mentor_of[i] = j
    return mentor_of, np.where(capacity > 0, price, 0)
