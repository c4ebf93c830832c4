"""The best candidates of every mentee, exactly: each pair is looked at, none is guessed.

For each mentee the mentors pass by in blocks that stay in the cache. Cheap rules strike out whole blocks in a few
operations on bits; only pairs that may be are scored, and a small heap keeps the best of them. Points are the whole
numbers of `score.total_points`, to the last one. Rows do not depend on each other, so any number of threads may share
the mentees and the answer is the same.

With prices, what is kept is worth most beyond its price. That tells whether a candidate that was left out of a round
would have changed it: see `unbeaten`.

Why not by matrix products: overlaps are ratios of counts, which are no products, and counting common bits is faster
than multiplying them (measured; see docs/matching). Why not an approximate index: it finds the nearest and then drops
those who must not meet, which is most of them.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from .columns import Bits, Columns, Mentees, Mentors, Terms
from .compiled import compiled
from .market import Flags, Ints, Market, Places

_BLOCK: Final = 2048
_GROUP: Final = 64
_ENOUGH_MINUTES: Final = 240
_FARTHEST_MINUTES: Final = 720
_SLOT_MINUTES: Final = 15
_NOBODY: Final = -1
_QUARTERS: Final = np.array([0] * 10 + [1] + [4] * 4 + [3, 2] + [1] * 4, np.int64)


def candidates(
    columns: Columns, terms: Terms, most: int, *, first: int = 0, last: int | None = None, price: Ints | None = None
) -> tuple[Ints, Places, Places]:
    """The best `most` candidates of mentees first:last as (start, mentor, points), best first.

    Equal points are ordered by a mix of both ids, so that people who look the same are not all sent to the same few.
    With `price`, by mentor, they are ranked by points - price. Releases the GIL; call it for parts from several threads
    and join the parts with `joined`.
    """
    stop = len(columns.mentees.person) if last is None else last
    count, mentor, points = _best(
        columns.mentors,
        columns.mentees,
        terms,
        most,
        first,
        stop,
        np.zeros(len(columns.mentors.person), np.int64) if price is None else price,
    )
    start = np.zeros(len(count) + 1, np.int64)
    np.cumsum(count, out=start[1:])
    kept = np.arange(most) < count[:, None]
    return start, mentor[kept], points[kept]


def joined(parts: list[tuple[Ints, Places, Places]]) -> tuple[Ints, Places, Places]:
    """The parts of consecutive mentees as one."""
    counts = np.concatenate([np.diff(start) for start, _, _ in parts])
    start = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=start[1:])
    return start, np.concatenate([part[1] for part in parts]), np.concatenate([part[2] for part in parts])


def unbeaten(columns: Columns, terms: Terms, market: Market, price: Ints, bonus: int = 0) -> int:
    """By how many points the whole pool's bound exceeds that of the market's candidates, at these prices.

    0 proves that no pair left out of the market could improve on its bound.
    """
    start, mentor, points = candidates(columns, terms, 1, price=np.where(market.capacity > 0, price, 1 << 40))
    best = np.zeros(market.mentees, np.int64)
    best[np.diff(start) > 0] = points.astype(np.int64) + bonus - price[mentor]
    usable = market.capacity[market.mentor] > 0
    net = np.where(usable, market.points.astype(np.int64) + bonus - price[market.mentor], 0)
    among = np.zeros(market.mentees, np.int64)
    np.maximum.at(among, market.rows(), net)
    return int(np.maximum(0, best - among).sum())


@compiled
def _ones(word: Any) -> Any:
    """The number of set bits (H. Warren, Hacker's Delight). Compilers make one instruction of this sequence."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (word * np.uint64(0x0101010101010101)) >> np.uint64(56)


@compiled
def _add_overlap(
    weight: int, mine: Bits, my_count: int, theirs: Bits, their_count: Ints, of_both: bool, picked: Places, out: Ints
) -> None:
    """Add the share of common bits among mine, or among those of both, to `out`, for each mentor picked."""
    for at in range(len(picked)):
        j = picked[at]
        if my_count == 0 or their_count[j] == 0:
            out[at] += weight // 4
            continue
        common = np.int64(0)
        for word in range(len(mine)):
            if mine[word]:
                common += np.int64(_ones(mine[word] & theirs[j, word]))
        whole = my_count + their_count[j] - common if of_both else my_count
        # Exact, since the product is below 2**52 and the denominator below 2**20.
        out[at] += np.int64(np.floor(float(weight * common) / float(whole)))


@compiled
def _add_equal(weight: int, mine: int, theirs: Ints, picked: Places, out: Ints) -> None:
    for at in range(len(picked)):
        j = picked[at]
        if mine == _NOBODY or theirs[j] == _NOBODY:
            out[at] += weight // 2
        elif mine == theirs[j]:
            out[at] += weight


@compiled
def _score(o: Mentors, e: Mentees, weights: Ints, i: int, picked: Places, slots: Ints, out: Ints) -> None:
    """The points of mentee i with each mentor picked, with whom they share so many quarters of an hour."""
    for at in range(len(picked)):
        minutes = min(slots[at] * _SLOT_MINUTES, _ENOUGH_MINUTES)
        out[at] = weights[7] * minutes // _ENOUGH_MINUTES
        above, below = o.seniority[picked[at]], e.seniority[i]
        known = above > 0 and below > 0
        out[at] += weights[6] * _QUARTERS[above - below + 10] // 4 if known else weights[6] // 2
    if weights[8]:
        for at in range(len(picked)):
            apart = min(abs(o.offset[picked[at]] - e.offset[i]), _FARTHEST_MINUTES)
            out[at] += weights[8] * (_FARTHEST_MINUTES - apart) // _FARTHEST_MINUTES
    _add_overlap(weights[0], e.wants[i], e.wanted[i], o.offers, o.offered, False, picked, out)
    _add_overlap(weights[1], e.goals[i], e.goal_count[i], o.goals, o.goal_count, True, picked, out)
    _add_overlap(weights[2], e.interests[i], e.interest_count[i], o.interests, o.interest_count, True, picked, out)
    _add_overlap(weights[3], e.values[i], e.value_count[i], o.values, o.value_count, True, picked, out)
    _add_equal(weights[4], e.style[i], o.style, picked, out)
    _add_equal(weights[5], e.industry[i], o.industry, picked, out)


@compiled
def _mixed(one: Any, other: Any) -> Any:
    """Thirty bits that two ids make together (the finaliser of SplitMix64, G. Steele and others 2014)."""
    word = one ^ (other * np.uint64(0x9E3779B97F4A7C15))
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (word ^ (word >> np.uint64(31))) >> np.uint64(34)


@compiled
def _keep_sharing(mine: Bits, theirs: Bits, low: int, high: int, may: Flags) -> None:
    """Keep mentors with a language in common."""
    for j in range(low, high):
        shared = np.uint64(0)
        for word in range(len(mine)):
            shared |= theirs[word, j] & mine[word]
        may[j - low] &= shared != 0


@compiled
def _keep_unlike(mine: int, theirs: Ints, low: int, high: int, may: Flags) -> None:
    for j in range(low, high):
        may[j - low] &= theirs[j] != mine


@compiled
def _keep_between(least: int, most: int, theirs: Ints, low: int, high: int, may: Flags) -> None:
    """Keep mentors whose seniority lies between, or is not known."""
    for j in range(low, high):
        may[j - low] &= (theirs[j] == 0) | ((theirs[j] >= least) & (theirs[j] <= most))


@compiled
def _count_slots(mine: Bits, theirs: Bits, least: int, low: int, high: int, may: Flags, slots: Ints) -> None:
    """Count slots in common with each mentor of a block, and keep mentors with enough of them."""
    slots[:] = 0
    for word in range(len(mine)):
        if mine[word]:
            for j in range(low, high):
                slots[j - low] += np.int64(_ones(theirs[word, j] & mine[word]))
    for j in range(low, high):
        may[j - low] &= slots[j - low] >= least


@compiled
def _strike(o: Mentors, e: Mentees, t: Terms, i: int, low: int, high: int, may: Flags, slots: Ints) -> None:
    """Which mentors of a block the rules on columns leave over, and how many slots they share with mentee i."""
    may[: high - low] = o.allowed[low:high]
    _keep_unlike(e.person[i], o.person, low, high, may)
    if t.organisations == 1:
        for j in range(low, high):
            may[j - low] &= o.organisation[j] == e.organisation[i]
    elif t.organisations == 2:
        _keep_unlike(e.organisation[i], o.organisation, low, high, may)
    if e.seniority[i] > 0:
        _keep_between(e.seniority[i] + t.minimum_gap, e.seniority[i] + t.maximum_gap, o.seniority, low, high, may)
    if t.share_language:
        _keep_sharing(e.languages[i], o.languages, low, high, may)
    for level in range(t.boss_levels):
        _keep_unlike(e.managers[i, level], o.person, low, high, may)
        _keep_unlike(e.person[i], o.managers[level], low, high, may)
    if t.apart_under_one_boss and e.managers[i, 0] != _NOBODY:
        _keep_unlike(e.managers[i, 0], o.managers[0], low, high, may)
    least = -(-t.minimum_minutes // _SLOT_MINUTES)
    _count_slots(e.hours[i], o.hours, least, low, high, may, slots)


@compiled
def _below(keys: Ints, mixes: Ints, mentors: Places, one: int, other: int) -> bool:
    """Whether the entry `one` is worse than the entry `other`."""
    if keys[one] != keys[other]:
        return bool(keys[one] < keys[other])
    if mixes[one] != mixes[other]:
        return bool(mixes[one] < mixes[other])
    return bool(mentors[one] > mentors[other])


@compiled
def _swap(keys: Ints, mixes: Ints, mentors: Places, points: Places, one: int, other: int) -> None:
    keys[one], keys[other] = keys[other], keys[one]
    mixes[one], mixes[other] = mixes[other], mixes[one]
    mentors[one], mentors[other] = mentors[other], mentors[one]
    points[one], points[other] = points[other], points[one]


@compiled
def _sink(keys: Ints, mixes: Ints, mentors: Places, points: Places, at: int, size: int) -> None:
    """Bring the worst of a heap of `size` entries to the top again, after the entry at `at` became better."""
    while True:
        child = 2 * at + 1
        if child >= size:
            return
        if child + 1 < size and _below(keys, mixes, mentors, child + 1, child):
            child += 1
        if not _below(keys, mixes, mentors, child, at):
            return
        _swap(keys, mixes, mentors, points, child, at)
        at = child


@compiled
def _offer(
    keys: Ints, mixes: Ints, mentors: Places, points: Places, size: int, key: int, mix: int, mentor: int, worth: int
) -> int:
    """Put an entry into the heap, in the place of the worst where it is full. Returns the heap's size."""
    if size == len(keys):
        if key == keys[0] and (mix < mixes[0] or (mix == mixes[0] and mentor > mentors[0])):
            return size
        keys[0], mixes[0], mentors[0], points[0] = key, mix, mentor, worth
        _sink(keys, mixes, mentors, points, 0, size)
        return size
    keys[size], mixes[size], mentors[size], points[size] = key, mix, mentor, worth
    at = size
    while at > 0 and _below(keys, mixes, mentors, at, (at - 1) >> 1):
        _swap(keys, mixes, mentors, points, at, (at - 1) >> 1)
        at = (at - 1) >> 1
    return size + 1


@compiled
def _is_barred(barred: Ints, person: int) -> bool:
    spot = np.searchsorted(barred, person)
    return bool(spot < len(barred) and barred[spot] == person)


@compiled
def _best(
    o: Mentors, e: Mentees, t: Terms, most: int, first: int, last: int, price: Ints
) -> tuple[Ints, Places, Places]:
    counts = np.zeros(last - first, np.int64)
    mentors, points = np.zeros((last - first, most), np.int32), np.zeros((last - first, most), np.int32)
    keys, mixes = np.zeros((_GROUP, most), np.int64), np.zeros((_GROUP, most), np.int64)
    may, slots = np.zeros(_BLOCK, np.bool_), np.zeros(_BLOCK, np.int64)
    picked, worths = np.zeros(_BLOCK, np.int32), np.zeros(_BLOCK, np.int64)
    total = len(o.person)
    # A block of mentors stays in the cache while a group of mentees goes over it.
    for group in range(first, last, _GROUP):
        until = min(group + _GROUP, last)
        for low in range(0, total, _BLOCK):
            high = min(low + _BLOCK, total)
            for i in range(group, until):
                if not e.allowed[i]:
                    continue
                _strike(o, e, t, i, low, high, may, slots)
                left = 0
                for at in range(high - low):
                    picked[left], slots[left] = low + at, slots[at]
                    left += may[at]
                _score(o, e, t.weights, i, picked[:left], slots, worths)
                barred = e.barred[e.barred_start[i] : e.barred_start[i + 1]]
                row, g = i - first, i - group
                size = counts[row]
                for at in range(left):
                    j, key = picked[at], worths[at] - price[picked[at]]
                    if worths[at] < t.minimum_points or (size == most and key < keys[g, 0]):
                        continue
                    if len(barred) > 0 and _is_barred(barred, o.person[j]):
                        continue
                    mix = int(_mixed(e.tie[i], o.tie[j]))
                    size = _offer(keys[g], mixes[g], mentors[row], points[row], size, key, mix, j, worths[at])
                counts[row] = size
        for row in range(group - first, until - first):
            g = row - (group - first)
            for end in range(counts[row] - 1, 0, -1):  # the worst goes to the end, again and again
                _swap(keys[g], mixes[g], mentors[row], points[row], 0, end)
                _sink(keys[g], mixes[g], mentors[row], points[row], 0, end)
    return counts, mentors, points
