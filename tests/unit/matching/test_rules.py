"""Every hard rule by itself, and the same answer from whichever side it is asked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.unit.matching.builders import (
    ALPHA,
    BETA,
    MENTEE,
    MENTOR,
    ident,
    mentee,
    mentor,
    participant,
    person,
    pool_of,
    skills,
)

from matching.domain import rules
from matching.domain.pool import Pool
from matching.domain.values import Participant, RuleName
from mentorstream_events.values import WeeklyHours as Hours

MONDAY = (Hours(weekday=1, start_minute=540, end_minute=600),)
TUESDAY = (Hours(weekday=2, start_minute=540, end_minute=600),)
RULES = dict(rules.RULES)


def allows(name: RuleName, pool: Pool, first: int = 1, second: int = 2) -> bool:
    """What the rule says of mentor and mentee, asked pair by pair and for one against many from both sides."""
    facts, policy = pool.facts, pool.program.policy
    one, other = np.array([facts.row_of[ident(first)]]), np.array([facts.row_of[ident(second)]])
    alone = RULES[name](facts, policy, one, other)
    assert alone.shape == (1,)
    for mentors, mentees in ((one.repeat(3), other), (one, other.repeat(3))):
        assert RULES[name](facts, policy, mentors, mentees).tolist() == alone.tolist() * 3
    return bool(alone[0])


def test_only_mentors_mentor() -> None:
    pool = pool_of(mentor(1), mentee(2), mentee(3))
    assert allows("role", pool)
    assert not allows("role", pool, 3, 2)


def test_nobody_mentors_themselves() -> None:
    twice = participant(2, roles=MENTEE, capacity=0, person_id=person(1))
    assert not allows("same_person", pool_of(mentor(1), twice))
    assert allows("same_person", pool_of(mentor(1), mentee(2)))


@pytest.mark.parametrize(
    ("organisations", "mine", "theirs", "expected"),
    [
        ("any", ALPHA, BETA, True),
        ("any", ALPHA, ALPHA, True),
        ("same", ALPHA, ALPHA, True),
        ("same", ALPHA, BETA, False),
        ("other", ALPHA, BETA, True),
        ("other", ALPHA, ALPHA, False),
    ],
)
def test_organisations(organisations: str, mine: Any, theirs: Any, expected: bool) -> None:
    pool = pool_of(mentor(1, organisation_id=mine), mentee(2, organisation_id=theirs), organisations=organisations)
    assert allows("organisation", pool) is expected


@pytest.mark.parametrize(
    ("needed", "held", "expected"),
    [
        ((), (), True),
        (("trained",), (), False),
        (("trained",), ("Trained ",), True),
        (("trained", "verified"), ("trained",), False),
        (("trained", "verified"), ("verified", "trained", "more"), True),
    ],
)
def test_mentors_hold_the_credentials(needed: tuple[str, ...], held: tuple[str, ...], expected: bool) -> None:
    pool = pool_of(mentor(1, credentials=held), mentee(2), mentor_credentials=needed)
    assert allows("credentials", pool) is expected


@pytest.mark.parametrize(
    ("share", "mine", "theirs", "expected"),
    [
        (True, ("en",), ("en", "fr"), True),
        (True, ("en-GB",), ("en-US",), True),
        (True, ("de",), ("fr",), False),
        (False, ("de",), ("fr",), True),
    ],
)
def test_languages(share: bool, mine: tuple[str, ...], theirs: tuple[str, ...], expected: bool) -> None:
    pool = pool_of(mentor(1, languages=mine), mentee(2, languages=theirs), share_language=share)
    assert allows("language", pool) is expected


@pytest.mark.parametrize(
    ("minimum", "mine", "theirs", "expected"),
    [
        (60, MONDAY, MONDAY, True),
        (75, MONDAY, MONDAY, False),
        (15, MONDAY, TUESDAY, False),
        (0, MONDAY, TUESDAY, True),
        (0, MONDAY, (), True),
    ],
)
def test_common_time(minimum: int, mine: Any, theirs: Any, expected: bool) -> None:
    pool = pool_of(mentor(1, availability=mine), mentee(2, availability=theirs), minimum_common_minutes=minimum)
    assert allows("common_time", pool) is expected


def test_common_time_is_counted_across_zones() -> None:
    pool = pool_of(
        mentor(1, zone="America/New_York", availability=(Hours(weekday=1, start_minute=540, end_minute=660),)),
        mentee(2, zone="Europe/Paris", availability=(Hours(weekday=1, start_minute=900, end_minute=960),)),
    )
    assert allows("common_time", pool)


@pytest.mark.parametrize(
    ("levels", "mentors_managers", "mentees_managers", "expected"),
    [
        (2, (), (), True),
        (2, (), (1,), False),
        (2, (), (9, 1), False),
        (1, (), (9, 1), True),
        (2, (2,), (), False),
        (2, (9, 2), (), False),
        (2, (9, 8, 2), (), True),
        (0, (2,), (1,), True),
        (2, (9,), (9,), True),
    ],
)
def test_reporting_lines_up_and_down(
    levels: int, mentors_managers: tuple[int, ...], mentees_managers: tuple[int, ...], expected: bool
) -> None:
    pool = pool_of(
        mentor(1, managers=tuple(map(person, mentors_managers))),
        mentee(2, managers=tuple(map(person, mentees_managers))),
        boss_levels=levels,
    )
    assert allows("reporting_line", pool) is expected


@pytest.mark.parametrize(
    ("least", "most", "above", "below", "expected"),
    [
        (None, None, 1, 10, True),
        (1, None, 5, 5, False),
        (1, None, 6, 5, True),
        (None, 3, 9, 5, False),
        (None, 3, 8, 5, True),
        (-2, 0, 4, 5, True),
        (-2, 0, 2, 5, False),
        (2, 4, 0, 5, True),  # not known
        (2, 4, 5, 0, True),
    ],
)
def test_seniority_gap(least: int | None, most: int | None, above: int, below: int, expected: bool) -> None:
    pool = pool_of(
        mentor(1, seniority=above),
        mentee(2, seniority=below),
        seniority_gap_minimum=least,
        seniority_gap_maximum=most,
    )
    assert allows("seniority_gap", pool) is expected


@pytest.mark.parametrize(
    ("allowed", "mentors_managers", "mentees_managers", "expected"),
    [
        (True, (9,), (9,), True),
        (False, (9,), (9,), False),
        (False, (9,), (8, 9), True),  # the boss of the boss is another matter
        (False, (), (), True),
        (False, (9,), (), True),
    ],
)
def test_people_under_one_boss(
    allowed: bool, mentors_managers: tuple[int, ...], mentees_managers: tuple[int, ...], expected: bool
) -> None:
    pool = pool_of(
        mentor(1, managers=tuple(map(person, mentors_managers))),
        mentee(2, managers=tuple(map(person, mentees_managers))),
        same_boss_allowed=allowed,
    )
    assert allows("same_boss", pool) is expected


def test_mentees_hold_the_credentials() -> None:
    for held, expected in (((), False), (("Verified ",), True)):
        pool = pool_of(mentor(1), mentee(2, credentials=held), mentee_credentials=("verified",))
        assert allows("mentee_credentials", pool) is expected
    assert allows("mentee_credentials", pool_of(mentor(1), mentee(2)))


def test_former_pairs_meet_again_where_the_policy_says_so() -> None:
    pool = pool_of(mentor(1), mentee(2), rematch_former=True)
    pool.facts.pair(person(1), person(2))
    assert not allows("former_match", pool)  # matched now
    pool.facts.part(person(1), person(2))
    assert allows("former_match", pool)


def test_a_block_counts_in_either_direction() -> None:
    assert not allows("block", pool_of(mentor(1, blocks=(person(2),)), mentee(2)))
    assert not allows("block", pool_of(mentor(1), mentee(2, blocks=(person(7), person(1)))))
    assert allows("block", pool_of(mentor(1, blocks=(person(3),)), mentee(2, blocks=(person(4),))))


def test_many_blocks() -> None:
    many = tuple(person(number) for number in range(100, 250))
    assert not allows("block", pool_of(mentor(1), mentee(2, blocks=(*many, person(1)))))
    assert allows("block", pool_of(mentor(1), mentee(2, blocks=many)))


def test_a_block_is_gone_when_it_is_taken_back() -> None:
    pool = pool_of(mentor(1, blocks=(person(2),)), mentee(2, blocks=(person(1),)))
    pool.put_participant(mentor(1))
    assert not allows("block", pool)
    pool.put_participant(mentee(2))
    assert allows("block", pool)


def test_former_pairs_in_whichever_roles() -> None:
    both: tuple[Participant, ...] = tuple(
        participant(number, roles=MENTOR + MENTEE, capacity=1) for number in (1, 2, 3)
    )
    pool = pool_of(*both)
    assert allows("former_match", pool)
    pool.facts.pair(person(2), person(1))
    assert not allows("former_match", pool)
    assert not allows("former_match", pool, 2, 1)
    assert allows("former_match", pool, 1, 3)


def test_minimum_score() -> None:
    wants, offers = skills(python=4), skills(python=1)
    pool = pool_of(mentor(1, offers=offers), mentee(2, wants=wants), minimum_score=0.9)
    assert not allows("minimum_score", pool)
    assert allows("minimum_score", pool_of(mentor(1, offers=offers), mentee(2, wants=wants), minimum_score=0.1))


def test_capacity() -> None:
    pool = pool_of(mentor(1, capacity=1), mentee(2), mentor(3, capacity=0))
    assert allows("capacity", pool)
    assert not allows("capacity", pool, 3, 2)
    pool.facts.add_live(pool.facts.row_of[ident(1)], 1, pool.now)
    assert not allows("capacity", pool)


def test_the_first_broken_standing_rule_is_named() -> None:
    pool = pool_of(mentor(1, capacity=0, languages=("de",)), mentee(2, managers=(person(1),)))
    row = pool.facts.row_of
    assert rules.broken_rule(pool.facts, pool.program.policy, row[ident(1)], row[ident(2)]) == "language"
    pool = pool_of(mentor(1, capacity=0), mentee(2))
    pool.facts.pair(person(1), person(2))
    row = pool.facts.row_of
    assert rules.broken_rule(pool.facts, pool.program.policy, row[ident(1)], row[ident(2)]) is None


def test_two_lists_of_pairs_are_refused_where_a_relation_is_asked() -> None:
    pool = pool_of(mentor(1), mentee(2))
    rows = pool.rows([ident(1), ident(2)])
    with pytest.raises(ValueError, match="single row"):
        rules.block(pool.facts, pool.program.policy, rows, rows)
