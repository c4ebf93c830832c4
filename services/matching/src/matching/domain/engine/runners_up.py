"""Who would have been next, for every pair of an answer at once: what a review shows beside each draft.

The same as `explain.why` says of one pair, in a few passes over all candidates. Prices are the answer's own; under
stability there are none, and points are compared as they are. Changes nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .market import NOBODY, Assignment, Ints, Market, Places


class RunnersUp(NamedTuple):
    """By mentee: the best other candidate and by how many points the one they have is ahead. By mentor: who came
    closest to a place there without having it, and by how many points they fell short. NOBODY and 0 where nobody did.
    """

    next_mentor: Places
    ahead_of_next: Ints
    next_mentee: Places
    short_of_place: Ints


def runners_up(market: Market, assignment: Assignment) -> RunnersUp:
    """For every matched mentee and every mentor. Of equals the earlier entry."""
    rows, mentor = market.rows(), market.mentor
    net = market.points.astype(np.int64) + assignment.bonus - assignment.price[mentor]
    own = mentor == assignment.mentor_of[rows]
    open_to = market.capacity[mentor] > 0
    profit = np.zeros(market.mentees, np.int64)
    profit[rows[own]] = net[own]

    next_mentor = np.full(market.mentees, NOBODY, np.int32)
    ahead = np.zeros(market.mentees, np.int64)
    others = np.flatnonzero(~own & open_to & (assignment.mentor_of[rows] != NOBODY))
    others = others[np.lexsort((others, -net[others], rows[others]))]
    best = others[np.r_[True, rows[others][1:] != rows[others][:-1]]] if len(others) else others
    next_mentor[rows[best]] = mentor[best]
    ahead[rows[best]] = profit[rows[best]] - net[best]

    next_mentee = np.full(market.mentors, NOBODY, np.int32)
    short = np.zeros(market.mentors, np.int64)
    rivals = np.flatnonzero(~own & open_to)
    missing = profit[rows[rivals]] - net[rivals]
    order = np.lexsort((rivals, missing, mentor[rivals]))
    rivals, missing = rivals[order], missing[order]
    first = np.r_[True, mentor[rivals][1:] != mentor[rivals][:-1]] if len(rivals) else np.zeros(0, np.bool_)
    next_mentee[mentor[rivals[first]]] = rows[rivals[first]]
    short[mentor[rivals[first]]] = np.maximum(0, missing[first])
    return RunnersUp(next_mentor, ahead, next_mentee, short)
