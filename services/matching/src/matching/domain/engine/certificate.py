"""Checks an answer without the code that found it.

Plain array arithmetic on the market, the assignment and its prices: is it allowed, what is it worth, what is the most
that any assignment could be worth, and who would rather be with each other. It imports no solver; whoever doubts a
round can read this page alone. It does not check that the candidates were the right ones: that is what `retrieval` is
tested for.

The bound is the linear program's dual: for any prices p >= 0, no assignment is worth more than the sum over mentees of
max(0, best of points - p) plus the sum over places of max(0, p - cost). So wrong prices make a poor bound, never a
false one. Source: A. Schrijver, "Combinatorial Optimization", Springer (2003), chapters 17 and 21.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from .market import NOBODY, Assignment, Flags, Ints, Market, Places

_AT_ONCE: Final = 1 << 16  # mentees looked at together, so that large pools need little memory


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was found. Points are whole; `gap` is the share of `bound` that may be missing, 0 where `bound` is 0.

    `faults`: what is wrong with the assignment; empty if it is allowed. `value`: points of its pairs less what their
    places cost. `bound`: the most that assignments of at least as many pairs can be worth. `blocking`: pairs where the
    mentee gets more points by it and the mentor has a place left, or someone worth less. `most_pairs`: no assignment
    makes more pairs than this; None if that was not asked.
    """

    faults: tuple[str, ...]
    matched: int
    value: int
    bound: int
    gap: float
    blocking: int
    most_pairs: int | None


def verify(market: Market, assignment: Assignment, *, short: tuple[Flags, Flags] | None = None) -> Certificate:
    """Check everything. `short` is what `paths.short_of_places` gave, to bound the number of pairs as well."""
    faults = infeasible(market, assignment.mentor_of)
    value = 0 if faults else value_of(market, assignment.mentor_of)
    most = bound(market, assignment.price, assignment.bonus) - assignment.bonus * assignment.matched
    return Certificate(
        faults=faults,
        matched=assignment.matched,
        value=value,
        bound=most,
        gap=(most - value) / most if most > 0 else 0.0,
        blocking=0 if faults else len(blocking_pairs(market, assignment.mentor_of)),
        most_pairs=None if short is None else most_pairs(market, *short),
    )


def infeasible(market: Market, mentor_of: Places) -> tuple[str, ...]:
    """What forbids the assignment: mentors who are no candidates of theirs, or hold more than their capacity."""
    if len(mentor_of) != market.mentees:
        return (f"{len(mentor_of)} mentees instead of {market.mentees}",)
    faults = []
    matched = np.flatnonzero(mentor_of != NOBODY)
    found = np.unique(market.rows()[market.mentor == np.repeat(mentor_of, np.diff(market.start))])
    strangers = np.setdiff1d(matched, found)
    if len(strangers):
        faults.append(f"{len(strangers)} mentees are with someone who is no candidate, the first is {strangers[0]}")
    named = mentor_of[matched]
    held = np.bincount(named[(named >= 0) & (named < market.mentors)], minlength=market.mentors)
    over = np.flatnonzero(held > market.capacity)
    if len(over):
        faults.append(f"{len(over)} mentors hold more than their capacity, the first is {over[0]}")
    return tuple(faults)


def pair_entries(market: Market, mentor_of: Places) -> Ints:
    """Where in the market's candidates each matched pair stands, by mentee."""
    return np.flatnonzero(market.mentor == np.repeat(mentor_of, np.diff(market.start)))


def value_of(market: Market, mentor_of: Places) -> int:
    """Points of the pairs, less what the places they take cost."""
    points = int(market.points[pair_entries(market, mentor_of)].sum(dtype=np.int64))
    held = np.bincount(mentor_of[mentor_of != NOBODY], minlength=market.mentors)
    return points - int(market.costs()[_within(market) < np.repeat(held, market.capacity)].sum())


def bound(market: Market, price: Ints, bonus: int = 0) -> int:
    """The most that any assignment is worth if each pair counts `bonus` more. Raises ValueError for negative prices."""
    if len(price) != market.mentors or np.any(price < 0):
        raise ValueError("prices must be one for each mentor, and none negative")
    places = int(np.maximum(0, np.repeat(price, market.capacity) - market.costs()).sum())
    # A mentor without capacity costs nothing and gives nothing: as if their price were beyond all points.
    asked = np.where(market.capacity > 0, price, np.int64(1) << 60)
    profits = 0
    for low in range(0, market.mentees, _AT_ONCE):
        start = market.start[low : low + _AT_ONCE + 1]
        own = slice(int(start[0]), int(start[-1]))
        net = market.points[own] + np.int64(bonus) - asked[market.mentor[own]]
        some = np.diff(start) > 0
        if np.any(some):
            best = np.maximum.reduceat(net, (start[:-1] - start[0])[some])
            profits += int(np.maximum(0, best).sum())
    return profits + places


def most_pairs(market: Market, mentees: Flags, mentors: Flags) -> int:
    """The most pairs there can be: every pair has a mentee that is not marked, or takes a place of a marked mentor.

    Raises ValueError if a candidate pair is neither, since then the marks prove nothing.
    """
    rows = market.rows()
    if np.any(mentees[rows] & ~mentors[market.mentor] & (market.capacity[market.mentor] > 0)):
        raise ValueError("a marked mentee has a candidate who is not marked")
    return int(np.count_nonzero(~mentees)) + int(market.capacity[mentors].sum())


def blocking_pairs(market: Market, mentor_of: Places, worth_to_mentor: npt.NDArray[np.integer] | None = None) -> Ints:
    """Entries of pairs who would both rather be with each other, by points; the mentor's by `worth_to_mentor` if given.

    A pair blocks if the mentee gains and the mentor has a free place or gains over the least of those they have. Ties
    block nothing. A mentee gains by any candidate over nobody: that a pair is a candidate says it is acceptable.
    """
    to_mentor = market.points if worth_to_mentor is None else worth_to_mentor
    entries = pair_entries(market, mentor_of)
    rows = market.rows()
    has = np.full(market.mentees, np.iinfo(np.int64).min)
    has[rows[entries]] = market.points[entries]
    least = np.full(market.mentors, np.iinfo(np.int64).max)
    np.minimum.at(least, market.mentor[entries], to_mentor[entries].astype(np.int64))
    held = np.bincount(mentor_of[mentor_of != NOBODY], minlength=market.mentors)
    room = (held < market.capacity)[market.mentor]
    open_to = market.capacity[market.mentor] > 0
    gains = market.points > has[rows]
    return np.flatnonzero(gains & open_to & (room | (to_mentor > least[market.mentor])))


def _within(market: Market) -> Ints:
    """For each place, how many places of the same mentor come before it."""
    first = market.first_place()
    within: Ints = np.arange(first[-1]) - np.repeat(first[:-1], market.capacity)
    return within
