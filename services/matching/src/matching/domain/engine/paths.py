"""Exact matching, and matching of as many as can be: shortest augmenting paths.

`exact` is the Hungarian method on sparse candidates: mentees come in one by one, each along the path that costs the
others least. It answers small pools, tests, and questions that need an exact difference. `as_many_as_possible` starts
from an auction's answer and goes on matching, cheapest first, who could be matched if others moved; with no limit the
number of pairs is the largest there is (strictly before any points), with a limit a pair is added as long as it costs
no more.

Both keep prices that prove the answer as the auction's do, for points with a bonus for each pair (`Assignment.bonus`).
Refuses to be fast on large pools: each path may look at every candidate.

Sources: J. Edmonds and R. M. Karp, "Theoretical improvements in algorithmic efficiency for network flow problems",
Journal of the ACM 19 (1972), for potentials; R. Jonker and A. Volgenant, "A shortest augmenting path algorithm for
dense and sparse linear assignment problems", Computing 38 (1987); D. Koenig (1931) and J. Egervary (1931) for the proof
that no larger matching exists.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from . import auction
from .compiled import compiled
from .market import NOBODY, Assignment, Flags, Ints, Market, Places

_FAR: Final = 1 << 60
_UNSEEN: Final = -1
_DONE: Final = -2


class _Pool(NamedTuple):
    """The market, and who holds which place. `lift`: points by which a mentee's pair with `lifted` counts more."""

    start: Ints
    mentor: Places
    points: Places
    capacity: Places
    first: Ints
    cost: Ints
    live: Flags
    mentor_of: Places
    place_of: Ints
    holders: Places
    held: Places
    price: Ints
    profit: Ints
    lifted: Places
    lift: Ints


class _Search(NamedTuple):
    """Mentors reached: how far, through which mentee, and a heap of those not done. `sizes`: of heap and touched."""

    distance: Ints
    via: Places
    heap: Places
    spot: Places
    touched: Places
    sizes: Ints


def exact(market: Market) -> Assignment:
    """An assignment of the largest sum of points, with prices that prove it. No pair is made that is worth nothing."""
    begun = auction.opening(market)
    pool = _pool(market, begun.mentor_of, market.capacity > 0)
    pool.price[:] = begun.price
    _insert_all(pool, _search(market))
    return Assignment(pool.mentor_of, pool.price)


def as_many_as_possible(market: Market, begun: Assignment, limit: int | None = None) -> Assignment:
    """Match further mentees beyond `begun`, an answer of `auction.solve` or `exact` on the same market.

    Each further pair is the one that costs the whole least. `limit`: the most points that one may cost; None: whatever
    it costs, so that the number of pairs is the largest possible. Nobody who was matched becomes unmatched. `bonus` of
    the answer is what the last pair cost.
    """
    held = np.bincount(begun.mentor_of[begun.mentor_of != NOBODY], minlength=market.mentors)
    if np.all(begun.mentor_of != NOBODY) or np.all(held >= market.capacity):
        return begun
    pool = _pool(market, begun.mentor_of, _live_mentors(market, begun.mentor_of, held))
    pool.price[:] = begun.price
    paid = _augment_all(pool, _search(market), _FAR if limit is None else limit)
    return Assignment(pool.mentor_of, pool.price, int(paid), begun.epsilon)


def short_of_places(market: Market, mentor_of: Places) -> tuple[Flags, Flags]:
    """Who competes for too few places: mentees and mentors that an unmatched mentee reaches by moving others along.

    If none of these mentors has a free place, no assignment matches more: the mentees marked want only mentors marked,
    and there are more of them than places.
    """
    mentees, mentors = mentor_of == NOBODY, np.zeros(market.mentors, np.bool_)
    matched, rows = np.flatnonzero(mentor_of != NOBODY), market.rows()
    open_to = (market.capacity > 0)[market.mentor]
    while True:
        reached = np.zeros(market.mentors, np.bool_)
        reached[market.mentor[mentees[rows] & open_to]] = True
        grown = mentees.copy()
        grown[matched] |= reached[mentor_of[matched]]
        if np.array_equal(grown, mentees) and np.array_equal(reached, mentors):
            return mentees, mentors
        mentees, mentors = grown, reached


def _live_mentors(market: Market, mentor_of: Places, held: Ints) -> Flags:
    """Mentors from whom moving others along leads to a free place."""
    live: Flags = held < market.capacity
    rows = market.rows()
    while True:
        can_move = np.zeros(market.mentees, np.bool_)
        can_move[rows[live[market.mentor]]] = True
        grown = live.copy()
        grown[mentor_of[can_move & (mentor_of != NOBODY)]] = True
        if np.array_equal(grown, live):
            return live
        live = grown


