"""Answers to "why her?", "why not him?" and "why nobody?", from the round's own prices.

A price says what a place is worth to those who did not get it. So who is matched is best off at these prices, and for
any other pair the prices say by how much it falls short. The shortfall is a lower limit for the change that would have
made the pair; `smallest_change` finds the change itself and solves again to verify it. Hard rules are not this
module's: a pair that is no candidate is explained by `rules`. Nothing here changes a decision.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from . import auction, paths
from .certificate import value_of
from .market import MOST_POINTS, NOBODY, Assignment, Ints, Market

# Above so many candidates an exact answer takes too long to wait for; below, it takes well under a second.
EXACT_UP_TO: Final = 200_000


@dataclass(frozen=True, slots=True)
class Choice:
    """Why a pair was made. `points`: its score. `price`: what the place is worth to the next in line for it.

    `next_mentor`: the mentor this mentee would have come to otherwise, and `ahead_of_next` by how many points, prices
    counted, the one they have is better. `next_mentee`: who would have had the place otherwise, if anybody wanted it,
    and by how many points they fell short of it. Either is NOBODY if there is none.
    """

    points: int
    price: int
    next_mentor: int
    ahead_of_next: int
    next_mentee: int
    short_of_place: int


@dataclass(frozen=True, slots=True)
class Change:
    """`points`: how many more points the pair would have needed to be made; `verified`: solving again made it.

    `least`: no smaller change than this could do it, as the prices prove. Equal to `points` if the answer is exact.
    """

    points: int
    least: int
    verified: bool


@dataclass(frozen=True, slots=True)
class Unmatched:
    """Why a mentee who has candidates was left without one. Every candidate counts once.

    `no_place`: mentors without capacity. `better_used`: mentors whose places all went to pairs that are worth as much
    or more to the whole. `nearest`: the mentor where least was missing, and `short` by how many points.
    """

    candidates: int
    no_place: int
    better_used: int
    nearest: int
    short: int


def entry_of(market: Market, mentee: int, mentor: int) -> int:
    """Where the pair stands among the candidates; NOBODY if it is none, and a hard rule is the reason."""
    low, high = int(market.start[mentee]), int(market.start[mentee + 1])
    found = np.flatnonzero(market.mentor[low:high] == mentor)
    return low + int(found[0]) if len(found) else NOBODY


def why(market: Market, assignment: Assignment, mentee: int) -> Choice:
    """Why this mentee has the mentor they have. Raises LookupError if they have none."""
    mentor = int(assignment.mentor_of[mentee])
    if mentor == NOBODY:
        raise LookupError(f"mentee {mentee} has no mentor")
    net = _net(market, assignment)
    own = entry_of(market, mentee, mentor)
    others = np.arange(market.start[mentee], market.start[mentee + 1])
    others = others[(others != own) & (market.capacity[market.mentor[others]] > 0)]
    next_entry = int(others[np.argmax(net[others])]) if len(others) else NOBODY
    rows = market.rows()
    rivals = np.flatnonzero((market.mentor == mentor) & (assignment.mentor_of[rows] != mentor))
    profit = _profit(market, assignment, net, rows)
    missing = profit[rows[rivals]] - net[rivals]
    nearest = int(np.argmin(missing)) if len(rivals) else NOBODY
    return Choice(
        points=int(market.points[own]),
        price=int(assignment.price[mentor]),
        next_mentor=int(market.mentor[next_entry]) if next_entry != NOBODY else NOBODY,
        ahead_of_next=int(net[own] - net[next_entry]) if next_entry != NOBODY else 0,
        next_mentee=int(rows[rivals[nearest]]) if nearest != NOBODY else NOBODY,
        short_of_place=max(0, int(missing[nearest])) if nearest != NOBODY else 0,
    )


def shortfall(market: Market, assignment: Assignment, mentee: int, mentor: int) -> int:
    """By how many points the pair fell short at the round's prices. Raises LookupError if it is no candidate."""
    entry = entry_of(market, mentee, mentor)
    if entry == NOBODY:
        raise LookupError(f"mentor {mentor} is no candidate of mentee {mentee}")
    net = _net(market, assignment)
    own = np.arange(market.start[mentee], market.start[mentee + 1])
    own = own[market.mentor[own] == assignment.mentor_of[mentee]]
    return max(0, (int(net[own[0]]) if len(own) else 0) - int(net[entry]))


