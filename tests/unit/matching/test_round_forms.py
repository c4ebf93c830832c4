"""Circles and partners made by a round: sizes, both ways round, and figures that the checker finds again."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from msgspec.structs import replace
from tests.unit.matching.builders import NOW, Story, ident, match_id, mentee, mentor, participant, pool_of, skills
from tests.unit.matching_engine.markets import from_dense

from matching.domain import forms, peers, round_steps
from matching.domain.engine.certificate import verify
from matching.domain.engine.market import NOBODY
from matching.domain.pool import Pool
from matching.domain.rounding import Solution, snapshot_of, solve
from matching.domain.values import Confirmed, Decision, Policy, Round

SOME = ("sql", "law", "tax", "art", "ict")


def peer_pool(count: int, **policy: object) -> Pool:
    """Peers who offer and want by turns, so that some pairs are worth much more than others."""
    people = [
        participant(
            number,
            roles=("mentor", "mentee"),
            capacity=1,
            offers=skills(**{SOME[number % 5]: 1 + number % 4}),
            wants=skills(**{SOME[(number * 3 + 1) % 5]: 1 + number % 5}),
        )
        for number in range(1, count + 1)
    ]
    pool = pool_of(*people, **policy)
    pool.configure(replace(pool.program, kind="peer"))
    return pool


@pytest.mark.parametrize("count", [2, 5, 8])
def test_partners_are_as_good_as_promised_and_each_has_one(count: int) -> None:
    pool = peer_pool(count)
    rows = pool.rows([ident(number) for number in range(1, count + 1)])
    market = forms.peer_market(pool, rows, np.uint64(0), 64)
    answer = forms.partners(market, epsilon=1)
    partner = answer.assignment.mentor_of
    for place in range(count):
        if partner[place] != NOBODY:
            assert partner[partner[place]] == place
    assert len(forms.told_once(partner)) == count // 2
    worth = {
        (one, other): peers.fit_of(pool, int(rows[one]), int(rows[other]))
        for one, other in itertools.combinations(range(count), 2)
    }
    halves = {pair: fit.total // 2 for pair, fit in worth.items() if fit is not None}
    best = 0
    for order in itertools.permutations(range(count)):
        ranked = ((min(pair), max(pair)) for pair in zip(order[0::2], order[1::2], strict=False))
        best = max(best, sum(2 * halves.get(pair, 0) for pair in ranked))
    assert best <= answer.certificate.bound
    assert 3 * answer.certificate.value >= 2 * best - 6 * count
    assert verify(market, answer.assignment) == answer.certificate


def test_a_pair_that_may_not_be_one_way_round_is_none() -> None:
    pool = pool_of(
        participant(1, roles=("mentor", "mentee"), capacity=1, credentials=("trained",)),
        participant(2, roles=("mentor", "mentee"), capacity=1),
        participant(3, roles=("mentor", "mentee"), capacity=1, credentials=("trained",)),
        mentor_credentials=("trained",),
    )
    pool.configure(replace(pool.program, kind="peer"))
    market = forms.peer_market(pool, pool.rows([ident(1), ident(2), ident(3)]), np.uint64(0), 64)
    assert market.rows().tolist() == [0, 2]
    assert market.mentor.tolist() == [2, 0]


def test_circles_have_their_sizes_and_one_that_runs_takes_a_single_one_more() -> None:
    scores = np.array([[9, 8, 1]] * 4 + [[1, 8, 9]] * 3)
    market = from_dense(scores, [3, 5, 5])
    answer = forms.circles(market, np.array([3, 3, 1], np.int32), epsilon=1)
    sizes = np.bincount(answer.assignment.mentor_of[answer.assignment.mentor_of != NOBODY], minlength=3)
    assert all(size == 0 or size >= least for size, least in zip(sizes, [3, 3, 1], strict=True))
    assert answer.certificate.matched == sizes.sum()
    assert answer.certificate.value <= answer.certificate.bound
    assert verify(market, answer.assignment) == answer.certificate


def test_places_of_circles_are_bounded_by_the_policy_and_by_the_mentors_capacity() -> None:
    pool = pool_of(mentor(1, capacity=20), mentor(2, capacity=2), mentor(3, capacity=9), mentee(4))
    pool.facts.add_live(pool.facts.row_of[ident(3)], 5, pool.now)
    rows = pool.rows([ident(1), ident(2), ident(3)])
    places, least = forms.circle_places(pool.facts, Policy(circle_minimum=3, circle_maximum=6), rows)
    assert (places.tolist(), least.tolist()) == ([6, 2, 1], [3, 3, 1])


def asked(story: Story) -> tuple[Round, Solution]:
    """A round of the pool as it is, solved."""
    snapshot = snapshot_of(story.pool, 7)
    round_ = Round(
        round_id=ident(99),
        asked_by="coordinator",
        objective="total",
        policy_version=1,
        seed=7,
        requested_at=story.time,
        participants=len(snapshot.seekers),
        input_digest="input",
    )
    round_steps.asked(story.pool, round_)
    return round_, solve(snapshot)


def applied(story: Story, round_: Round, solution: Solution) -> list[Decision]:
    return round_steps.solved(story.pool, story.time, match_id, round_, solution, "result")


def begun(story: Story) -> dict[int, list[int]]:
    """Who mentors whom, by participants' numbers."""
    found: dict[int, list[int]] = {}
    for match in sorted(story.pool.matches.values(), key=lambda match: match.mentee.participant_id):
        found.setdefault(match.mentor.participant_id.int, []).append(match.mentee.participant_id.int)
    return found