def _pool(market: Market, mentor_of: Places, live: Flags) -> _Pool:
    return _Pool(
        start=market.start,
        mentor=market.mentor,
        points=market.points,
        capacity=market.capacity,
        first=market.first_place(),
        cost=market.costs(),
        live=live,
        mentor_of=mentor_of.copy(),
        place_of=np.zeros(market.mentees, np.int64),
        holders=np.zeros(int(market.capacity.sum()), np.int32),
        held=np.zeros(market.mentors, np.int32),
        price=np.zeros(market.mentors, np.int64),
        profit=np.zeros(market.mentees, np.int64),
        lifted=mentor_of.copy(),
        lift=np.zeros(market.mentees, np.int64),
    )


def _search(market: Market) -> _Search:
    return _Search(
        distance=np.zeros(market.mentors, np.int64),
        via=np.zeros(market.mentors, np.int32),
        heap=np.zeros(market.mentors, np.int32),
        spot=np.full(market.mentors, _UNSEEN, np.int32),
        touched=np.zeros(market.mentors, np.int32),
        sizes=np.zeros(2, np.int64),
    )


@compiled
def _sift_up(s: _Search, at: int) -> None:
    """Move the entry at `at` up to where its distance belongs; nearer first, then the lower row."""
    node = s.heap[at]
    while at > 0:
        parent = (at - 1) >> 1
        other = s.heap[parent]
        if s.distance[other] < s.distance[node] or (s.distance[other] == s.distance[node] and other < node):
            break
        s.heap[at] = other
        s.spot[other] = at
        at = parent
    s.heap[at] = node
    s.spot[node] = at


@compiled
def _pop(s: _Search) -> int:
    """Take out the nearest mentor that is not done."""
    s.sizes[0] -= 1
    size = s.sizes[0]
    top, node = int(s.heap[0]), s.heap[size]
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size:
            one, other = s.heap[child], s.heap[child + 1]
            if s.distance[other] < s.distance[one] or (s.distance[other] == s.distance[one] and other < one):
                child += 1
        below = s.heap[child]
        if s.distance[node] < s.distance[below] or (s.distance[node] == s.distance[below] and node < below):
            break
        s.heap[at] = below
        s.spot[below] = at
        at = child
    s.heap[at] = node
    s.spot[node] = at
    s.spot[top] = _DONE
    return top


@compiled
def _reach(s: _Search, j: int, far: int, i: int, full: bool) -> None:
    """Mentor j can be reached through mentee i at `far`, if that is nearer than so far.

    Distances are doubled, and one more for a mentor without a free place: of mentors equally near, a free one comes
    first and ends the search. Where points are tied that saves most of it.
    """
    twice = 2 * far + (1 if full else 0)
    if s.spot[j] == _UNSEEN:
        s.touched[s.sizes[1]] = j
        s.sizes[1] += 1
        s.spot[j] = s.sizes[0]
        s.heap[s.sizes[0]] = j
        s.sizes[0] += 1
    elif s.spot[j] == _DONE or twice >= s.distance[j]:
        return
    s.distance[j] = twice
    s.via[j] = i
    _sift_up(s, s.spot[j])


@compiled
def _reach_from(p: _Pool, s: _Search, i: int, near: int, end: int) -> None:
    """Mentee i, who is at `near`, could go to each of their candidates."""
    for e in range(p.start[i], p.start[i + 1]):
        j = p.mentor[e]
        if p.live[j]:
            worth = p.points[e] + (p.lift[i] if p.lifted[i] == j else 0)
            far = near + p.profit[i] + p.price[j] - worth
            if far < end:
                _reach(s, j, far, i, p.held[j] == p.capacity[j])


@compiled
def _find_end(p: _Pool, s: _Search, end: int, limit: int, may_drop: bool) -> tuple[int, int, int]:
    """The nearest end of a path: a free place of a mentor, or, if that is allowed, a mentee who is better left out.

    Returns its distance, mentor and mentee; -1 and -1 if nothing is nearer than `end`.
    """
    end_mentor, end_mentee = -1, -1
    while s.sizes[0] > 0 and s.distance[s.heap[0]] >> 1 < min(end, limit):
        j = _pop(s)
        near, held = s.distance[j] >> 1, p.held[j]
        if held < p.capacity[j] and near + p.cost[p.first[j] + held] - p.price[j] < end:
            end, end_mentor, end_mentee = near + p.cost[p.first[j] + held] - p.price[j], j, -1
        for place in range(p.first[j], p.first[j] + held):
            other = p.holders[place]
            if may_drop and near + p.profit[other] < end:
                end, end_mentor, end_mentee = near + p.profit[other], j, other
            _reach_from(p, s, other, near, end)
    return end, end_mentor, end_mentee


