"""Whether groups fare alike and whether honesty pays: what is counted, what is hidden, and that nothing is changed."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace
from tests.unit.matching.builders import ALPHA, BETA, Story, ident, mentee, mentor, participant, pool_of, skills

from matching.domain import auditing
from matching.domain.auditing import OTHERS
from matching.domain.engine import audit
from matching.domain.grouping import KNOWN, NOT_TOLD, Declared, groups_of
from matching.domain.pool import Pool
from matching.domain.values import Role
from mentorstream_events.values import WeeklyHours

MORNING, EVENING = (
    tuple(WeeklyHours(weekday=day, start_minute=start * 60, end_minute=(start + 4) * 60) for day in range(1, 6))
    for start in (8, 16)
)


def unequal() -> Pool:
    """Twenty mentees who share a language with mentors, and twenty of whom half do; everybody could be taken."""
    languages = [("en",)] * 30 + [("it",)] * 10
    return pool_of(
        mentor(1, capacity=30),
        mentor(2, capacity=30),
        *(
            mentee(100 + place, languages=languages[place], industry="retail" if place < 20 else "health")
            for place in range(40)
        ),
    )


def declared(pool: Pool) -> Declared:
    """The same two groups, but for one person of each who said nothing."""
    people = [each for each in pool.participants.values() if each.is_mentee and each.participant_id.int % 20]
    return Declared("shift", {each.participant_id: f"works {each.profile.industry}" for each in people})


def test_groups_that_fare_otherwise_are_told_with_how_uncertain_that_is() -> None:
    found = auditing.fairness(unequal(), "round", "industry")
    health, retail = found.groups
    assert (found.mentees, found.match_rate) == (40, 0.75)
    assert (health.group, health.size, health.match_rate) == ("health", 20, 0.5)
    assert (retail.group, retail.size, retail.match_rate) == ("retail", 20, 1.0)
    assert health.match_rate_high is not None
    assert retail.match_rate_low is not None
    assert health.match_rate_high < retail.match_rate_low
    assert health.score_gap == 0.0
    assert found == auditing.fairness(unequal(), "round", "industry")


def test_what_was_declared_is_shown_only_where_it_tells_nothing_of_single_people() -> None:
    pool = unequal()
    found = auditing.fairness(pool, "round", declared(pool))
    # All of one group are matched and two told nothing, so all are hidden, and nothing is said of any of them.
    assert [(each.group, each.size, each.match_rate) for each in found.groups] == [(OTHERS, 40, None)]
    swapped = {each: f"works {number % 2}" for number, each in enumerate(sorted(declared(pool).group_of))}
    pool = pool_of(*(each for each in pool.participants.values() if each.participant_id in swapped or each.is_mentor))
    even, odd = auditing.fairness(pool, "round", Declared("shift", swapped)).groups
    assert (even.size, odd.size) == (19, 19)
    assert even.match_rate == pytest.approx(0.75, abs=0.03)
    assert odd.match_rate == pytest.approx(0.75, abs=0.03)


def test_hidden_groups_that_were_declared_are_one_without_a_name() -> None:
    pool = unequal()
    people = sorted(declared(pool).group_of)
    rare = {people[0]: "works alone", people[1]: "works at sea"}
    shift = {each: f"works {number % 3}" for number, each in enumerate(people)}
    found = auditing.fairness(pool, "round", Declared("shift", shift | rare)).groups
    assert [(each.group, each.match_rate is None) for each in found] == [
        ("works 1", False),
        ("works 2", False),
        (OTHERS, True),  # works 0 as well: the smallest, with whom the few are many
    ]
    assert sum(each.size for each in found) == 40
    assert found[-1].size >= audit.SMALL


def test_too_little_that_was_declared_is_no_audit() -> None:
    pool = unequal()
    people = sorted(declared(pool).group_of)
    one_of_two = [("day", "night")[number % 2] for number in range(len(people))]
    for group_of in (
        {},
        dict(zip(people[:9], one_of_two[:9], strict=True)),
        dict.fromkeys(people, "day"),
        dict.fromkeys(people[:9], "day") | {ident(1): "night", ident(2): "night"},  # mentors do not count
    ):
        for outcome in ("running", "round"):
            with pytest.raises(auditing.TooFew):
                auditing.fairness(pool, outcome, Declared("shift", group_of))
    with pytest.raises(auditing.TooFew):
        auditing.fairness(pool_of(), "round", Declared("shift", {}))
    assert auditing.fairness(
        pool, "running", Declared("shift", dict(zip(people[:10], one_of_two, strict=False)))
    ).groups


def test_running_matches_count_as_they_were_decided() -> None:
    told = Story()
    told.join(mentor(1, capacity=20, offers=skills(sql=3)))
    for number in range(10, 30):
        told.join(mentee(number, wants=skills(sql=3) if number < 20 else (), industry=f"{number // 10}"))
    told.join(mentee(40, languages=("it",), industry="2"))
    first, second = auditing.fairness(told.pool, "running", "industry").groups
    assert (first.match_rate, second.match_rate) == (1.0, 10 / 11)
    assert first.score_gap is not None
    assert first.score_gap > 0.2
    assert first.score_gap == -(second.score_gap or 0)
    (nobody,) = auditing.fairness(pool_of(mentee(1)), "running", "industry").groups
    assert (nobody.size, nobody.match_rate) == (1, None)
    assert auditing.fairness(pool_of(), "round", "industry").groups == ()


def test_partners_and_circles_can_be_audited() -> None:
    both: tuple[Role, ...] = ("mentor", "mentee")
    pool = pool_of(*(participant(number, roles=both, capacity=1) for number in range(20, 40)))
    pool.program = replace(pool.program, kind="peer")
    assert [each.match_rate for each in auditing.fairness(pool, "round", "organisation").groups] == [1.0]
    with pytest.raises(ValueError, match="partners"):
        auditing.strategy(pool, "preferences")
    pool = pool_of(mentor(1, capacity=20), *(mentee(number) for number in range(20, 40)), circle_maximum=20)
    pool.program = replace(pool.program, kind="group")
    assert [each.match_rate for each in auditing.fairness(pool, "round", "organisation").groups] == [1.0]
    assert auditing.strategy(pool, "preferences").better == 0.0


def test_whoever_exaggerates_may_take_a_place_that_another_needs_more() -> None:
    # One expert in both: 11 wants all that she offers, 10 only half of it. By lying, 10 looks as good, or better.
    pool = pool_of(
        mentor(1, offers=skills(sql=3, law=3), goals=("lead",), interests=("chess",)),
        mentor(2),
        mentee(10, wants=skills(sql=3), goals=("speak",), interests=("chess",)),
        mentee(11, wants=skills(sql=3, law=3), goals=("lead",), interests=("music",)),
    )
    before = pool.facts.table.copy()
    found = auditing.strategy(pool, "preferences")
    assert (found.mentees, found.asked) == (2, 2)
    assert (found.better, found.worse) == (0.5, 0.0)
    assert found.largest_gain > 0
    assert found.mean_gain_low <= found.mean_gain <= found.mean_gain_high
    assert np.array_equal(before, pool.facts.table)


def test_to_be_free_less_often_can_lose_everybody() -> None:
    # All three are best off with 1, who has one place; 2 has two, in the evening only.
    pool = pool_of(
        mentor(1, availability=MORNING, offers=skills(sql=3)),
        mentor(2, availability=EVENING, capacity=2),
        *(mentee(number, availability=(*MORNING, *EVENING), wants=skills(sql=3)) for number in (10, 11, 12)),
        objective="participation",
    )
    found = auditing.strategy(pool, "availability")
    assert found.asked == 3
    # As many as possible are to have somebody: who can only be with 1 gets 1.
    assert found.better == pytest.approx(2 / 3)
    # Where nobody is favoured for having nobody else, 10 loses 2 as well, and 1 would still rather have 11.
    strict = pool_of(
        *(each for each in pool.participants.values() if each.is_mentor or each.participant_id == ident(10)),
        mentee(11, availability=MORNING, wants=skills(sql=3), goals=("lead",)),
        objective="stability",
    )
    strict.put_participant(mentor(1, availability=MORNING, offers=skills(sql=3), goals=("lead",)))
    found = auditing.strategy(strict, "availability")
    assert (found.asked, found.better, found.worse) == (2, 0.0, 0.5)


def test_nobody_gains_where_everybody_gets_whom_they_want() -> None:
    pool = pool_of(mentor(1, capacity=5), *(mentee(number) for number in range(10, 14)), mentee(20, languages=("it",)))
    found = auditing.strategy(pool, "preferences")
    assert (found.mentees, found.asked, found.better, found.worse) == (5, 4, 0.0, 0.0)
    assert auditing.strategy(pool_of(), "preferences").asked == 0


def test_people_are_grouped_by_what_is_known_of_them() -> None:
    pool = pool_of(
        mentee(1, seniority=10, languages=("de-AT", "en"), zone="Asia/Kolkata", industry="retail"),
        mentee(2, seniority=9, zone="America/New_York", organisation_id=BETA),
    )
    people = [ident(1), ident(2)]
    names = {each: groups_of(pool, people, each)[0] for each in KNOWN}
    assert names == {
        "organisation": [str(ALPHA), str(BETA)],
        "seniority": ["9", "10"],
        "industry": [NOT_TOLD, "retail"],
        "language": ["de", "en"],
        "zone": ["UTC+05:30", "UTC-05:00"],
    }
    assert groups_of(pool, people, "seniority")[1].tolist() == [1, 0]
    by_shift = Declared("shift", {ident(2): "night"})
    assert groups_of(pool, people, by_shift)[0] == ["night", NOT_TOLD]
