"""Two-sided stability: no mentee and mentor would both rather have each other.

Mentees propose down their lists; a mentor keeps the best proposals up to capacity. With strict lists the result is the
one stable matching that is best for every mentee. Where a mentor likes two mentees equally well, a mentee who was
refused by all once is promoted: they propose again, and win ties against those who were not. That matches more people;
without it a stable matching may be half the size of the largest.

Guarantees. Stable in any case: no pair blocks (`certificate.blocking_pairs` counts them). Strict lists: best for
mentees, and no mentee gains by misstating their list (mentors may). Ties on the mentors' side only: at least two thirds
of the largest stable matching. Ties on a mentee's side are broken by the order given, which keeps it stable, but the
two thirds are then not promised.

Sources: D. Gale and L. S. Shapley, "College admissions and the stability of marriage", American Mathematical Monthly 69
(1962); Z. Kiraly, "Better and simpler approximation algorithms for the stable marriage problem", Algorithmica 60
(2011), and "Linear time local approximation algorithm for maximum stable marriage", Algorithms 6 (2013), for promotion;
the largest is hard to find: D. F. Manlove and others, "Hard variants of stable marriage", Theoretical Computer Science
276 (2002).
"""

from __future__ import annotations

import numpy as np

from .compiled import compiled
from .market import Ints, NoMarket, Places


def stable(start: Ints, mentor: Places, rank: Places, capacity: Places, *, promote: bool = True) -> Places:
    """The mentor of each mentee, or NOBODY.

    Mentee i lists mentor[start[i]:start[i+1]], most wanted first. `rank`: for each entry the place of the mentee on
    that mentor's list; lower is better, equal is equally good. Whoever is not on the list of both must not be an entry.
    With strict ranks promotion changes nothing.
    """
    mentor_of: Places = _propose(start, mentor, rank, capacity, promote)
    return mentor_of


def ranks_of_lists(start: Ints, mentor: Places, mentor_start: Ints, mentee: Places) -> Places:
    """Ranks by entry from mentors' own lists: mentor j lists mentee[mentor_start[j]:mentor_start[j+1]], best first.

    Raises NoMarket if a mentee lists a mentor who does not list them.
    """
    rank: Places = _ranks(start, mentor, mentor_start, mentee)
    if len(rank) and rank.min() < 0:
        raise NoMarket("mentee: a mentor is listed by someone whom they do not list")
    return rank


@compiled
def _ranks(start: Ints, mentor: Places, mentor_start: Ints, mentee: Places) -> Places:
    mentees, entries = len(start) - 1, len(mentor)
    # Turn the mentees' entries round, by mentor; then one pass per mentor meets each entry twice and nothing else.
    first = np.zeros(len(mentor_start) + 1, np.int64)
    for e in range(entries):
        first[mentor[e] + 2] += 1
    for j in range(2, len(first)):
        first[j] += first[j - 1]
    turned, owner = np.zeros(entries, np.int64), np.zeros(entries, np.int32)
    for i in range(mentees):
        for e in range(start[i], start[i + 1]):
            spot = first[mentor[e] + 1]
            turned[spot], owner[spot] = e, i
            first[mentor[e] + 1] = spot + 1
    rank, place = np.full(entries, -1, np.int32), np.full(mentees, -1, np.int32)
    for j in range(len(mentor_start) - 1):
        for at in range(mentor_start[j], mentor_start[j + 1]):
            place[mentee[at]] = at - mentor_start[j]
        for spot in range(first[j], first[j + 1]):
            rank[turned[spot]] = place[owner[spot]]
        for at in range(mentor_start[j], mentor_start[j + 1]):
            place[mentee[at]] = -1
    return rank


@compiled
def _sift(keys: Ints, holders: Places, low: int, count: int, key: int, holder: int) -> None:
    """Put an entry at the top of the heap low:low+count, in the place of the largest key, and let it sink."""
    hole = 0
    while True:
        child = 2 * hole + 1
        if child >= count:
            break
        if child + 1 < count and keys[low + child + 1] > keys[low + child]:
            child += 1
        if keys[low + child] <= key:
            break
        keys[low + hole], holders[low + hole] = keys[low + child], holders[low + child]
        hole = child
    keys[low + hole], holders[low + hole] = key, holder


@compiled
def _propose(start: Ints, mentor: Places, rank: Places, capacity: Places, promote: bool) -> Places:
    mentees, mentors = len(start) - 1, len(capacity)
    first = np.zeros(mentors + 1, np.int64)
    for j in range(mentors):
        first[j + 1] = first[j] + capacity[j]
    keys, holders = np.zeros(first[mentors], np.int64), np.zeros(first[mentors], np.int32)
    held, mentor_of = np.zeros(mentors, np.int32), np.full(mentees, -1, np.int32)
    nexts, promoted = start[:-1].copy(), np.zeros(mentees, np.bool_)
    for begin in range(mentees):
        i = begin
        while i >= 0:
            if nexts[i] == start[i + 1]:
                if promoted[i] or not promote or start[i] == start[i + 1]:
                    break
                promoted[i] = True
                nexts[i] = start[i]
            e = nexts[i]
            nexts[i] += 1
            j = mentor[e]
            # Twice the rank leaves room for who was promoted to come before who was not.
            key = 2 * np.int64(rank[e]) + (0 if promoted[i] else 1)
            low, count = first[j], held[j]
            if count < capacity[j]:
                hole = count
                while hole > 0 and keys[low + (hole - 1) // 2] < key:
                    keys[low + hole], holders[low + hole] = keys[low + (hole - 1) // 2], holders[low + (hole - 1) // 2]
                    hole = (hole - 1) // 2
                keys[low + hole], holders[low + hole] = key, i
                held[j] += 1
                mentor_of[i] = j
                break
            if count == 0 or keys[low] <= key:
                continue
            refused = holders[low]
            _sift(keys, holders, low, count, int(key), i)
            mentor_of[i], mentor_of[refused] = j, -1
            i = refused
    return mentor_of