@compiled
def _raise_prices(p: _Pool, s: _Search, to: int) -> None:
    """What was nearer than `to` becomes that much dearer, so that the path found costs nothing; forget the search."""
    for t in range(s.sizes[1]):
        j = s.touched[t]
        near = s.distance[j] >> 1
        if s.spot[j] == _DONE and near < to:
            p.price[j] += to - near
            for place in range(p.first[j], p.first[j] + p.held[j]):
                p.profit[p.holders[place]] -= to - near
        s.spot[j] = _UNSEEN
    s.sizes[:] = 0


@compiled
def _move_along(p: _Pool, s: _Search, j: int, place: int) -> None:
    """Give the place at j to who reached it, their place to who reached that, and so on to the one who had none."""
    while True:
        i = s.via[j]
        left, left_place = p.mentor_of[i], p.place_of[i]
        p.mentor_of[i], p.place_of[i], p.holders[place] = j, place, i
        if left < 0:
            return
        j, place = left, left_place


@compiled
def _take_free_place(p: _Pool, s: _Search, j: int) -> None:
    place = p.first[j] + p.held[j]
    p.held[j] += 1
    _move_along(p, s, j, place)


@compiled
def _enter(p: _Pool) -> Places:
    """Seat whom the auction matched; returns the unmatched who could lead to a free place.

    Who holds a place may be up to epsilon short of their best. Their pair counts as worth that much more here, so that
    the prices are exact for the points as counted; the result is epsilon a pair off, as what it began with.
    """
    unmatched = np.zeros(len(p.mentor_of), np.int32)
    count = 0
    for i in range(len(p.mentor_of)):
        here, best, live = 0, -_FAR, False
        for e in range(p.start[i], p.start[i + 1]):
            j = p.mentor[e]
            if p.capacity[j] > 0:
                best = max(best, p.points[e] - p.price[j])
                live = live or p.live[j]
                if j == p.mentor_of[i]:
                    here = p.points[e] - p.price[j]
        p.profit[i] = best
        j = p.mentor_of[i]
        if j >= 0:
            p.lift[i] = best - here
            p.place_of[i] = p.first[j] + p.held[j]
            p.holders[p.place_of[i]] = i
            p.held[j] += 1
        elif live:
            unmatched[count] = i
            count += 1
    return unmatched[:count]


@compiled
def _insert_all(p: _Pool, s: _Search) -> None:
    for i in _enter(p):
        best = 0
        for e in range(p.start[i], p.start[i + 1]):
            if p.live[p.mentor[e]]:
                best = max(best, p.points[e] - p.price[p.mentor[e]])
        if best == 0:
            continue
        p.profit[i] = best
        _reach_from(p, s, i, 0, best)
        end, end_mentor, end_mentee = _find_end(p, s, best, _FAR, True)  # at `best`, i is better left out
        _raise_prices(p, s, end)
        p.profit[i] -= end
        if end_mentee >= 0:
            p.mentor_of[end_mentee] = -1
            _move_along(p, s, end_mentor, p.place_of[end_mentee])
        elif end_mentor >= 0:
            _take_free_place(p, s, end_mentor)


@compiled
def _augment_all(p: _Pool, s: _Search, limit: int) -> int:
    unmatched = _enter(p)
    paid, end_mentor = 0, 0
    while len(unmatched) > 0 and end_mentor >= 0:
        for i in unmatched:
            for e in range(p.start[i], p.start[i + 1]):
                j = p.mentor[e]
                if p.live[j]:
                    _reach(s, j, max(paid, p.price[j] - p.points[e]), i, p.held[j] == p.capacity[j])
        end, end_mentor, _ = _find_end(p, s, _FAR, limit, False)
        if end_mentor < 0 or end > limit:
            # Nobody else can be matched for so little; without a limit, nobody else at all.
            paid = limit if limit < _FAR else paid
            _raise_prices(p, s, paid)
            break
        paid = end
        _raise_prices(p, s, paid)
        _take_free_place(p, s, end_mentor)
        for i in unmatched:
            p.profit[i] = -paid
        unmatched = unmatched[p.mentor_of[unmatched] < 0]
    # Mentors without a way to a free place were left out of the search. Their mentees want only mentors like them, so
    # raising all of their prices by as much keeps them in order.
    for j in range(len(p.capacity)):
        if p.capacity[j] > 0 and not p.live[j]:
            p.price[j] += paid
    return paid
