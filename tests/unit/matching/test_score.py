"""The score: exact, bounded, the same from both sides, neutral where nothing is known."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from itertools import islice, permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.unit.matching.builders import OFFICE, best_mentor, ident, mentee, mentor, pool_of, skills

from matching.domain.pool import Pool
from matching.domain.score import FACETS, SCALE, facet_points, total_points, weight_points
from matching.domain.values import Participant, Weights
from mentorstream_events.values import Profile, Skill
from mentorstream_events.values import WeeklyHours as Hours

TAGS = st.lists(st.sampled_from(["a", "b", "c", "d", "E ", "e"]), max_size=6).map(tuple)
SKILLS = st.lists(
    st.builds(Skill, skill=st.sampled_from(["python", "sql", "law", "Law"]), level=st.integers(1, 5)), max_size=5
).map(tuple)
PROFILES = st.builds(
    Profile,
    zone=st.sampled_from(["UTC", "Europe/Paris", "Asia/Tokyo"]),
    languages=st.just(("en",)),
    availability=st.sampled_from([OFFICE, OFFICE[:1], ()]),
    offers=SKILLS,
    wants=SKILLS,
    goals=TAGS,
    interests=TAGS,
    values=TAGS,
    style=st.sampled_from([None, "direct", "calm"]),
    industry=st.sampled_from([None, "energy", "banking"]),
    seniority=st.integers(0, 10),
)
WEIGHT = st.one_of(st.just(0.0), st.floats(0, 1))
WEIGHTS = st.builds(Weights, **dict.fromkeys(FACETS, WEIGHT))


def of(participant: Participant, profile: Profile) -> Participant:
    return replace(participant, profile=profile)


def facets(pool: Pool, first: int = 1, second: int = 2) -> dict[str, Fraction]:
    """Each facet's value from 0 to 1 for mentor and mentee, whatever its weight."""
    mentors, mentees = pool.rows([ident(first)]), pool.rows([ident(second)])
    values = {}
    for index, name in enumerate(FACETS):
        alone = Weights(**{facet: float(facet == name) for facet in FACETS})
        values[name] = Fraction(int(facet_points(pool.facts, alone, mentors, mentees)[index, 0]), SCALE)
    return {name: value.limit_denominator(1000) for name, value in values.items()}


@given(mine=PROFILES, theirs=PROFILES, weights=WEIGHTS)
def test_facets_sum_to_the_score_exactly_and_in_any_order(mine: Profile, theirs: Profile, weights: Weights) -> None:
    pool = pool_of(of(mentor(1), mine), of(mentee(2), theirs), weights=weights, minimum_common_minutes=0)
    fit = best_mentor(pool, pool.facts.row_of[ident(2)])
    assert fit is not None
    parts = list(fit.facets(weights).values())
    assert 0 <= fit.score <= 1
    assert sum(map(Fraction, parts)) == Fraction(fit.score)
    for order in islice(permutations(parts), 0, 2000, 100):
        total = 0.0
        for part in order:
            total += part
        assert total == fit.score


@given(mine=PROFILES, theirs=PROFILES, others=st.lists(PROFILES, max_size=4), weights=WEIGHTS)
def test_a_score_depends_on_the_pair_only(
    mine: Profile, theirs: Profile, others: list[Profile], weights: Weights
) -> None:
    """Not on who came first, on who else is there, or on which side it is asked from."""
    alone = pool_of(of(mentor(1), mine), of(mentee(2), theirs))
    crowd = pool_of(*(of(mentor(10 + n), each) for n, each in enumerate(others)), of(mentee(2), theirs))
    crowd.put_participant(of(mentor(1), mine))
    one, other = alone.rows([ident(1)]), alone.rows([ident(2)])
    expected = int(total_points(alone.facts, weights, one, other)[0])
    one, other = crowd.rows([ident(1)]), crowd.rows([ident(2)])
    for mentors, mentees in (
        (one, other),
        (one.repeat(2), other),
        (one, other.repeat(2)),
        (one.repeat(2), other.repeat(2)),
    ):
        assert set(total_points(crowd.facts, weights, mentors, mentees).tolist()) == {expected}


@given(weights=WEIGHTS)
def test_weights_become_points_that_sum_to_one(weights: Weights) -> None:
    points = weight_points(weights)
    raw = [getattr(weights, name) for name in FACETS]
    assert sum(points.values()) == (SCALE if sum(raw) > 0 else 0)
    for name, weight in zip(FACETS, raw, strict=True):
        assert points[name] >= 0
        if sum(raw) > 0:
            assert abs(points[name] - weight / sum(raw) * SCALE) <= 1


def test_only_proportions_of_weights_count() -> None:
    half = Weights(**{name: getattr(Weights(), name) / 2 for name in FACETS})
    assert weight_points(half) == weight_points(Weights())


