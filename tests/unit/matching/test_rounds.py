"""Rounds as values: what goes in, what comes out, and what becomes of it in a pool that went on meanwhile."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any, get_args
from uuid import UUID

import pytest
from msgspec.structs import replace
from tests.unit.matching.builders import ALPHA, NOW, Story, ident, match_id, mentee, mentor, participant, skills

from matching.adapters import packing
from matching.domain import round_steps, rounding
from matching.domain.engine.certificate import verify
from matching.domain.pool import Pool
from matching.domain.rounding import Snapshot, Solution, snapshot_of, solve
from matching.domain.values import (
    Confirmed,
    Decision,
    Ended,
    Matching,
    Objective,
    Participant,
    Proposed,
    Round,
    RoundDone,
    Waitlisted,
)

ROUND = UUID(int=77)
TAGS = ("sql", "law", "tax", "art", "ict", "ops")


def people(seed: int, mentors: int, mentees: int) -> list[Participant]:
    rng = random.Random(seed)

    def offered() -> Any:
        return skills(**{tag: rng.randint(1, 5) for tag in rng.sample(TAGS, 3)})

    return [
        *(
            mentor(1 + each, capacity=rng.randint(1, 3), offers=offered(), seniority=rng.randint(0, 10))
            for each in range(mentors)
        ),
        *(mentee(101 + each, wants=offered(), seniority=rng.randint(0, 10)) for each in range(mentees)),
    ]


def joined(*participants: Participant, kind: str = "formal", matching: Matching = "rounds", **policy: Any) -> Story:
    story = Story(matching=matching, **policy)
    story.pool.program = replace(story.pool.program, kind=kind)
    for each in participants:
        story.join(each)
    return story


def ask(pool: Pool, seed: int = 0) -> Snapshot:
    """Ask for a round; its digest is not looked at here."""
    assert round_steps.may_run(pool)
    snapshot = snapshot_of(pool, seed)
    asked = Round(
        round_id=ROUND,
        asked_by="coordinator",
        objective=pool.program.policy.objective,
        policy_version=1,
        seed=seed,
        requested_at=pool.now,
        participants=len(snapshot.seekers),
        input_digest="in",
    )
    round_steps.asked(pool, asked)
    return snapshot


def finish(pool: Pool, solution: Solution) -> list[Decision]:
    assert pool.round is not None
    return round_steps.solved(pool, pool.now, match_id, pool.round, solution, "out")


def run(pool: Pool, seed: int = 0) -> list[Decision]:
    return finish(pool, solve(ask(pool, seed)))


def done(decisions: Collection[Decision]) -> Round:
    (found,) = [each.round for each in decisions if isinstance(each, RoundDone)]
    return found


def pairs(decisions: Collection[Decision], kind: type[Confirmed | Proposed] = Confirmed) -> set[tuple[int, int]]:
    return {
        (each.match.mentor.participant_id.int, each.match.mentee.participant_id.int)
        for each in decisions
        if isinstance(each, kind)
    }


def reasons(pool: Pool, number: int) -> list[tuple[str, int]]:
    return [(each.rule, each.removed) for each in pool.waiting[ident(number)].reasons]


@pytest.mark.parametrize("objective", get_args(Objective))
@pytest.mark.parametrize("seed", [0, 5])
def test_the_same_snapshot_gives_the_same_answer_bit_for_bit(objective: Objective, seed: int) -> None:
    """However the people came, from whichever process, through whatever was stored."""
    crowd = people(seed, 12, 25)
    first = joined(*crowd, objective=objective)
    shuffled = list(crowd)
    random.Random(1).shuffle(shuffled)
    second = Pool(first.pool.program, first.pool.now)
    for each in shuffled:
        second.put_participant(first.pool.participants[each.participant_id])
    for entry in first.pool.waiting.values():
        second.put_waiting(entry)
    one, other = packing.pack_input(snapshot_of(first.pool, seed)), packing.pack_input(snapshot_of(second, seed))
    assert one == other
    direct, stored = solve(snapshot_of(first.pool, seed)), solve(packing.unpack_input(one.data))
    packed = packing.pack_answer(direct)
    assert packed == packing.pack_answer(stored)
    again = packing.unpack_answer(packed.data)
    assert (again.pairs, again.left_over, again.figures) == (direct.pairs, direct.left_over, direct.figures)
    if objective != "fairness":  # whose certificate is about the candidates that its first steps left
        assert verify(again.market, again.assignment).matched == len(again.pairs)


def test_a_seed_only_orders_what_is_equal() -> None:
    alike = [*(mentor(each) for each in range(1, 9)), *(mentee(100 + each) for each in range(8))]
    answers = [solve(ask(joined(*alike).pool, seed)) for seed in range(4)]
    assert {each.figures for each in answers} == {answers[0].figures}
    assert len({frozenset((pair.mentor_id, pair.mentee_id) for pair in each.pairs) for each in answers}) > 1


@pytest.mark.parametrize("objective", get_args(Objective))
def test_every_pair_may_be_and_no_mentor_has_too_many(objective: Objective) -> None:
    story = joined(*people(3, 10, 30), objective=objective, seniority_gap_minimum=0, minimum_score=0.2)
    decisions = run(story.pool)
    made = [each.match for each in decisions if isinstance(each, Confirmed)]
    assert made
    assert all(match.round_id == ROUND and match.score >= 0.2 for match in made)
    assert all(sum(match.facets.values()) == match.score for match in made)
    assert done(decisions).figures.dropped == 0
    assert (story.pool.facts.live <= story.pool.facts.capacity).all()
    assert len(made) + len(story.pool.waiting) == 30


def test_who_got_nobody_is_told_why() -> None:
    story = joined(mentor(1), mentee(101), mentee(102), mentee(103, languages=("fi",)))
    decisions = run(story.pool)
    (left,) = {101, 102} - {mentee_number for _, mentee_number in pairs(decisions)}
    assert reasons(story.pool, left) == [("better_used_elsewhere", 1)]
    assert reasons(story.pool, 103) == [("language", 1)]
    assert sum(isinstance(each, Waitlisted) for each in decisions) == 2


def test_fairness_lets_in_who_was_never_matched_and_then_who_waited_longest() -> None:
    story = joined(mentor(1, capacity=1), mentee(101), objective="fairness")
    run(story.pool)
    story.later(days=30)
    story.join(mentee(102))
    story.join(mentee(103))
    story.end(1, 101)
    story.rematch(101)
    story.join(mentor(2))
    assert pairs(run(story.pool)) & {(1, 102), (2, 102)}
    assert ident(102) not in story.pool.waiting
    # 103 came last, but 101 had a mentor before.
    assert set(story.pool.waiting) == {ident(101)}


def test_fairness_spreads_the_load() -> None:
    """One mentor fits everybody a little better; without load costs she would have them all."""
    crowd = [mentor(1, capacity=3, offers=skills(sql=3)), mentor(2, capacity=3, offers=skills(sql=3), style="calm")]
    seekers = [mentee(101 + each, wants=skills(sql=3)) for each in range(4)]
    story = joined(*crowd, *seekers, objective="fairness")
    made = pairs(run(story.pool))
    assert sorted(sum(one == number for one, _ in made) for number in (1, 2)) == [2, 2]


@pytest.mark.parametrize(
    ("change", "left"),
    [
        (lambda story: story.withdraw(1), "next_round"),
        (lambda story: story.update(mentor(1, languages=("fi",))), "next_round"),
        (lambda story: story.update(mentor(1, capacity=0)), "next_round"),
    ],
    ids=["the mentor left", "they share no language any more", "no place is left"],
)
def test_each_pair_is_held_against_the_pool_as_it_is_by_then(change: Callable[[Story], Any], left: str) -> None:
    story = joined(mentor(1), mentee(101))
    solution = solve(ask(story.pool))
    change(story)
    decisions = finish(story.pool, solution)
    assert pairs(decisions) == set()
    assert (done(decisions).figures.matched, done(decisions).figures.dropped) == (1, 1)
    assert reasons(story.pool, 101) == [(left, 0)]


def test_who_left_or_came_meanwhile_is_not_touched() -> None:
    story = joined(mentor(1), mentor(2), mentee(101))
    solution = solve(ask(story.pool))
    story.withdraw(101)
    story.join(mentee(102))
    decisions = finish(story.pool, solution)
    assert (pairs(decisions), done(decisions).figures.dropped) == (set(), 1)
    assert reasons(story.pool, 102) == [("next_round", 0)]
    assert not story.pool.matches


def test_arrivals_departures_and_ends_wait_for_the_next_round() -> None:
    story = joined(mentor(1, capacity=2), mentee(101))
    assert pairs(run(story.pool)) == {(1, 101)}
    assert not pairs(story.join(mentee(102)))
    assert not pairs(story.end(1, 101))
    assert not pairs(story.join(mentor(2)))
    assert reasons(story.pool, 102) == [("next_round", 0)]
    assert pairs(run(story.pool)) & {(1, 102), (2, 102)}


def test_a_gate_that_is_not_reached_changes_nothing() -> None:
    story = joined(mentor(1), mentee(101), mentee(102), round_minimum_matched=0.6)
    decisions = run(story.pool)
    assert [type(each) for each in decisions] == [RoundDone]
    assert (done(decisions).status, done(decisions).figures.matched) == ("gated", 1)
    assert len(story.pool.waiting) == 2
    assert story.pool.round is None


def test_an_empty_pool_has_a_round_of_nobody() -> None:
    decisions = run(joined(round_minimum_matched=1.0).pool)
    assert (done(decisions).status, done(decisions).participants) == ("applied", 0)
    assert done(run(joined(mentor(1)).pool)).figures.matched == 0


def test_drafts_are_published_with_edits() -> None:
    story = joined(
        *(mentor(each) for each in (1, 2, 3)), *(mentee(each) for each in (101, 102, 103)), matching="review"
    )
    pool, solution = story.pool, solve(ask(story.pool))
    assert done(finish(pool, solution)).status == "drafted"
    assert not pool.matches
    assert not round_steps.may_run(pool)
    drafts = [(pair.mentor_id, pair.mentee_id) for pair in solution.pairs]
    taken, swapped, kept = drafts
    added = [(swapped[0], kept[1])]
    decisions = round_steps.publish(
        pool, pool.now, match_id, solution, removed={taken}, added=added, approved={swapped, kept}
    )
    # The added pair takes the mentee of `kept` and the place of `swapped`, whose mentee waits on.
    assert pairs(decisions) == {(swapped[0].int, kept[1].int)}
    assert (done(decisions).status, done(decisions).figures.dropped) == ("published", 1)
    assert set(pool.waiting) == {taken[1], swapped[1]}
    assert round_steps.publish(pool, pool.now, match_id, solution, removed=(), added=(), approved=None) == []


def test_discarding_ends_drafts_and_what_is_being_solved() -> None:
    story = joined(mentor(1), mentee(101), matching="review")
    pool = story.pool
    solution = solve(ask(pool))
    assert done(round_steps.discard(pool, NOW, match_id, ROUND)).status == "discarded"
    assert round_steps.discard(pool, NOW, match_id, ROUND) == []
    ask(pool)
    finish(pool, solution)
    assert done(round_steps.discard(pool, NOW, match_id, ROUND)).status == "discarded"
    assert list(pool.waiting) == [ident(101)]


def test_a_program_that_matches_otherwise_from_now_on_drops_its_round() -> None:
    story = joined(mentor(1), mentee(101), matching="review")
    finish(story.pool, solve(ask(story.pool)))
    decisions = story.configure(version=2)
    assert done(decisions).status == "discarded"
    assert pairs(decisions) == {(1, 101)}
    assert not story.configure(version=3, matching="rounds")
    story.join(mentee(102))
    assert reasons(story.pool, 102) == [("next_round", 0)]


def test_a_proposal_stands_unless_a_round_gains_more_than_its_bonus() -> None:
    """Both would have mentor 1; 101 was proposed to her first, 102 gains more by her."""
    for bonus, expected in ((0.9, set()), (0.0, {(1, 102), (2, 101)})):
        story = joined(
            mentor(1, offers=skills(sql=5)),
            mentor(2, offers=skills(law=1)),
            mentee(101, wants=skills(sql=5, law=5)),
            mentor_consent=True,
            proposal_days=60,
            incumbent_bonus=bonus,
        )
        assert pairs(run(story.pool), Proposed) == {(1, 101)}
        story.join(mentee(102, wants=skills(sql=5)))
        decisions = run(story.pool)
        moved = pairs(decisions, Proposed)
        assert moved == (expected or {(2, 102)})
        assert [each.match.mentee.participant_id for each in decisions if isinstance(each, Ended)] == (
            [ident(101)] if expected else []
        )


def test_a_proposal_that_was_answered_meanwhile_stands() -> None:
    story = joined(mentor(1), mentee(101), mentor_consent=True)
    run(story.pool)
    solution = solve(ask(story.pool))
    story.accept(1, 101)
    decisions = finish(story.pool, solution)
    assert [type(each) for each in decisions] == [RoundDone]
    assert done(decisions).figures.dropped == 0


def test_former_pairs_and_blocks_hold_in_rounds() -> None:
    story = joined(mentor(1), mentee(101))
    run(story.pool)
    story.rematch(101)
    decisions = run(story.pool)
    assert reasons(story.pool, 101) == [("former_match", 1)]
    assert pairs(decisions) == set()


def test_circles_keep_their_sizes() -> None:
    crowd = [*(mentor(each, capacity=5) for each in (1, 2)), *(mentee(100 + each) for each in range(7))]
    story = joined(*crowd, kind="group", circle_minimum=3, circle_maximum=4)
    made = pairs(run(story.pool))
    sizes = sorted(sum(one == number for one, _ in made) for number in (1, 2))
    assert sizes == [3, 4]
    assert len({match.circle_id for match in story.pool.matches.values()}) == 2
    few = joined(mentor(1, capacity=5), mentee(101), mentee(102), kind="group", circle_minimum=3)
    assert not pairs(run(few.pool))
    assert reasons(few.pool, 101) == [("awaits_circle", 1)]


def test_partners_have_each_other_and_nobody_else() -> None:
    crowd = [participant(each, roles=("mentor", "mentee"), capacity=1, organisation_id=ALPHA) for each in range(1, 6)]
    story = joined(*crowd, kind="peer")
    decisions = run(story.pool)
    made = pairs(decisions)
    assert len(made) == 2
    assert len({number for pair in made for number in pair}) == 4
    (alone,) = story.pool.waiting
    assert reasons(story.pool, alone.int) == [("better_used_elsewhere", 4)]
    assert done(decisions).figures.matched == 4


def test_a_search_that_nobody_waits_for_is_given_up() -> None:
    with pytest.raises(rounding.Interrupted):
        solve(ask(joined(mentor(1), mentee(101)).pool), lambda: True)


def test_the_clock_counts_from_when_it_was_told_to() -> None:
    story = joined(round_every_days=7)
    story.configure(matching="rounds", round_every_days=7)
    begun = story.pool.rounds_from
    story.later(days=1)
    story.configure(version=2, matching="rounds", round_every_days=7)
    assert story.pool.rounds_from == begun
    story.configure(version=3, matching="rounds", round_every_days=14)
    assert story.pool.rounds_from is not None
    assert begun is not None
    assert story.pool.rounds_from - begun > timedelta(days=1)
    story.configure(version=4)
    assert story.pool.rounds_from is None
