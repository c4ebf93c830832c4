"""Why two are together and why not another: answered from the pool as if the match had not been made."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace
from tests.unit.matching.builders import MENTEE, MENTOR, Story, ident, mentee, mentor, participant, skills

from matching.domain.explaining import why, why_not, why_not_in_round
from matching.domain.rounding import snapshot_of, solve
from matching.domain.values import Match


def story(**policy: object) -> tuple[Story, Match]:
    """Mentee 10 is with mentor 1, who fits best; 2 fits less, 3 speaks something else."""
    told = Story(**policy)
    told.join(mentor(1, offers=skills(sql=3)))
    told.join(mentor(2, offers=skills(sql=2), capacity=2))
    told.join(mentor(3, offers=skills(sql=3), languages=("fr",)))
    told.join(mentee(10, wants=skills(sql=3)))
    (match,) = told.pool.matches.values()
    assert match.mentor.participant_id == ident(1)
    return told, match


def test_facets_sum_to_the_points_and_the_points_to_the_score() -> None:
    told, match = story()
    found = why(told.pool, match)
    assert sum(found.facets.values()) == found.points
    assert found.points == match.score * 2**20
    assert found.broken == ()


def test_the_next_mentor_is_whom_the_mentee_would_come_to() -> None:
    told, match = story()
    found = why(told.pool, match)
    assert found.next_mentor is not None
    assert (found.next_mentor.participant_id, found.lower) == (ident(2), 1)
    assert {reason.rule: reason.removed for reason in found.others} == {"language": 1}
    told.rematch(10)
    (now,) = told.pool.matches_of_mentee(ident(10))
    assert (now.mentor.participant_id, now.score) == (ident(2), found.next_mentor.points / 2**20)


def test_the_next_mentee_is_who_waits_and_fits_best() -> None:
    told, match = story()
    told.join(mentee(11, languages=("de",)))  # cannot be with 1
    assert why(told.pool, match).next_mentee is None
    told.join(mentee(12, wants=skills(sql=3)))  # takes one place of 2
    told.join(mentee(13, wants=skills(sql=1)))  # takes the other
    told.join(mentee(14, wants=skills(sql=1)))
    told.join(mentee(15, wants=skills(cooking=1)))
    found = why(told.pool, match).next_mentee
    assert found is not None
    assert found.participant_id == ident(14)


def test_a_rule_keeps_another_mentor_away() -> None:
    told, match = story()
    found = why_not(told.pool, match, ident(3))
    assert (found.rules, found.change, found.verified) == (("language",), None, False)
    told.join(mentee(12))
    told.join(mentee(13))
    assert why_not(told.pool, match, ident(2)).rules == ("capacity",)


def test_the_smallest_change_is_what_was_missing_and_a_point() -> None:
    told, match = story()
    found = why_not(told.pool, match, ident(2))
    assert found.points is not None
    assert found.change == why(told.pool, match).points - found.points + 1
    assert found.verified
    assert sum((found.facets or {}).values()) == found.points


def test_whoever_would_be_chosen_now_lacks_nothing() -> None:
    told, match = story()
    told.pool.put_participant(mentor(4, offers=skills(sql=5), goals=("lead",)))
    told.pool.put_participant(mentee(10, wants=skills(sql=5), goals=("lead",)))
    found = why_not(told.pool, match, ident(4))
    assert (found.change, found.verified) == (0, True)


def test_the_pool_stays_as_it_is() -> None:
    told, match = story()
    before = told.pool.facts.table.copy()
    why(told.pool, match)
    why_not(told.pool, match, ident(2))
    assert np.array_equal(before, told.pool.facts.table)


def test_who_has_left_cannot_be_explained() -> None:
    told, match = story()
    told.withdraw(1)
    with pytest.raises(LookupError):
        why(told.pool, match)


def test_partners_are_explained_both_ways_round() -> None:
    told = Story()
    told.pool.configure(replace(told.pool.program, kind="peer"))
    for number, goals in ((1, ("a", "b")), (2, ("a", "b"))):
        told.join(participant(number, roles=(*MENTOR, *MENTEE), capacity=1, goals=goals))
    (match,) = told.pool.matches.values()
    told.join(participant(3, roles=(*MENTOR, *MENTEE), capacity=1, goals=("a",)))
    found = why(told.pool, match)
    assert found.points == match.score * 2**20
    assert found.broken == ()
    assert found.next_mentor is not None
    assert found.next_mentee is not None
    assert found.next_mentor.participant_id == found.next_mentee.participant_id == ident(3)
    lacking = why_not(told.pool, match, ident(3))
    assert (lacking.rules, lacking.change, lacking.verified) == ((), found.next_mentor.short + 1, True)


def test_a_round_knows_what_was_missing_on_the_day() -> None:
    told = Story(matching="rounds")
    told.join(mentor(1, offers=skills(sql=3)))
    told.join(mentor(2, offers=skills(sql=2)))
    told.join(mentor(3, languages=("fr",)))
    told.join(mentee(10, wants=skills(sql=3)))
    told.join(mentee(11, wants=skills(sql=3)))
    solution = solve(snapshot_of(told.pool, 0))
    got = {pair.mentee_id: pair.mentor_id for pair in solution.pairs}
    (second,) = [mentee_id for mentee_id, mentor_id in got.items() if mentor_id == ident(2)]
    found = why_not_in_round(solution, second, ident(1), highest_sum=True)
    assert found.candidate
    assert found.short is not None
    assert found.change is not None
    assert 0 <= found.short <= found.change
    assert found.verified
    assert why_not_in_round(solution, second, ident(1), highest_sum=False).change is None
    assert not why_not_in_round(solution, second, ident(3), highest_sum=True).candidate
    with pytest.raises(LookupError):
        why_not_in_round(solution, ident(99), ident(1), highest_sum=True)
