"""One whole-pool round: the objective a program chose, solved, and certified by the checker before anybody sees it.

The one way in for the service: a market and what the program wants, in; who with whom, and the figures that every round
reports, out. Same input, same output, bit for bit: no clock, no randomness, no thread decides anything. Releases the
GIL while it solves. Refuses to return an assignment that the checker finds a fault in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from . import auction, fairness, paths, stability
from .certificate import Certificate, blocking_pairs, verify
from .market import Assignment, Flags, Ints, Market, Places

Objective: TypeAlias = Literal["total", "participation", "stability", "fairness"]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a round is for.

    `most_for_a_pair`: how many points of the sum a further pair may cost. None means none of them for "total", and
    whatever it takes for "participation". `need_order`: for "fairness", mentees with the neediest first. `rank`: for
    "stability", by candidate entry the place of the mentee on the mentor's list; None ranks by points, so that both
    sides rank by the same score.
    """

    objective: Objective = "total"
    epsilon: int = auction.EPSILON
    most_for_a_pair: int | None = None
    need_order: Ints | None = None
    rank: Places | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """The answer to a wish. A stable round maximises nothing; its bound has no prices to lean on and says little.

    `scope`: the market that the certificate is about: the one given, or for "fairness" what its first two steps left.
    `floor`: for "fairness", the lowest points of any pair, which is as high as it can be. `digest`: of the market
    given.
    """

    assignment: Assignment
    certificate: Certificate
    scope: Market
    floor: int | None
    digest: str


class Faulty(RuntimeError):
    """The checker found a fault in what the solver returned: a bug, never a property of the pool."""


def run(market: Market, wish: Wish) -> Round:
    """Solve and check. Raises Faulty, and ValueError for a wish that lacks what its objective needs."""
    scope, floor = market, None
    if wish.objective == "stability":
        answer = _stable(market, wish.rank)
    elif wish.objective == "fairness":
        if wish.need_order is None:
            raise ValueError("fairness needs an order of need")
        fair = fairness.fair(market, wish.need_order, epsilon=wish.epsilon)
        scope, answer, floor = fair.market, fair.assignment, fair.floor
    else:
        answer = auction.solve(market, wish.epsilon)
        if wish.objective == "participation" or wish.most_for_a_pair is not None:
            answer = paths.as_many_as_possible(market, answer, wish.most_for_a_pair)
    short: tuple[Flags, Flags] | None = None
    if wish.objective in ("participation", "fairness"):
        short = paths.short_of_places(scope, answer.mentor_of)
    return certified(market, answer, scope, floor=floor, short=short)


def certified(
    market: Market,
    answer: Assignment,
    scope: Market,
    *,
    floor: int | None = None,
    short: tuple[Flags, Flags] | None = None,
) -> Round:
    """The answer to a market, checked within `scope`, which is what the prices are about. Raises Faulty."""
    certificate = verify(scope, answer, short=short)
    if certificate.faults:
        raise Faulty("; ".join(certificate.faults))
    return Round(answer, certificate, scope, floor, market.digest())


def _stable(market: Market, rank: Places | None) -> Assignment:
    """Lists in the order of points; equal ones in the order of the candidates."""
    order = np.lexsort((np.arange(market.pairs), -market.points, market.rows()))
    ranks = (_ranks_by_points(market) if rank is None else rank)[order]
    mentor_of = stability.stable(market.start, market.mentor[order], ranks, market.capacity)
    if len(blocking_pairs(market, mentor_of, -rank if rank is not None else None)):
        raise Faulty("the stable answer has blocking pairs")
    return Assignment(mentor_of, np.zeros(market.mentors, np.int64))


def _ranks_by_points(market: Market) -> Places:
    """Place by points, over all pairs at once: it only matters how a mentor's own compare."""
    _, rank = np.unique(-market.points, return_inverse=True)
    return rank.astype(np.int32)
