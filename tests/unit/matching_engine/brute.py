"""Answers by trying everything: slow, short, and sharing nothing with the engine but the market's arrays."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np

from matching.domain.engine.market import Market


def assignments(market: Market) -> Iterator[list[int]]:
    """Every allowed assignment, as a mentor or -1 for each mentee."""
    left = market.capacity.tolist()

    def go(mentee: int) -> Iterator[list[int]]:
        if mentee == market.mentees:
            yield []
            return
        own = market.mentor[market.start[mentee] : market.start[mentee + 1]].tolist()
        for mentor in (-1, *own):
            if mentor < 0 or left[mentor] > 0:
                if mentor >= 0:
                    left[mentor] -= 1
                for rest in go(mentee + 1):
                    yield [mentor, *rest]
                if mentor >= 0:
                    left[mentor] += 1

    return go(0)


def most(market: Market, bonus: int = 0) -> tuple[int, int]:
    """Number of pairs and worth of an assignment of the largest worth with `bonus` for each pair."""
    costs, first = market.costs().tolist(), market.first_place().tolist()

    @cache
    def go(mentee: int, taken: tuple[int, ...]) -> tuple[int, int]:
        if mentee == market.mentees:
            return 0, 0
        found = [go(mentee + 1, taken)]
        for entry in range(market.start[mentee], market.start[mentee + 1]):
            mentor = int(market.mentor[entry])
            if taken[mentor] < market.capacity[mentor]:
                cost = costs[first[mentor] + taken[mentor]]
                pairs, worth = go(mentee + 1, (*taken[:mentor], taken[mentor] + 1, *taken[mentor + 1 :]))
                found.append((pairs + 1, worth + int(market.points[entry]) - cost))
        return max(found, key=lambda answer: (answer[1] + bonus * answer[0], answer[0]))

    return go(0, (0,) * market.mentors)


def points_of(market: Market, mentee: int, mentor: int) -> int:
    own = slice(int(market.start[mentee]), int(market.start[mentee + 1]))
    return int(market.points[own][market.mentor[own] == mentor][0])


def blocks(
    market: Market, mentor_of: list[int], rank: dict[tuple[int, int], int], wish: dict[tuple[int, int], int]
) -> bool:
    """Whether some mentee and mentor would both rather have each other; lower rank and lower wish are better."""
    held: dict[int, list[int]] = {}
    for mentee, mentor in enumerate(mentor_of):
        if mentor >= 0:
            held.setdefault(mentor, []).append(rank[mentee, mentor])
    for (mentee, mentor), place in rank.items():
        has = mentor_of[mentee]
        wants = has < 0 or wish[mentee, mentor] < wish[mentee, has]
        ranks = held.get(mentor, [])
        if wants and market.capacity[mentor] and (len(ranks) < market.capacity[mentor] or place < max(ranks)):
            return True
    return False


def loads(market: Market, mentor_of: list[int]) -> list[int]:
    taken = np.array([mentor for mentor in mentor_of if mentor >= 0], np.int64)
    counts: list[int] = np.bincount(taken, minlength=market.mentors).tolist()
    return counts
