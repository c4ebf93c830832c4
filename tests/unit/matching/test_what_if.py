"""What another policy would do: two rounds over the same people, and who would be better or worse off."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace
from tests.unit.matching.builders import ALPHA, BETA, Story, ident, mentee, mentor, participant, pool_of, skills

from matching.domain.pool import Pool
from matching.domain.values import Role, Waiting, Weights
from matching.domain.what_if import Comparison, Scope, compare

GOALS_ONLY = Weights(
    skills=0, goals=1, interests=0, values=0, style=0, industry=0, seniority=0, common_time=0, zone_distance=0
)


def pool() -> Pool:
    """Two mentees who wait: by skills 10 goes to 1 and 11 to 2, by goals the other way round."""
    made = pool_of(
        mentor(1, offers=skills(sql=3), goals=("b",)),
        mentor(2, offers=skills(law=3), goals=("a",)),
        mentee(10, wants=skills(sql=3), goals=("a",)),
        mentee(11, wants=skills(law=3), goals=("b",)),
    )
    for number in (10, 11):
        made.put_waiting(Waiting(participant_id=ident(number), organisation_id=ALPHA, since=made.now))
    return made


def compared(made: Pool, scope: Scope = "open", **policy: object) -> Comparison:
    return compare(made, replace(made.program.policy, **policy), scope, "organisation")


def test_the_same_policy_changes_nothing() -> None:
    found = compared(pool())
    assert (found.gained, found.lost, found.moved, found.kept) == ((), (), (), 2)
    assert found.before == found.after


def test_other_weights_move_people() -> None:
    found = compared(pool(), weights=GOALS_ONLY)
    assert [(each.mentee_id, each.before, each.after) for each in found.moved] == [
        (ident(10), ident(1), ident(2)),
        (ident(11), ident(2), ident(1)),
    ]


def test_a_stricter_rule_loses_pairs_and_a_laxer_one_gains_them() -> None:
    strict = compared(pool(), minimum_score=1.0)
    assert [each.mentee_id for each in strict.lost] == [ident(10), ident(11)]
    made = pool()
    made.program = replace(made.program, policy=replace(made.program.policy, minimum_score=1.0))
    assert [each.mentee_id for each in compared(made, minimum_score=0.0).gained] == [ident(10), ident(11)]


@pytest.mark.parametrize("objective", ["total", "participation", "stability", "fairness"])
def test_every_objective_can_be_asked_about(objective: str) -> None:
    found = compared(pool(), objective=objective)
    assert found.after.matched == 2
    assert found.after.value <= found.after.bound or objective == "stability"


def test_everybody_counts_as_if_nobody_were_matched() -> None:
    told = Story()
    told.join(mentor(1, offers=skills(sql=3)))
    told.join(mentee(10, wants=skills(sql=3)))
    told.join(mentee(11, wants=skills(sql=1)))
    before = told.pool.facts.table.copy()
    found = compared(told.pool, "all")
    assert (found.mentees, found.kept, found.before.matched) == (2, 1, 1)
    assert compared(told.pool, "open").before.matched == 0  # the one place is taken
    assert np.array_equal(before, told.pool.facts.table)


def test_an_ended_match_is_not_made_again() -> None:
    told = Story()
    told.join(mentor(1))
    told.join(mentee(10))
    told.end(1, 10)
    assert compared(told.pool, "all").before.matched == 0
    assert compared(told.pool, "all", rematch_former=True).after.matched == 1


@pytest.mark.parametrize("kind", ["group", "peer"])
def test_circles_and_partners_can_be_asked_about(kind: str) -> None:
    both: tuple[Role, ...] = ("mentor", "mentee")
    people = [participant(number, roles=both, capacity=1, goals=("a",)) for number in range(20, 24)]
    if kind == "group":
        people = [mentor(1, capacity=4), *(mentee(number) for number in range(20, 24))]
    made = pool_of(*people)
    made.program = replace(made.program, kind=kind)
    found = compared(made, "all", minimum_score=1.0)
    assert (found.before.matched > 0, found.after.matched) == (True, 0)
    assert len(found.lost) == 4


def test_an_empty_pool_has_nothing_to_compare() -> None:
    found = compared(pool_of())
    assert (found.mentees, found.before.matched, found.before.mean_score, found.groups) == (0, 0, None, ())


def test_small_groups_are_hidden_and_one_more_if_it_is_only_one() -> None:
    many = [mentee(number, organisation_id=BETA) for number in range(20, 26)]
    few = [mentee(number, organisation_id=ALPHA) for number in range(30, 33)]
    made = pool_of(mentor(1, capacity=9), *many, *few)
    groups = compared(made, "all", minimum_score=1.0).groups
    assert {(each.group, each.size, each.lost) for each in groups} == {
        (str(ALPHA), 3, None),
        (str(BETA), 6, None),
    }
    alone = pool_of(mentor(1, capacity=9), *many)
    assert [each.lost for each in compared(alone, "all", minimum_score=1.0).groups] == [6]
