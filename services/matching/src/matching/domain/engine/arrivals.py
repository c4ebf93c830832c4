"""A pool that changes one person at a time, between rounds.

While matches are tentative (drafts, or proposals nobody answered), `Standing` keeps the whole pool matched as the
auction would: who arrives bids, whom that outbids bids again. Who leaves sets a place free, and mentors with a free
place that was wanted ask, price by price, for whom it is worth most: the reverse auction. After each step the same
proof holds as after a round: the sum is at most `epsilon` a pair below the largest possible over the candidates known.

Where a match is final at once nobody may be moved. `choose_at_once` then takes the last round's prices as what a place
is worth to those who are still to come, and gives the newcomer the best beyond its price. What that gives up depends on
how like the past the future is: there is no guarantee, it is measured (docs/matching).

After many changes, `resettle` solves anew with a bonus for pairs that stand, and `frontier` shows what different
bonuses give and how many people would have to change. Refuses to decide which changes are allowed: a confirmed match is
not put into the market at all.

Sources: D. P. Bertsekas and D. A. Castanon, "A forward/reverse auction algorithm for asymmetric assignment problems",
Computational Optimization and Applications 1 (1992); K. T. Talluri and G. J. van Ryzin, "An analysis of bid-price
controls for network revenue management", Management Science 44 (1998).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from . import auction
from .certificate import pair_entries
from .compiled import compiled
from .market import MOST_POINTS, NOBODY, Assignment, Ints, Market, Places, market

_CLOSED: Final = 1 << 60


class Standing:
    """The standing assignment of a pool. Mentees get rows in the order in which they arrive; mentors are as given.

    `width`: the most candidates a mentee may have. Not safe for use by two threads at once.
    """

    def __init__(self, capacity: npt.ArrayLike, *, width: int = 64, epsilon: int = auction.EPSILON) -> None:
        self.epsilon = epsilon
        self.capacity = np.array(capacity, np.int32)
        self.first = np.zeros(len(self.capacity) + 1, np.int64)
        np.cumsum(self.capacity, out=self.first[1:])
        self.held = np.zeros(len(self.capacity), np.int32)
        self.bids, self.holders = np.zeros(self.first[-1], np.int64), np.zeros(self.first[-1], np.int32)
        self.price = np.where(self.capacity > 0, 0, _CLOSED)
        self.mentees = 0
        self._mentor = np.zeros((64, width), np.int32)
        self._points = np.zeros((64, width), np.int32)
        self._count = np.zeros(64, np.int32)
        self._mentor_of = np.full(64, NOBODY, np.int32)

    @property
    def mentor_of(self) -> Places:
        """The mentor of each mentee so far, or NOBODY."""
        return self._mentor_of[: self.mentees]

    def arrive(self, mentor: npt.ArrayLike, points: npt.ArrayLike) -> Places:
        """A mentee with these candidates comes in as the next row. Returns the rows whose mentor changed.

        Raises NoMarket for what `market.market` refuses, and ValueError for more candidates than `width`.
        """
        mentors = np.asarray(mentor)
        checked = market([0, len(mentors)], mentors, points, self.capacity)
        if checked.pairs > self._mentor.shape[1]:
            raise ValueError(f"{checked.pairs} candidates, at most {self._mentor.shape[1]}")
        if self.mentees == len(self._count):
            self._grow()
        row = self.mentees
        self.mentees += 1
        self._mentor[row, : checked.pairs], self._points[row, : checked.pairs] = checked.mentor, checked.points
        self._count[row] = checked.pairs
        return self._bid([row])

    def withdraw(self, mentee: int) -> Places:
        """A mentee leaves for good. Returns the rows whose mentor changed, the mentee among them if they had one."""
        had = int(self._mentor_of[mentee])
        self._count[mentee] = 0
        if had == NOBODY:
            return np.zeros(0, np.int32)
        _release(self.bids, self.holders, self.first, self.held, had, mentee)
        self._mentor_of[mentee] = NOBODY
        changed: Places = _ask(*self._state(), had)
        return np.unique(np.append(changed, np.int32(mentee)))

    def market(self) -> Market:
        """The candidates known, as a market: for `certificate.verify`, or to solve anew."""
        kept = np.arange(self._mentor.shape[1]) < self._count[: self.mentees, None]
        start = np.zeros(self.mentees + 1, np.int64)
        np.cumsum(self._count[: self.mentees], out=start[1:])
        mentor, points = self._mentor[: self.mentees][kept], self._points[: self.mentees][kept]
        return Market(start, mentor, points, self.capacity.copy())

    def assignment(self) -> Assignment:
        """The standing assignment with its prices."""
        return Assignment(self.mentor_of.copy(), np.where(self.capacity > 0, self.price, 0), 0, self.epsilon)

    def _bid(self, rows: Sequence[int]) -> Places:
        changed: Places = _bid(*self._state(), np.array(rows, np.int32))
        return changed

    def _state(
        self,
    ) -> tuple[Places, Places, Places, Places, int, Places, Ints, Places, Ints, Places, Ints, int]:
        return (
            self._mentor,
            self._points,
            self._count,
            self._mentor_of,
            self.mentees,
            self.capacity,
            self.first,
            self.held,
            self.bids,
            self.holders,
            self.price,
            self.epsilon,
        )

    def _grow(self) -> None:
        rows = len(self._count)
        self._mentor = np.concatenate([self._mentor, np.zeros_like(self._mentor)])
        self._points = np.concatenate([self._points, np.zeros_like(self._points)])
        self._count = np.concatenate([self._count, np.zeros(rows, np.int32)])
        self._mentor_of = np.concatenate([self._mentor_of, np.full(rows, NOBODY, np.int32)])


def choose_at_once(mentor: Places, points: Places, price: Ints, free: Ints) -> int:
    """The mentor to match a newcomer with for good, or NOBODY if every free place is worth more to others.

    `price`: the last round's, by mentor; `free`: places left by mentor. Equal ones go to the earlier candidate.
    """
    net = np.where(free[mentor] > 0, points - price[mentor], -1)
    return int(mentor[np.argmax(net)]) if len(net) and net.max() >= 0 else NOBODY


def faded(price: Ints, to_come: int, of: int) -> Ints:
    """Prices when `to_come` of `of` expected mentees are still to come: they fall with the root of that share.

    A place is worth the less to others the fewer of them are left; at the end it is worth nothing. The root did better
    than prices that stay, and than prices that fall in proportion (docs/matching). Whole numbers, so exact everywhere.
    """
    share = isqrt((min(max(to_come, 0), of) << 40) // of) if of > 0 else 0
    return (price * np.int64(share)) >> 20


@dataclass(frozen=True, slots=True)
class Resettled:
    """A new answer for a pool that had one. `moved`: pairs of before that could stand and do not."""

    incumbent_bonus: int
    assignment: Assignment
    value: int
    moved: int


def resettle(market: Market, before: Places, incumbent_bonus: int, *, epsilon: int = auction.EPSILON) -> Resettled:
    """Solve anew, counting `incumbent_bonus` points more for each pair of `before` that is still a candidate.

    A pair that stands is given up only if that gains the whole more than the bonus, to within `epsilon` a pair. The
    prices prove the answer for the points with bonus; `value` is without it.
    """
    stood = pair_entries(market, before)
    raised = market.points.copy()
    raised[stood] = np.minimum(raised[stood] + np.int64(incumbent_bonus), MOST_POINTS)
    assignment = auction.solve(Market(market.start, market.mentor, raised, market.capacity, market.place_cost), epsilon)
    entries = pair_entries(market, assignment.mentor_of)
    kept = len(np.intersect1d(stood, entries, assume_unique=True))
    value = int(market.points[entries].sum(dtype=np.int64))
    return Resettled(incumbent_bonus, assignment, value, len(stood) - kept)


def frontier(market: Market, before: Places, bonuses: Sequence[int]) -> list[Resettled]:
    """What each bonus gives: the more a standing pair counts, the fewer people change, and the less it is worth."""
    return [resettle(market, before, bonus) for bonus in bonuses]


@compiled
def _put(bids: Ints, holders: Places, low: int, count: int, hole: int, bid: int, holder: int) -> None:
    """Write a bid at a hole of the heap low:low+count, and move it up or down to where it belongs."""
    while hole > 0 and bids[low + (hole - 1) // 2] > bid:
        bids[low + hole], holders[low + hole] = bids[low + (hole - 1) // 2], holders[low + (hole - 1) // 2]
        hole = (hole - 1) // 2
    while True:
        child = 2 * hole + 1
        if child >= count:
            break
        if child + 1 < count and bids[low + child + 1] < bids[low + child]:
            child += 1
        if bids[low + child] >= bid:
            break
        bids[low + hole], holders[low + hole] = bids[low + child], holders[low + child]
        hole = child
    bids[low + hole], holders[low + hole] = bid, holder


@compiled
def _release(bids: Ints, holders: Places, first: Ints, held: Places, j: int, i: int) -> None:
    """Take mentee i out of mentor j's heap."""
    low, count = first[j], held[j] - 1
    held[j] = count
    for at in range(count + 1):
        if holders[low + at] == i:
            if at < count:
                _put(bids, holders, low, count, at, bids[low + count], holders[low + count])
            return