def group_story(**policy: object) -> Story:
    story = Story(matching="rounds", circle_minimum=3, circle_maximum=4, **policy)
    story.pool.configure(replace(story.pool.program, kind="group"))
    return story


def test_a_round_makes_circles_and_the_next_one_fills_them_up() -> None:
    story = group_story()
    for number in (1, 2):
        story.join(mentor(number, capacity=9))
    for number in range(11, 16):
        story.join(mentee(number))
    decisions = applied(story, *asked(story))
    assert sum(isinstance(each, Confirmed) for each in decisions) == 4
    [(leader, members)] = begun(story).items()
    assert len(members) == 4
    assert len({match.circle_id for match in story.pool.matches.values()}) == 1
    [waiting] = story.pool.waiting.values()
    assert "awaits_circle" in {each.rule for each in waiting.reasons}
    # One leaves: the circle goes on, and takes the one who waits at the next round, however few that are.
    story.withdraw(members[0])
    applied(story, *asked(story))
    assert begun(story) == {leader: [*members[1:], waiting.participant_id.int]}
    assert len({match.circle_id for match in story.pool.matches.values()}) == 1


def test_a_circle_that_lost_too_many_before_it_began_does_not_begin() -> None:
    story = group_story()
    story.join(mentor(1, capacity=9))
    for number in (11, 12, 13):
        story.join(mentee(number))
    round_, solution = asked(story)
    assert len(solution.pairs) == 3
    story.withdraw(12)
    applied(story, round_, solution)
    assert begun(story) == {}
    assert {each.participant_id.int: [r.rule for r in each.reasons] for each in story.pool.waiting.values()} == {
        11: ["awaits_circle"],
        13: ["awaits_circle"],
    }


def test_circles_that_are_proposed_are_left_alone_by_the_next_round() -> None:
    story = group_story(mentor_consent=True)
    story.join(mentor(1, capacity=3))
    for number in (11, 12, 13, 14):
        story.join(mentee(number))
    applied(story, *asked(story))
    before = begun(story)
    assert len(before[1]) == 3
    assert {match.status for match in story.pool.matches.values()} == {"proposed"}
    applied(story, *asked(story))
    assert begun(story) == before


def test_a_round_pairs_peers_and_tells_each_pair_once() -> None:
    story = Story(matching="rounds")
    story.pool.configure(replace(story.pool.program, kind="peer"))
    for number in range(1, 6):
        story.join(participant(number, roles=("mentor", "mentee"), capacity=1))
    assert story.pool.matches == {}
    round_, solution = asked(story)
    assert solve(snapshot_of(story.pool, 7)).pairs == solution.pairs
    assert (len(solution.pairs), solution.figures.matched, solution.figures.value <= solution.figures.upper_bound) == (
        2,
        4,
        True,
    )
    assert sum(pair.score for pair in solution.pairs) == pytest.approx(solution.figures.value, abs=1e-5)
    decisions = applied(story, round_, solution)
    assert sum(isinstance(each, Confirmed) for each in decisions) == 2
    [waiting] = story.pool.waiting.values()
    assert [each.rule for each in waiting.reasons] == ["better_used_elsewhere"]
    assert all(match.partners for match in story.pool.matches.values())
    assert story.pool.now >= NOW
