"""Stability, fairness, circles and peers against trying everything."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.matching_engine import brute
from tests.unit.matching_engine.markets import small

from matching.domain.engine import certificate, fairness, groups, stability
from matching.domain.engine.market import Market, NoMarket


def _two_sided(market: Market, levels: int, seed: int) -> tuple[Market, np.ndarray]:
    """Lists in random order, ranks of few levels."""
    random = np.random.default_rng(seed)
    order = np.lexsort((random.random(market.pairs), market.rows()))
    ranks = random.integers(0, levels, market.pairs).astype(np.int32)
    return Market(market.start, market.mentor[order], market.points, market.capacity), ranks


@settings(max_examples=150, deadline=None)
@given(small(costs=False), st.sampled_from((1, 2, 1000)), st.integers(0, 1000))
def test_stable_blocks_nothing_and_is_two_thirds_of_the_largest(market: Market, levels: int, seed: int) -> None:
    lists, ranks = _two_sided(market, levels, seed)
    entries = list(zip(lists.rows().tolist(), lists.mentor.tolist(), strict=True))
    rank = {pair: int(ranks[at]) for at, pair in enumerate(entries)}
    wish = {pair: at for at, pair in enumerate(entries)}
    found = stability.stable(lists.start, lists.mentor, ranks, lists.capacity).tolist()
    assert all(load <= places for load, places in zip(brute.loads(lists, found), lists.capacity, strict=True))
    assert not brute.blocks(lists, found, rank, wish)
    largest = max(
        sum(mentor >= 0 for mentor in other)
        for other in brute.assignments(lists)
        if not brute.blocks(lists, other, rank, wish)
    )
    assert 3 * sum(mentor >= 0 for mentor in found) >= 2 * largest


# D. Gale and L. S. Shapley (1962), example 2: four men and four women with one stable matching.
_MEN = [[0, 1, 2, 3], [0, 3, 2, 1], [1, 0, 2, 3], [3, 1, 2, 0]]
_WOMEN = [[3, 2, 0, 1], [1, 3, 0, 2], [3, 0, 1, 2], [2, 1, 0, 3]]


def test_gale_and_shapley_s_example_has_its_published_answer() -> None:
    start = np.arange(0, 17, 4)
    mentor, mentee = np.array(_MEN, np.int32).ravel(), np.array(_WOMEN, np.int32).ravel()
    ranks = stability.ranks_of_lists(start, mentor, start, mentee)
    found = stability.stable(start, mentor, ranks, np.ones(4, np.int32))
    assert found.tolist() == [2, 3, 0, 1]


def test_lists_that_do_not_agree_are_refused() -> None:
    with pytest.raises(NoMarket):
        stability.ranks_of_lists(np.array([0, 1]), np.array([0], np.int32), np.array([0, 0]), np.zeros(0, np.int32))


def test_promotion_matches_more_where_mentors_are_indifferent() -> None:
    # The first mentee takes the only mentor the second one has, unless a refused one is promoted.
    start, mentor, rank = np.array([0, 2, 3]), np.array([0, 1, 0], np.int32), np.zeros(3, np.int32)
    places = np.ones(2, np.int32)
    assert stability.stable(start, mentor, rank, places, promote=False).tolist() == [0, -1]
    assert stability.stable(start, mentor, rank, places).tolist() == [1, 0]


@settings(max_examples=120, deadline=None)
@given(small(lowest=1, costs=False), st.randoms(use_true_random=False))
def test_fairness_keeps_its_three_promises(market: Market, random: object) -> None:
    order = np.array(random.sample(range(market.mentees), market.mentees), np.int64)  # type: ignore[attr-defined]
    found = fairness.fair(market, order, epsilon=1)
    checked = certificate.verify(found.market, found.assignment)

    def rank(mentor_of: list[int]) -> tuple[list[bool], int, int]:
        points = [brute.points_of(market, i, j) for i, j in enumerate(mentor_of) if j >= 0]
        return [mentor_of[i] >= 0 for i in order], min(points, default=0), sum(points)

    who, floor, total = max(map(rank, brute.assignments(market)))
    assert checked.faults == ()
    assert [bool(found.included[i]) for i in order] == who
    assert np.array_equal(found.assignment.mentor_of >= 0, found.included)
    assert found.floor == floor
    assert total - checked.matched <= checked.value <= total


def test_need_puts_who_never_had_a_mentor_first_then_who_waited_longest() -> None:
    order = fairness.need_order(np.array([5, 90, 5, 30]), np.array([False, True, False, False]))
    assert order.tolist() == [3, 0, 2, 1]


@settings(max_examples=80, deadline=None)
@given(small(lowest=1, costs=False), st.lists(st.integers(0, 3), min_size=4, max_size=4))
def test_circles_have_their_sizes_and_a_bound(market: Market, least: list[int]) -> None:
    found = groups.circles(market, np.array(least[: market.mentors], np.int32), epsilon=1)
    loads = brute.loads(market, found.assignment.mentor_of.tolist())
    for load, low, high in zip(loads, least, market.capacity, strict=False):
        assert load == 0 or low <= load <= high
    assert certificate.value_of(market, found.assignment.mentor_of) == found.value
    able = np.where(market.capacity >= np.array(least[: market.mentors], int), market.capacity, 0).astype(np.int32)
    assert brute.most(replace(market, capacity=able))[1] <= found.bound


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 7), st.integers(0, 10**6))
def test_peers_are_worth_two_thirds_of_the_most_at_least(people: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    points = np.triu(random.integers(1, 40, (people, people)), 1)
    may = np.triu(random.random((people, people)) < 0.6, 1)
    points, may = points + points.T, may | may.T
    start = np.concatenate([[0], np.cumsum(may.sum(axis=1))]).astype(np.int64)
    found = groups.peers(start, np.nonzero(may)[1].astype(np.int32), points[may].astype(np.int32), epsilon=1)

    @cache
    def most(left: frozenset[int]) -> int:
        if not left:
            return 0
        one = min(left)
        rest = left - {one}
        return max([most(rest), *(int(points[one, two]) + most(rest - {two}) for two in rest if may[one, two])])

    best = most(frozenset(range(people)))
    partner = found.partner.tolist()
    assert all(partner[other] == one and may[one, other] for one, other in enumerate(partner) if other >= 0)
    assert found.value == sum(int(points[one, other]) for one, other in enumerate(partner) if other >= 0) // 2
    assert found.value <= best <= found.bound
    assert 3 * (found.value + people) >= 2 * best


def test_peers_who_stand_at_one_side_only_are_refused() -> None:
    with pytest.raises(NoMarket):
        groups.peers(np.array([0, 1, 1]), np.array([1], np.int32), np.array([5], np.int32))