@compiled
def _bid(
    mentor: Places,
    points: Places,
    counts: Places,
    mentor_of: Places,
    mentees: int,
    capacity: Places,
    first: Ints,
    held: Places,
    bids: Ints,
    holders: Places,
    price: Ints,
    epsilon: int,
    rows: Places,
) -> Places:
    """Forward: let these bid, then whom they outbid. Returns whose mentor changed, in the order of rows."""
    changed = np.zeros(mentees, np.bool_)
    waiting = np.zeros(mentees, np.int32)
    size = len(rows)
    waiting[:size] = rows[::-1]
    while size > 0:
        size -= 1
        i = waiting[size]
        best, second, choice, worth = 0, 0, -1, 0
        for c in range(counts[i]):
            net = points[i, c] - price[mentor[i, c]]
            if net > best:
                second, best, choice, worth = best, net, mentor[i, c], points[i, c]
            elif net > second:
                second = net
        if choice < 0:
            continue
        bid, low, count = worth - second + epsilon, first[choice], held[choice]
        if count < capacity[choice]:
            held[choice] = count + 1
            _put(bids, holders, low, count + 1, count, bid, i)
        else:
            outbid = holders[low]
            mentor_of[outbid] = -1
            changed[outbid] = True
            waiting[size] = outbid
            size += 1
            _put(bids, holders, low, count, 0, bid, i)
        if held[choice] == capacity[choice]:
            price[choice] = bids[low]
        mentor_of[i] = choice
        changed[i] = True
    return np.flatnonzero(changed).astype(np.int32)


