"""Retrieval finds what the rules allow and the score says, pair by pair, in the same order every time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tests.unit.matching_engine.pools import pool

from matching.domain import rules, score
from matching.domain.codes import Rows
from matching.domain.engine import auction, certificate, retrieval
from matching.domain.engine import market as markets
from matching.domain.engine.columns import Columns, Terms, columns_of, terms_of
from matching.domain.facts import Facts
from matching.domain.values import Policy, Weights

POLICIES = (
    Policy(),
    Policy(minimum_common_minutes=0, share_language=False, boss_levels=0),
    Policy(organisations="other", minimum_score=0.35, mentor_credentials=("credential1",)),
    Policy(
        same_boss_allowed=False,
        seniority_gap_minimum=-2,
        seniority_gap_maximum=5,
        minimum_common_minutes=0,
        share_language=False,
        rematch_former=True,
        weights=Weights(zone_distance=0.4),
    ),
    Policy(mentee_credentials=("credential0",), share_language=False, seniority_gap_maximum=-1),
    Policy(
        organisations="same", minimum_common_minutes=15, weights=Weights(skills=0, goals=0, interests=1, values=0.3)
    ),
)


def allowed_points(facts: Facts, policy: Policy, mentors: Rows, mentee: int) -> dict[int, int]:
    """By position of the mentor: the points of who may be, as the rules and the score say."""
    mentees = np.array([mentee])
    may = np.ones(len(mentors), np.bool_)
    for name, rule in rules.RULES:
        if name != "capacity":
            may &= rule(facts, policy, mentors, mentees)
    points = score.total_points(facts, policy.weights, mentors, mentees)
    return {int(j): int(points[j]) for j in np.flatnonzero(may)}


def prepared(
    seed: int, policy: Policy, mentors: int = 60, mentees: int = 40
) -> tuple[Facts, Rows, Rows, Columns, Terms]:
    facts, mentor_rows, mentee_rows = pool(seed, mentors, mentees)
    columns = columns_of(facts, policy, mentor_rows, mentee_rows)
    return facts, mentor_rows, mentee_rows, columns, terms_of(policy, scale=score.SCALE)


@pytest.mark.parametrize("policy", POLICIES)
def test_every_pair_that_the_rules_allow_is_found_with_its_points(policy: Policy) -> None:
    facts, mentors, mentees, columns, terms = prepared(5, policy)
    start, mentor, points = retrieval.candidates(columns, terms, len(mentors))
    assert start[-1] > 0
    for i, row in enumerate(mentees):
        found = dict(
            zip(mentor[start[i] : start[i + 1]].tolist(), points[start[i] : start[i + 1]].tolist(), strict=True)
        )
        assert found == allowed_points(facts, policy, mentors, int(row))


def test_the_best_few_are_the_best_and_best_first() -> None:
    facts, mentors, mentees, columns, terms = prepared(6, Policy())
    start, _, points = retrieval.candidates(columns, terms, 5)
    for i, row in enumerate(mentees):
        expected = sorted(allowed_points(facts, Policy(), mentors, int(row)).values(), reverse=True)
        assert points[start[i] : start[i + 1]].tolist() == expected[:5]


def test_parts_joined_are_the_whole_whatever_the_threads() -> None:
    *_, columns, terms = prepared(7, Policy(), mentors=2500, mentees=30)
    whole = retrieval.candidates(columns, terms, 6)
    with ThreadPoolExecutor(3) as threads:
        parts = list(threads.map(lambda a: retrieval.candidates(columns, terms, 6, first=a, last=a + 10), (0, 10, 20)))
    again = retrieval.joined(parts)
    assert [array.tolist() for array in again] == [array.tolist() for array in whole]


def test_mentees_who_are_alike_are_not_all_sent_to_the_same_few() -> None:
    _, _, _, columns, terms = prepared(8, Policy(), mentors=400, mentees=2)
    alike = terms._replace(
        weights=np.zeros(len(score.FACETS), np.int64), share_language=False, minimum_minutes=0, boss_levels=0
    )
    start, mentor, _ = retrieval.candidates(columns, alike, 8)
    first, second = set(mentor[: start[1]].tolist()), set(mentor[start[1] :].tolist())
    assert len(first) == len(second) == 8
    assert len(first & second) < 8


def test_people_under_one_boss_and_wide_gaps_are_kept_apart_on_request() -> None:
    policy = Policy(same_boss_allowed=False, seniority_gap_minimum=1, seniority_gap_maximum=4)
    facts, mentors, mentees, columns, terms = prepared(9, policy)
    start, mentor, _ = retrieval.candidates(columns, terms, len(mentors))
    assert start[-1] > 0
    for i, row in enumerate(mentees):
        for j in mentors[mentor[start[i] : start[i + 1]]]:
            assert facts.managers[j, 0] == -1 or facts.managers[j, 0] != facts.managers[row, 0]
            if facts.seniority[j] and facts.seniority[row]:
                assert 1 <= facts.seniority[j] - facts.seniority[row] <= 4


def test_prices_tell_whether_a_candidate_left_out_matters() -> None:
    facts, mentors, _, columns, terms = prepared(10, Policy(minimum_common_minutes=0), mentors=40, mentees=60)
    capacity = facts.capacity[mentors]
    few = markets.market(*retrieval.candidates(columns, terms, 2), capacity)
    every = markets.market(*retrieval.candidates(columns, terms, len(mentors)), capacity)
    price = auction.solve(few).price
    missing = certificate.bound(every, price) - certificate.bound(few, price)
    assert retrieval.unbeaten(columns, terms, few, price) == missing > 0
    assert retrieval.unbeaten(columns, terms, every, price) == 0