def test_a_perfect_pair_scores_one() -> None:
    same: dict[str, Any] = {
        "goals": ("grow",),
        "interests": ("chess",),
        "values": ("care",),
        "style": "calm",
        "industry": "law",
    }
    pool = pool_of(
        mentor(1, offers=skills(sql=5, law=3), seniority=7, **same), mentee(2, wants=skills(sql=4), seniority=5, **same)
    )
    fit = best_mentor(pool, pool.facts.row_of[ident(2)])
    assert fit is not None
    assert fit.score == 1.0


def test_what_is_not_known_is_neutral() -> None:
    quarter, half = Fraction(1, 4), Fraction(1, 2)
    known = {"skills": quarter, "goals": quarter, "interests": quarter, "values": quarter}
    found = facets(pool_of(mentor(1), mentee(2)))
    assert found == {**known, "style": half, "industry": half, "seniority": half, "common_time": 1, "zone_distance": 1}


def test_what_is_known_and_differs_is_zero() -> None:
    pool = pool_of(
        mentor(1, offers=skills(sql=5), goals=("a",), interests=("a",), values=("a",), style="a", industry="a"),
        mentee(2, wants=skills(law=5), goals=("b",), interests=("b",), values=("b",), style="b", industry="b"),
    )
    found = facets(pool)
    assert [found[name] for name in FACETS[:6]] == [0] * 6


@pytest.mark.parametrize(
    ("offers", "wants", "expected"),
    [
        ({"sql": 5}, {"sql": 3}, Fraction(1)),
        ({"sql": 2}, {"sql": 4}, Fraction(1, 2)),
        ({"sql": 4}, {"sql": 4, "law": 1}, Fraction(4, 5)),
        ({"sql": 1, "law": 5, "art": 5}, {"sql": 5, "law": 5}, Fraction(6, 10)),
    ],
)
def test_skills_are_covered_up_to_the_level_wanted(
    offers: dict[str, int], wants: dict[str, int], expected: Fraction
) -> None:
    pool = pool_of(mentor(1, offers=skills(**offers)), mentee(2, wants=skills(**wants)))
    assert facets(pool)["skills"] == expected


def test_overlap_is_jaccard_without_regard_to_case() -> None:
    pool = pool_of(mentor(1, goals=("Lead", "write", "speak")), mentee(2, goals=("lead", "WRITE ", "sing")))
    assert facets(pool)["goals"] == Fraction(2, 4)


@pytest.mark.parametrize(
    ("above", "below", "quarters"),
    [(5, 5, 1), (6, 5, 4), (9, 5, 4), (10, 5, 3), (10, 4, 2), (10, 1, 1), (4, 5, 0), (1, 10, 0), (0, 5, 2), (5, 0, 2)],
)
def test_seniority_is_best_from_one_to_four_above(above: int, below: int, quarters: int) -> None:
    pool = pool_of(mentor(1, seniority=above), mentee(2, seniority=below))
    assert facets(pool)["seniority"] == Fraction(quarters, 4)


@pytest.mark.parametrize(
    ("mine", "theirs", "expected"),
    [
        ("Europe/Paris", "Europe/Paris", Fraction(1)),
        ("UTC", "Europe/Paris", Fraction(11, 12)),
        ("Asia/Kolkata", "UTC", Fraction(13, 24)),  # five hours and a half
        ("Asia/Tokyo", "America/New_York", Fraction(0)),  # fourteen hours
    ],
)
def test_zones_are_near_by_their_offsets(mine: str, theirs: str, expected: Fraction) -> None:
    assert facets(pool_of(mentor(1, zone=mine), mentee(2, zone=theirs)))["zone_distance"] == expected


def test_zones_are_as_far_apart_as_their_clocks_are_now() -> None:
    pool = pool_of(mentor(1, zone="Europe/London"), mentee(2, zone="UTC"))
    assert facets(pool)["zone_distance"] == 1
    assert pool.advance(datetime(2026, 7, 1, tzinfo=UTC))
    assert facets(pool)["zone_distance"] == Fraction(11, 12)


@pytest.mark.parametrize(("minutes", "expected"), [(60, Fraction(1, 4)), (240, Fraction(1)), (480, Fraction(1))])
def test_common_time_saturates(minutes: int, expected: Fraction) -> None:
    hours = (Hours(weekday=3, start_minute=540, end_minute=540 + minutes),)
    assert facets(pool_of(mentor(1, availability=hours), mentee(2)))["common_time"] == expected


def test_tags_by_the_hundred() -> None:
    """Sets and levels grow with the vocabulary."""
    people = [
        mentor(number, goals=(f"goal {number}", "all"), offers=skills(**{f"skill{number}": 3, "common": 2}))
        for number in range(10, 400)
    ]
    pool = pool_of(*people, mentee(1, goals=("all", "goal 399"), wants=skills(skill399=3)))
    fit = best_mentor(pool, pool.facts.row_of[ident(1)])
    assert fit is not None
    assert pool.facts.id_at(fit.mentor) == ident(399)
    assert facets(pool, 399, 1)["goals"] == 1