@compiled
def _best_for(
    mentor: Places, points: Places, counts: Places, mentor_of: Places, mentees: int, price: Ints, epsilon: int, j: int
) -> tuple[int, int, int]:
    """Who would gain most by mentor j at no price: the mentee, their gain, and the next best gain."""
    who, best, second = -1, 0, 0
    for i in range(mentees):
        if mentor_of[i] == j:
            continue
        for c in range(counts[i]):
            if mentor[i, c] == j:
                if points[i, c] + epsilon <= second:
                    break  # nobody pays more than epsilon beyond what their mentor is worth to them
                profit = 0
                for d in range(counts[i]):
                    if mentor[i, d] == mentor_of[i]:
                        profit = points[i, d] - price[mentor[i, d]]
                gain = points[i, c] - profit
                if mentor_of[i] < 0 and gain > 0:
                    gain += epsilon  # only who is matched may be left up to epsilon short
                if gain > best:
                    who, second, best = i, best, gain
                elif gain > second:
                    second = gain
                break
    return who, best, second


@compiled
def _temper(
    mentor: Places,
    points: Places,
    counts: Places,
    mentor_of: Places,
    mentees: int,
    first: Ints,
    held: Places,
    bids: Ints,
    holders: Places,
    price: Ints,
    epsilon: int,
    j: int,
) -> None:
    """Mentor j became cheaper: lower the bids of those whose second choice that makes better.

    A bid says up to which price its mentee would stay. It never falls below the price they pay, since at that price
    they still do not want to leave.
    """
    for i in range(mentees):
        at = mentor_of[i]
        if at < 0 or at == j:
            continue
        here, there = 0, -1
        for c in range(counts[i]):
            if mentor[i, c] == j:
                there = points[i, c] - price[j]
            elif mentor[i, c] == at:
                here = points[i, c]
        if there <= 0:
            continue
        for place in range(held[at]):
            if holders[first[at] + place] == i:
                if bids[first[at] + place] > here - there + epsilon:
                    _put(bids, holders, first[at], held[at], place, here - there + epsilon, i)
                break


@compiled
def _ask(
    mentor: Places,
    points: Places,
    counts: Places,
    mentor_of: Places,
    mentees: int,
    capacity: Places,
    first: Ints,
    held: Places,
    bids: Ints,
    holders: Places,
    price: Ints,
    epsilon: int,
    j: int,
) -> Places:
    """Reverse: a place of mentor j became free. Its price falls until someone wants it, who may leave another free.

    Each move leaves who moves better off by at least epsilon, so this ends. Returns whose mentor changed.
    """
    changed = np.zeros(mentees, np.bool_)
    while j >= 0 and price[j] > 0:
        who, best, second = _best_for(mentor, points, counts, mentor_of, mentees, price, epsilon, j)
        if best <= epsilon:
            price[j] = 0
            _temper(mentor, points, counts, mentor_of, mentees, first, held, bids, holders, price, epsilon, j)
            break
        asked = min(max(second - epsilon, 0), price[j])
        left = mentor_of[who]
        if left >= 0:
            _release(bids, holders, first, held, left, who)
        held[j] += 1
        _put(bids, holders, first[j], held[j], held[j] - 1, asked, who)
        price[j] = bids[first[j]] if held[j] == capacity[j] else 0
        mentor_of[who] = j
        changed[who] = True
        _temper(mentor, points, counts, mentor_of, mentees, first, held, bids, holders, price, epsilon, j)
        j = left
    return np.flatnonzero(changed).astype(np.int32)