def unmatched(market: Market, assignment: Assignment, mentee: int) -> Unmatched:
    """Why this mentee has nobody, beyond the hard rules. Raises LookupError if they have a mentor."""
    if assignment.mentor_of[mentee] != NOBODY:
        raise LookupError(f"mentee {mentee} has a mentor")
    own = slice(int(market.start[mentee]), int(market.start[mentee + 1]))
    open_to = market.capacity[market.mentor[own]] > 0
    net = _net(market, assignment)[own][open_to]
    mentors = market.mentor[own][open_to]
    nearest = int(np.argmax(net)) if len(net) else NOBODY
    return Unmatched(
        candidates=len(open_to),
        no_place=int(np.count_nonzero(~open_to)),
        better_used=int(np.count_nonzero(open_to)),
        nearest=int(mentors[nearest]) if nearest != NOBODY else NOBODY,
        short=max(0, -int(net[nearest])) if nearest != NOBODY else 0,
    )


def smallest_change(market: Market, assignment: Assignment, mentee: int, mentor: int) -> Change:
    """How many more points would have made this pair part of the answer. 0 if it is.

    In pools of up to `EXACT_UP_TO` candidates it is exact: with one point less the pair is in no best answer, or only
    in some. In larger ones the auction is run again with more and more points, then with fewer, until the change is
    known to within `epsilon`. Raises LookupError for a pair that is no candidate.
    """
    least = shortfall(market, assignment, mentee, mentor)
    entry = entry_of(market, mentee, mentor)
    if assignment.mentor_of[mentee] == mentor:
        return Change(0, 0, True)
    if market.pairs <= EXACT_UP_TO:
        best = value_of(market, paths.exact(market).mentor_of)
        forced = value_of(market, paths.exact(_raised(market, entry, MOST_POINTS)).mentor_of)
        needed = best - forced + 1
        made = paths.exact(_raised(market, entry, int(market.points[entry]) + needed)).mentor_of[mentee] == mentor
        return Change(needed, needed, bool(made))
    low, high = 0, max(least, assignment.epsilon)
    while not _made(market, assignment, entry, mentee, mentor, high):
        low, high = high, 2 * high
        if market.points[entry] + high > MOST_POINTS:
            return Change(high, least, False)
    while high - low > assignment.epsilon:
        middle = (low + high) // 2
        if _made(market, assignment, entry, mentee, mentor, middle):
            high = middle
        else:
            low = middle
    return Change(high, least, True)


def _net(market: Market, assignment: Assignment) -> Ints:
    return market.points.astype(np.int64) + assignment.bonus - assignment.price[market.mentor]


def _profit(market: Market, assignment: Assignment, net: Ints, rows: Ints) -> Ints:
    """What each mentee has beyond the price of their place."""
    profit = np.zeros(market.mentees, np.int64)
    own = np.flatnonzero(market.mentor == assignment.mentor_of[rows])
    profit[rows[own]] = net[own]
    return profit


def _raised(market: Market, entry: int, points: int) -> Market:
    changed = market.points.copy()
    changed[entry] = points
    return replace(market, points=changed)


def _made(market: Market, assignment: Assignment, entry: int, mentee: int, mentor: int, more: int) -> bool:
    answer = auction.solve(_raised(market, entry, int(market.points[entry]) + more), assignment.epsilon)
    return bool(answer.mentor_of[mentee] == mentor)
