"""A standing pool after every arrival and departure, and what is said about an answer afterwards."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.matching_engine import brute
from tests.unit.matching_engine.markets import from_dense, small
from tests.unit.matching_engine.pools import random_market

from matching.domain.engine import arrivals, auction, audit, certificate, explain, paths
from matching.domain.engine.market import Market


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from((1, 7)))
def test_a_standing_pool_keeps_its_proof_through_every_change(seed: int, epsilon: int) -> None:
    random = np.random.default_rng(seed)
    mentors = int(random.integers(1, 6))
    standing = arrivals.Standing(random.integers(0, 4, mentors), width=mentors, epsilon=epsilon)
    here: list[int] = []
    for _ in range(25):
        before, what = standing.mentor_of.copy(), random.random()
        if what < 0.7 or not here:
            some = random.permutation(mentors)[: random.integers(0, mentors + 1)]
            changed = standing.arrive(some, random.integers(-3, 40, len(some)))
            here.append(standing.mentees - 1)
            before = np.append(before, -1)
        else:
            changed = standing.withdraw(here.pop(int(random.integers(len(here)))))
        assert set(np.flatnonzero(standing.mentor_of != before)) <= set(changed.tolist())
        market = standing.market()
        checked = certificate.verify(market, standing.assignment())
        best = certificate.value_of(market, paths.exact(market).mentor_of)
        assert checked.faults == ()
        assert checked.value <= best <= checked.bound <= checked.value + epsilon * checked.matched


def test_a_pool_that_only_grew_is_as_good_as_a_round() -> None:
    market = random_market(4, 200, 50)
    standing = arrivals.Standing(market.capacity, width=50, epsilon=1)
    for i in range(market.mentees):
        own = slice(int(market.start[i]), int(market.start[i + 1]))
        standing.arrive(market.mentor[own], market.points[own])
    exact = certificate.value_of(market, paths.exact(market).mentor_of)
    assert exact - certificate.value_of(market, standing.mentor_of) <= market.mentees


def test_a_match_for_good_goes_where_the_gain_over_the_price_is_largest() -> None:
    mentor, points = np.array([0, 1, 2], np.int32), np.array([90, 80, 50], np.int32)
    price, free = np.array([40, 10, 0]), np.array([1, 1, 1])
    assert arrivals.choose_at_once(mentor, points, price, free) == 1
    assert arrivals.choose_at_once(mentor, points, price, np.array([1, 0, 0])) == 0
    assert arrivals.choose_at_once(mentor, points, np.array([95, 95, 95]), free) == -1
    assert arrivals.choose_at_once(mentor[:0], points[:0], price, free) == -1


def test_prices_fade_with_the_root_of_who_is_still_to_come() -> None:
    price = np.array([1000, 0])
    assert arrivals.faded(price, 100, 100).tolist() == [1000, 0]
    assert arrivals.faded(price, 25, 100).tolist() == [500, 0]
    assert arrivals.faded(price, 0, 100).tolist() == arrivals.faded(price, 5, 0).tolist() == [0, 0]


def test_a_bonus_for_what_stands_moves_fewer_people() -> None:
    market = random_market(5, 300, 80)
    before = auction.solve(market).mentor_of
    capacity = market.capacity.copy()
    capacity[:4] = 0
    left = Market(market.start, market.mentor, market.points, capacity)
    steps = arrivals.frontier(left, np.where(before < 4, -1, before).astype(np.int32), (0, 1 << 16, 1 << 21))
    moved, value = [step.moved for step in steps], [step.value for step in steps]
    assert moved[0] > moved[-1] == 0
    assert value[0] >= value[-1]


@settings(max_examples=60, deadline=None)
@given(small(lowest=1, costs=False))
def test_the_smallest_change_makes_the_pair_and_one_point_less_need_not(market: Market) -> None:
    answer = paths.exact(market)
    best = brute.most(market)[1]
    for i, j in zip(market.rows().tolist(), market.mentor.tolist(), strict=True):
        change = explain.smallest_change(market, answer, i, j)
        if market.capacity[j] == 0:
            continue
        assert change.verified
        assert explain.shortfall(market, answer, i, j) <= change.points
        if answer.mentor_of[i] != j:
            forced = max(
                sum(brute.points_of(market, a, b) for a, b in enumerate(other) if b >= 0)
                for other in brute.assignments(market)
                if other[i] == j
            )
            assert change.points == best - forced + 1


def test_a_choice_names_the_runners_up_on_both_sides() -> None:
    market = from_dense(np.array([[90, 60], [80, 10], [20, 15]]), [1, 1])
    answer = auction.solve(market, 1)
    assert answer.mentor_of.tolist() == [1, 0, -1]
    first = explain.why(market, answer, 1)
    assert (first.points, first.next_mentor, first.next_mentee) == (80, 1, 0)
    assert explain.why(market, answer, 0).next_mentor == 0
    left_out = explain.unmatched(market, answer, 2)
    assert (left_out.candidates, left_out.better_used, left_out.no_place) == (2, 2, 0)
    assert left_out.short > 0
    with pytest.raises(LookupError):
        explain.why(market, answer, 2)
    with pytest.raises(LookupError):
        explain.unmatched(market, answer, 0)


def test_a_change_in_a_large_pool_is_found_by_solving_again(monkeypatch: pytest.MonkeyPatch) -> None:
    market = random_market(6, 120, 30)
    answer = auction.solve(market)
    mentee = int(np.flatnonzero((answer.mentor_of < 0) & (np.diff(market.start) > 0))[0])
    entry = next(
        entry
        for entry in range(market.start[mentee], market.start[mentee + 1])
        if market.capacity[market.mentor[entry]] > 0
    )
    exact = explain.smallest_change(market, answer, mentee, int(market.mentor[entry]))
    monkeypatch.setattr(explain, "EXACT_UP_TO", 0)
    found = explain.smallest_change(market, answer, mentee, int(market.mentor[entry]))
    assert found.verified
    assert abs(found.points - exact.points) <= 130 * auction.EPSILON


def test_a_difference_lists_who_gained_lost_and_moved() -> None:
    before, after = np.array([0, 1, -1, 2] * 5, np.int32), np.array([0, -1, 1, 3] * 5, np.int32)
    found = audit.difference(before, after)
    assert (len(found.gained), len(found.lost), len(found.moved), found.kept) == (5, 5, 5, 5)


def test_what_is_hidden_cannot_be_computed_from_what_is_shown() -> None:
    def shown(*rows: tuple[int, ...], least: tuple[int, ...]) -> list[int]:
        found: list[int] = np.flatnonzero(~audit.hidden(np.array(rows), least)).tolist()
        return found

    assert shown((10,), (20,), least=(5,)) == [0, 1]
    assert shown((4,), (20,), (30,), least=(5,)) == [2]  # the next smallest goes too
    assert shown((2,), (3,), (20,), (30,), least=(5,)) == [2, 3]  # five together are enough
    assert shown((2,), (2,), (20,), (30,), least=(5,)) == [3]
    assert shown((4,), (6,), least=(5,)) == []
    # Of fifty and thirty people, all of the one matched and none of the other: that would tell who is who.
    assert shown((50, 50, 0), (30, 0, 30), least=(10, 5, 5)) == []
    assert shown((50, 40, 10), (30, 12, 18), (20, 20, 0), least=(10, 5, 5)) == [0]


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=8),
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
)
def test_hidden_groups_together_are_never_few(cells: list[tuple[int, int]], least: tuple[int, int]) -> None:
    counts = np.array(cells)
    hide = audit.hidden(counts, least)
    assert (counts[~hide] >= least).all()
    assert not hide.any() or hide.all() or (counts[hide].sum(axis=0) >= least).all()


def test_wilson_s_interval_has_its_published_values() -> None:
    # R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17 (1998).
    for successes, of, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)):
        assert audit.wilson(successes, of) == pytest.approx((low, high), abs=5e-5)
    assert audit.wilson(0, 0) == (0.0, 1.0)


def test_a_group_that_fares_worse_is_found_and_a_small_one_hidden() -> None:
    group = np.array([0] * 200 + [1] * 200 + [2] * 5)
    points = np.where(group[:, None] == 1, 300, 600) + np.random.default_rng(1).integers(0, 50, (405, 405))
    market = from_dense(points, np.ones(405, np.int64))
    mentor_of = np.where(group == 1, np.where(np.arange(405) % 2, np.arange(405), -1), np.arange(405)).astype(np.int32)
    matched, scores = mentor_of >= 0, audit.points_of(market, mentor_of)
    first, second, third = audit.by_group(matched, scores, group, seed=1)
    assert (third.size, third.rate, third.score_gap) == (5, None, None)
    # With only one hidden the rate of all would give it away, so the next smallest is hidden as well.
    assert (first.rate, second.rate) == (None, 0.5)
    assert second.gap_high is not None
    assert second.gap_high < -250
    assert audit.by_group(matched, scores, group, seed=1)[1] == second
    enough = np.minimum(group, 1)
    first, second = audit.by_group(matched, scores, enough, seed=1)
    assert first.rate == 1.0
    assert first.low is not None
    assert second.high is not None
    assert first.low > second.high
    # Nobody of the first group is without a mentor: where that must not tell who is in which, both are hidden.
    assert [each.rate for each in audit.by_group(matched, scores, enough, seed=1, guarded=True)] == [None, None]
    assert [each.rate for each in audit.by_group(matched, scores, enough * 0, seed=1, guarded=True)] == [None]


def test_naming_only_the_best_gains_little_in_an_auction_and_can_lose_all() -> None:
    market = random_market(7, 60, 15)
    told = audit.temptation(market, lambda pool: auction.solve(pool).mentor_of, audit.only_the_best(1), ask=60, seed=2)
    assert told.asked > 40
    assert told.worse > 0
    assert told.low <= told.mean_gain <= told.high
    assert told == audit.temptation(
        market, lambda pool: auction.solve(pool).mentor_of, audit.only_the_best(1), ask=60, seed=2
    )
