"""Auction, exact paths and coverage against trying everything, on markets small enough for that."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.matching_engine import brute
from tests.unit.matching_engine.markets import from_dense, small
from tests.unit.matching_engine.pools import random_market

from matching.domain.engine import auction, certificate, paths, rounds
from matching.domain.engine import market as markets
from matching.domain.engine.market import Market


@settings(max_examples=150, deadline=None)
@given(small())
def test_exact_is_worth_the_most_and_its_prices_prove_it(market: Market) -> None:
    checked = certificate.verify(market, paths.exact(market))
    assert checked.faults == ()
    assert checked.value == checked.bound == brute.most(market)[1]


@settings(max_examples=150, deadline=None)
@given(small(), st.sampled_from((1, 4)))
def test_the_auction_is_within_a_step_a_pair_and_proves_it(market: Market, epsilon: int) -> None:
    checked = certificate.verify(market, auction.solve(market, epsilon))
    best = brute.most(market)[1]
    assert checked.faults == ()
    assert checked.value <= best <= checked.bound
    assert checked.bound - checked.value <= epsilon * checked.matched


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from((2, 30, 10_000)), st.sampled_from((1, 7, 200)))
def test_the_auction_proves_itself_where_mentees_have_more_candidates_than_they_remember(
    seed: int, levels: int, epsilon: int
) -> None:
    random = np.random.default_rng(seed)
    mentees, mentors = int(random.integers(1, 90)), int(random.integers(9, 40))
    allowed = random.random((mentees, mentors)) < random.random()
    allowed[0] = False
    capacity = random.integers(0, 5, mentors)
    made = from_dense(random.integers(-levels // 4, levels, allowed.shape), capacity, allowed)
    cost = markets.load_costs(random.integers(0, 3, mentors), capacity, int(random.integers(0, levels)))
    for market in (made, markets.market(made.start, made.mentor, made.points, made.capacity, cost)):
        checked = certificate.verify(market, auction.solve(market, epsilon))
        exact = paths.exact(market)
        assert checked.faults == ()
        assert checked.value <= certificate.value_of(market, exact.mentor_of) <= checked.bound
        assert checked.bound - checked.value <= epsilon * checked.matched


@pytest.mark.parametrize("epsilon", [0, markets.MOST_POINTS + 1])
def test_a_step_that_is_none_or_beyond_all_points_is_refused(epsilon: int) -> None:
    with pytest.raises(ValueError, match="epsilon"):
        auction.solve(random_market(1, 5, 5), epsilon)


@settings(max_examples=100, deadline=None)
@given(small())
def test_steps_too_small_to_lose_a_point_lose_none(market: Market) -> None:
    finer, answer = auction.solve_to_the_point(market)
    assert certificate.verify(finer, answer).faults == ()
    assert certificate.value_of(market, answer.mentor_of) == brute.most(market)[1]


def test_points_that_cannot_be_made_finer_are_refused() -> None:
    with pytest.raises(markets.NoMarket):
        auction.solve_to_the_point(from_dense(np.full((2, 2), markets.MOST_POINTS), [1, 1]))


@settings(max_examples=150, deadline=None)
@given(small(), st.sampled_from((1, 4)), st.booleans())
def test_as_many_as_possible_makes_the_most_pairs_then_the_most_points(
    market: Market, epsilon: int, begin_exact: bool
) -> None:
    begun = paths.exact(market) if begin_exact else auction.solve(market, epsilon)
    answer = paths.as_many_as_possible(market, begun)
    checked = certificate.verify(market, answer, short=paths.short_of_places(market, answer.mentor_of))
    pairs, best = brute.most(market, bonus=10**6)
    assert checked.faults == ()
    assert checked.matched == checked.most_pairs == pairs
    assert best - epsilon * pairs <= checked.value <= best <= checked.bound <= checked.value + epsilon * pairs


@settings(max_examples=100, deadline=None)
@given(small(), st.integers(0, 40))
def test_a_limit_adds_a_pair_only_if_it_costs_no_more(market: Market, limit: int) -> None:
    answer = paths.as_many_as_possible(market, paths.exact(market), limit)
    checked = certificate.verify(market, answer)
    pairs, best = brute.most(market, bonus=limit)
    assert checked.value + limit * checked.matched == best + limit * pairs


@settings(max_examples=100, deadline=None)
@given(small(), st.lists(st.integers(0, 60), min_size=4, max_size=4), st.integers(0, 9))
def test_any_prices_bound_what_can_be_had(market: Market, prices: list[int], bonus: int) -> None:
    pairs, best = brute.most(market, bonus)
    assert certificate.bound(market, np.array(prices[: market.mentors], np.int64), bonus) >= best + bonus * pairs


# W. L. Winston, "Operations Research: Applications and Algorithms", 4th ed. (2004), section 7.5, the machine company's
# four jobs on four machines: least total set-up time 15.
_SET_UP_TIMES = [[14, 5, 8, 7], [2, 12, 6, 5], [7, 8, 3, 9], [2, 4, 6, 10]]


def test_a_published_assignment_problem_has_its_published_answer() -> None:
    times = np.array(_SET_UP_TIMES)
    market = from_dense(100 - times, [1, 1, 1, 1])
    for answer in (paths.exact(market), auction.solve(market, 1)):
        assert 400 - certificate.value_of(market, answer.mentor_of) <= 15 + answer.epsilon * 4
    assert paths.exact(market).mentor_of.tolist() == [1, 3, 2, 0]


# E. Beasley's OR-Library names its assignment problems' optima; the smallest family with a closed form is D. Machol and
# M. Wien's, "A hard assignment problem", Operations Research 24 (1976): costs i * j, optimum sum of i * (n + 1 - i).
@pytest.mark.parametrize("size", [5, 40])
def test_machol_and_wien_s_hard_problem_has_its_known_optimum(size: int) -> None:
    numbers = np.arange(1, size + 1)
    market = from_dense(size * size + 1 - np.outer(numbers, numbers), np.ones(size, np.int64))
    optimum = size * (size * size + 1) - int((numbers * numbers[::-1]).sum())
    assert certificate.value_of(market, paths.exact(market).mentor_of) == optimum


@pytest.mark.parametrize(
    ("scores", "capacity"),
    [
        (np.zeros((0, 0), int), []),
        (np.zeros((0, 3), int), [1, 1, 1]),
        (np.zeros((3, 0), int), []),
        (np.full((4, 3), 7), [0, 0, 0]),
        (np.full((4, 3), -7), [1, 1, 1]),
        (np.zeros((4, 3), int), [1, 1, 1]),
        (np.full((6, 3), 7), [1, 1, 1]),
        (np.full((3, 2), markets.MOST_POINTS), [1, 1]),
    ],
    ids=["nobody", "no mentees", "no mentors", "no places", "all negative", "all nothing", "all tied", "huge"],
)
def test_degenerate_pools_have_answers(scores: np.ndarray, capacity: list[int]) -> None:
    market = from_dense(scores, np.array(capacity, np.int64))
    for objective in ("total", "participation", "stability", "fairness"):
        wish = rounds.Wish(objective, need_order=np.arange(market.mentees))
        found = rounds.run(market, wish)
        assert found.certificate.faults == ()
        if objective == "total":
            expected = min(int((scores > 0).any(axis=1).sum()) if scores.size else 0, sum(capacity))
            assert found.certificate.matched == expected


def test_five_thousand_alike_fill_every_place() -> None:
    mentees, mentors = 5000, 700
    start = np.arange(0, mentees * 20 + 1, 20)
    mentor = (np.arange(mentees)[:, None] * 7 + np.arange(20)) % mentors
    market = markets.market(start, mentor.ravel(), np.full(mentees * 20, 1 << 19), np.full(mentors, 3))
    checked = certificate.verify(market, auction.solve(market))
    assert checked.matched == mentors * 3
    assert checked.gap <= auction.EPSILON / (1 << 19)


@pytest.mark.parametrize(
    ("start", "mentor", "points", "capacity"),
    [
        ([0, 1], [0], [float("nan")], [1]),
        ([0, 1], [0], [float("inf")], [1]),
        ([0, 1], [0], [0.5], [1]),
        ([0, 1], [0], [2**31], [1]),
        ([0, 1], [1], [5], [1]),
        ([0, 1], [-1], [5], [1]),
        ([0, 2], [0, 0], [5, 5], [1]),
        ([0, 2], [0], [5], [1]),
        ([1, 1], [0], [5], [1]),
        ([0, 1], [0], [5], [-1]),
        ([], [], [], []),
    ],
)
def test_what_is_no_market_is_refused(
    start: list[int], mentor: list[int], points: list[float], capacity: list[int]
) -> None:
    with pytest.raises(markets.NoMarket):
        markets.market(np.array(start), np.array(mentor), np.array(points), np.array(capacity))


def test_scores_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(markets.NoMarket):
        markets.whole_points([0.5, float("nan")])
    with pytest.raises(markets.NoMarket):
        markets.whole_points([1e9])
    assert markets.whole_points([0.5, -0.25]).tolist() == [1 << 19, -(1 << 18)]


def test_place_costs_must_not_fall() -> None:
    with pytest.raises(markets.NoMarket):
        markets.market([0, 1], [0], [5], [2], [3, 2])


def test_load_costs_spread_mentees_over_mentors() -> None:
    market = from_dense(np.array([[10, 9]] * 4), [4, 4])
    costs = markets.load_costs([0, 0], market.capacity, 3)
    spread = markets.market(market.start, market.mentor, market.points, market.capacity, costs)
    assert brute.loads(market, auction.solve(market, 1).mentor_of.tolist()) == [4, 0]
    assert brute.loads(spread, auction.solve(spread, 1).mentor_of.tolist()) == [2, 2]


def test_same_input_same_answer_whatever_runs_beside_it() -> None:
    pools = [random_market(seed, 300, 60) for seed in range(4)]
    alone = [rounds.run(pool, rounds.Wish("participation")) for pool in pools]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda pool: rounds.run(pool, rounds.Wish("participation")), pools * 2))
    for number, found in enumerate(together):
        expected = alone[number % 4]
        assert found.digest == expected.digest
        assert found.assignment.mentor_of.tobytes() == expected.assignment.mentor_of.tobytes()
        assert found.assignment.price.tobytes() == expected.assignment.price.tobytes()


def test_the_digest_sees_every_array() -> None:
    market = random_market(3, 20, 8)
    digests = {market.digest()}
    for name in ("mentor", "points", "capacity"):
        array = getattr(market, name).copy()
        array[0] += 1
        digests.add(markets.Market(**{**{n: getattr(market, n) for n in market.__slots__}, name: array}).digest())
    assert len(digests) == 4


def test_the_checker_finds_what_is_not_allowed() -> None:
    market = from_dense(np.array([[5, 0], [5, 0], [5, 4]]), [1, 1], np.array([[True, False]] * 2 + [[True, True]]))
    assert certificate.infeasible(market, np.array([0, 0, -1], np.int32)) != ()
    assert certificate.infeasible(market, np.array([1, -1, -1], np.int32)) != ()
    assert certificate.infeasible(market, np.array([0, -1], np.int32)) != ()
    assert certificate.infeasible(market, np.array([0, -1, 1], np.int32)) == ()
    assert certificate.value_of(market, np.array([0, -1, 1], np.int32)) == 9
    with pytest.raises(ValueError, match="marked"):
        certificate.most_pairs(market, np.ones(3, np.bool_), np.zeros(2, np.bool_))
