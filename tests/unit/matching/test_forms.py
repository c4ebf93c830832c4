"""Circles and partners: how their matches begin, change and end, and what others are told of them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from msgspec.structs import replace
from tests.unit.matching.builders import (
    Story,
    ident,
    match_id,
    mentee,
    mentor,
    participant,
    person,
    skills,
)

from matching.domain import arrivals, peers, search
from matching.domain.pool import Pool
from matching.domain.score import FACETS, SCALE, facet_points
from matching.domain.step import Step
from matching.domain.values import Confirmed, Decision, Ended, Participant, Terms, Waitlisted, Weights
from matching.handlers.decisions import tell
from mentorstream_events import Value
from mentorstream_events.matches import MatchChanged, MatchConfirmed, MatchEnded, MatchProposed, ParticipantWaitlisted
from mentorstream_runtime.outbox import Cause

NO_WEIGHTS = [name for name in FACETS if name != "seniority"]
CIRCLE = match_id(ident(1), ident(1))


def story_of(kind: str, **policy: object) -> Story:
    story = Story(**policy)
    story.pool.configure(replace(story.pool.program, kind=kind))
    return story


def told(story: Story, decisions: Sequence[Decision]) -> list[Value]:
    return [each.data for each in tell(story.pool, Cause(id="cause"), decisions)]


def peer(number: int, **changes: object) -> Participant:
    return participant(number, roles=("mentor", "mentee"), capacity=1, **changes)


def put(pool: Pool, *participants: Participant) -> None:
    for each in participants:
        pool.put_participant(each)


def pair_up(story: Story, mentor_number: int, mentees: Iterable[int]) -> list[Decision]:
    """What a round does of a circle."""
    step = Step.begin(story.pool, story.time, match_id)
    for number in mentees:
        mentor_row, mentee_row = story.pool.rows([ident(mentor_number), ident(number)]).tolist()
        step.take(search.Fit(mentor_row, mentee_row, (1,) * len(FACETS)), story.pool.now)
    return step.finish()


def circle(story: Story, *mentees: int) -> list[Decision]:
    put(story.pool, mentor(1, capacity=5), *(mentee(number) for number in (2, 3, 4, 5)))
    return pair_up(story, 1, mentees)


def members(data: Value) -> tuple[int, ...]:
    assert isinstance(data, MatchConfirmed | MatchChanged | MatchProposed)
    return tuple(each.participant_id.int for each in data.mentees)


class TestCircles:
    def test_a_circle_is_one_match_to_others_and_a_place_for_each_mentee_to_its_mentor(self) -> None:
        story = story_of("group")
        decisions = circle(story, 2, 3, 4)
        assert [type(each) for each in decisions] == [Confirmed] * 3
        [confirmed] = told(story, decisions)
        assert isinstance(confirmed, MatchConfirmed)
        assert (confirmed.match_id, confirmed.mentor.role, members(confirmed)) == (CIRCLE, "mentor", (2, 3, 4))
        assert sum(confirmed.facets.values()) == confirmed.score
        assert story.pool.free_places(ident(1)) == 2
        assert {match.circle_id for match in story.pool.matches.values()} == {CIRCLE}

    def test_who_joins_later_changes_it_and_has_its_end(self) -> None:
        story = story_of("group")
        circle(story, 2, 3)
        ends_at = story.pool.told_as(CIRCLE)[0].ends_at
        story.later(weeks=1)
        [changed] = told(story, pair_up(story, 1, [4]))
        assert isinstance(changed, MatchChanged)
        assert (changed.match_id, changed.reason, members(changed)) == (CIRCLE, "members", (2, 3, 4))
        assert {match.ends_at for match in story.pool.told_as(CIRCLE)} == {ends_at} == {changed.ends_at}

    def test_it_runs_on_while_anybody_is_left_and_ends_with_the_last(self) -> None:
        story = story_of("group")
        circle(story, 2, 3, 4)
        changed, _ = told(story, story.rematch(2, CIRCLE))
        assert isinstance(changed, MatchChanged)
        assert (changed.reason, members(changed)) == ("members", (3, 4))
        [changed] = told(story, story.withdraw(3))
        assert members(changed) == (4,)
        [ended] = told(story, story.withdraw(4))
        assert isinstance(ended, MatchEnded)
        assert (ended.match_id, ended.was_confirmed, ended.reason) == (CIRCLE, True, "withdrawn")
        assert ended.mentee_person_ids == (person(4),)
        # The next circle of the mentor is another one.
        story.later(days=1)
        assert story.pool.told_as(CIRCLE) == []

    def test_it_ends_as_a_whole_with_its_mentor_by_a_coordinator_and_by_the_clock(self) -> None:
        for how in ("mentor", "coordinator", "clock"):
            story = story_of("group", terms=Terms(weeks=2))
            circle(story, 2, 3)
            if how == "mentor":
                decisions = story.withdraw(1)
            else:
                if how == "clock":
                    assert story.end(1, 1, "term_over") == []
                    story.later(weeks=2)
                decisions = story.end(1, 1, "term_over" if how == "clock" else "coordinator")
            ended = [each for each in told(story, decisions) if isinstance(each, MatchEnded)]
            assert [(each.match_id, each.mentee_person_ids) for each in ended] == [(CIRCLE, (person(2), person(3)))]
            assert story.pool.matches == {}

    def test_a_change_of_one_of_its_people_or_of_the_terms_is_told_once(self) -> None:
        story = story_of("group")
        circle(story, 2, 3)
        [changed] = told(story, story.update(mentor(1, capacity=5, zone="Asia/Tokyo")))
        assert isinstance(changed, MatchChanged)
        assert (changed.reason, changed.mentor.zone, members(changed)) == ("participant_updated", "Asia/Tokyo", (2, 3))
        program = replace(story.pool.program, terms=Terms(weeks=10))
        [changed] = told(story, arrivals.configure(story.pool, story.time, match_id, program))
        assert isinstance(changed, MatchChanged)
        assert (changed.reason, changed.terms.weeks) == ("terms", 10)

    def test_its_mentor_answers_for_all_of_it_at_once(self) -> None:
        for answer in ("accept", "decline", "expire"):
            story = story_of("group", mentor_consent=True)
            [proposed] = told(story, circle(story, 2, 3, 4))
            assert isinstance(proposed, MatchProposed)
            assert (proposed.match_id, members(proposed)) == (CIRCLE, (2, 3, 4))
            # Who leaves while it is proposed is not told of: nobody but the mentor heard.
            assert told(story, story.withdraw(2)) == []
            story.later(days=8 if answer == "expire" else 1)
            first, *rest = told(story, getattr(story, answer)(1, 1))
            if answer == "accept":
                assert isinstance(first, MatchConfirmed)
                assert members(first) == (3, 4)
            else:
                assert isinstance(first, MatchEnded)
                assert not first.was_confirmed
                assert all(isinstance(each, ParticipantWaitlisted) for each in rest)


class TestPartners:
    def test_a_newcomer_gets_the_best_of_those_who_wait(self) -> None:
        story = story_of("peer")
        [waits] = story.join(peer(1, offers=skills(law=5), wants=skills(sql=5)))
        assert isinstance(waits, Waitlisted)
        assert [(each.rule, each.removed) for each in waits.waiting.reasons] == [("no_candidates", 0)]
        story.pool.put_participant(peer(2))
        story.pool.put_waiting(replace(waits.waiting, participant_id=ident(2)))
        [confirmed] = story.join(peer(3, offers=skills(sql=5), wants=skills(law=5)))
        assert isinstance(confirmed, Confirmed)
        assert (confirmed.match.mentor.participant_id, confirmed.match.mentee.participant_id) == (ident(1), ident(3))
        assert list(story.pool.waiting) == [ident(2)]

    def test_points_are_the_same_whoever_asks_and_count_both_ways(self) -> None:
        gives, takes = peer(1, offers=skills(sql=5)), peer(2, wants=skills(sql=5))
        scores = []
        for first, second in ((gives, takes), (takes, gives)):
            story = story_of("peer")
            story.join(first)
            [confirmed] = story.join(second)
            assert isinstance(confirmed, Confirmed)
            scores.append((confirmed.match.score, confirmed.match.facets))
            assert sum(confirmed.match.facets.values()) == confirmed.match.score
            assert confirmed.match.score * SCALE == int(confirmed.match.score * SCALE)
        assert scores[0] == scores[1]

    def test_nobody_has_two_whichever_side_they_stand_on(self) -> None:
        story = story_of("peer")
        for number in (1, 2, 3):
            story.join(participant(number, roles=("mentor", "mentee"), capacity=3))
        assert [(m.mentor.participant_id.int, m.mentee.participant_id.int) for m in story.pool.matches.values()] == [
            (1, 2)
        ]
        assert story.pool.matches_of_mentee(ident(1)) == story.pool.matches_of_mentee(ident(2))
        assert [story.pool.matches_of(ident(number)) for number in (1, 2)] == [list(story.pool.matches.values())] * 2
        [waiting] = story.pool.waiting.values()
        assert [(each.rule, each.removed) for each in waiting.reasons] == [("capacity", 2)]

    @pytest.mark.parametrize("leaver", [1, 2])
    def test_who_is_left_alone_looks_again_on_either_side(self, leaver: int) -> None:
        story = story_of("peer")
        for number in (1, 2, 3):
            story.join(peer(number))
        ended, confirmed = story.withdraw(leaver)
        assert isinstance(ended, Ended)
        assert isinstance(confirmed, Confirmed)
        sides = {confirmed.match.mentor.participant_id.int, confirmed.match.mentee.participant_id.int}
        assert sides == {1, 2, 3} - {leaver}

    def test_of_several_who_look_again_one_may_have_taken_the_other(self) -> None:
        story = story_of("peer", same_boss_allowed=False)
        for number in (1, 2, 3):
            story.join(peer(number, managers=(person(9),)))
        assert len(story.pool.waiting) == 3
        [confirmed] = [each for each in story.lines(p1=[7], p2=[8]) if isinstance(each, Confirmed)]
        assert {confirmed.match.mentor.participant_id.int, confirmed.match.mentee.participant_id.int} == {1, 2}
        assert list(story.pool.waiting) == [ident(3)]

    @pytest.mark.parametrize("seed", range(6))
    def test_the_compiled_look_is_that_of_rules_and_score(self, seed: int) -> None:
        draw = random.Random(seed)
        policy = {"same_boss_allowed": False, "minimum_score": draw.choice((0.0, 0.4)), "seniority_gap_maximum": 3}
        story = story_of("peer", **policy)
        for number in range(1, 40):
            known = skills(**{name: draw.randint(1, 5) for name in draw.sample(("sql", "law", "art"), 2)})
            wanted = skills(**{name: draw.randint(1, 5) for name in draw.sample(("sql", "law", "art"), 2)})
            who = peer(number, offers=known, wants=wanted, seniority=draw.randint(0, 8))
            who = replace(who, managers=(person(100 + draw.randint(0, 3)),), blocks=(person(draw.randint(1, 40)),))
            story.pool.put_participant(replace(who, capacity=draw.choice((0, 1, 1))))
        [entry] = [each.waiting for each in story.join(peer(50, languages=("fi",))) if isinstance(each, Waitlisted)]
        for number in range(1, 40, 2):
            story.pool.put_waiting(replace(entry, participant_id=ident(number)))
        facts = story.pool.facts
        for number in range(1, 40, 2):
            row = facts.row_of[ident(number)]
            others = np.array([other for other in facts.row_of.values() if other != row])
            fits, worth = peers.points_of(story.pool, row, others)
            waiting = {
                int(others[fit]): int(w) for fit, w in zip(fits, worth, strict=True) if facts.waiting[others[fit]]
            }
            found = peers.look(story.pool, row)
            best = max(waiting, key=lambda other: (waiting[other], -facts.id_at(other).int), default=None)
            if best is None:
                assert not isinstance(found, search.Fit)
            else:
                assert isinstance(found, search.Fit)
                assert (found.mentor, found.total) == (best, waiting[best])
            assert sum(each.removed for each in peers.why_no_partner(story.pool, row)) == len(others) - len(fits)

    def test_of_very_many_only_the_first_look_again_in_one_event(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(peers, "_PAIRS_AT_ONCE", 12)  # three of four
        story = story_of("peer", same_boss_allowed=False)
        for number in (1, 2, 3, 4):
            story.join(peer(number, managers=(person(9),)))
        assert peers.looks_at_once(story.pool) == 3
        policy = replace(story.pool.program.policy, minimum_score=0.99, same_boss_allowed=True)
        program = replace(story.pool.program, policy=policy)
        decided = arrivals.configure(story.pool, story.time, match_id, program)
        assert [each.waiting.participant_id for each in decided if isinstance(each, Waitlisted)] == [
            ident(number) for number in (1, 2, 3)
        ]

    def test_others_are_told_of_partners(self) -> None:
        story = story_of("peer")
        story.join(peer(1))
        [confirmed] = told(story, story.join(peer(2)))
        assert isinstance(confirmed, MatchConfirmed)
        assert (confirmed.mentor.role, [each.role for each in confirmed.mentees]) == ("partner", ["partner"])
        ended, *_ = told(story, story.rematch(1, confirmed.match_id))
        assert isinstance(ended, MatchEnded)
        assert sorted(story.pool.waiting) == [ident(1), ident(2)]

    def test_rules_hold_both_ways_and_pausing_takes_part_in_nothing(self) -> None:
        story = story_of("peer", mentor_credentials=("trained",))
        story.join(peer(1, credentials=("trained",)))
        [waits] = story.join(peer(2))
        assert isinstance(waits, Waitlisted)
        assert [(each.rule, each.removed) for each in waits.waiting.reasons] == [("credentials", 1)]
        story.join(participant(3, roles=("mentor", "mentee"), capacity=0, credentials=("trained",)))
        assert story.pool.matches == {}
        story.update(peer(3, credentials=("trained",)))
        assert len(story.pool.matches) == 1

    def test_a_pool_from_the_database_goes_on_the_same(self) -> None:
        story = story_of("peer")
        for number in range(1, 6):
            story.join(peer(number))
        pool = story.pool
        again = Pool.restored(
            pool.program,
            pool.now,
            participants=pool.participants.values(),
            left=pool.left,
            matches=pool.matches.values(),
            waiting=pool.waiting.values(),
        )
        assert again.matches == pool.matches
        assert [again.matches_of_mentee(ident(n)) for n in range(1, 6)] == [
            pool.matches_of_mentee(ident(n)) for n in range(1, 6)
        ]
        assert [again.free_places(ident(n)) for n in range(1, 6)] == [pool.free_places(ident(n)) for n in range(1, 6)]


class TestReverse:
    @pytest.mark.parametrize("kind", ["formal", "reverse"])
    def test_seniority_looks_the_other_way_round_and_gaps_mean_the_same(self, kind: str) -> None:
        """A mentor three steps above is best; in reverse mentoring, one three steps below."""
        reverse = kind == "reverse"
        for gap in ({}, {"seniority_gap_minimum": -3, "seniority_gap_maximum": -3}):
            story = story_of(
                kind, reverse=reverse, weights=Weights(**dict.fromkeys(NO_WEIGHTS, 0.0), seniority=1.0), **gap
            )
            story.join(mentor(1, seniority=8))
            story.join(mentor(2, seniority=2))
            [confirmed] = story.join(mentee(3, seniority=5))
            assert isinstance(confirmed, Confirmed)
            assert confirmed.match.mentor.participant_id == ident(2 if reverse or gap else 1)
            assert confirmed.match.score == (0.0 if gap and not reverse else 1.0)
            rows = (np.array([story.pool.facts.row_of[ident(number)]]) for number in (1, 3))
            points = facet_points(story.pool.facts, story.pool.program.policy.weights, *rows)
            assert points.sum() == (0 if reverse else SCALE)

    def test_a_program_that_becomes_reverse_looks_anew(self) -> None:
        story = story_of("formal")
        put(story.pool, mentor(1, seniority=8), mentee(2, seniority=5))
        story.pool.configure(replace(story.pool.program, kind="reverse"))
        seniority = story.pool.facts.seniority[story.pool.rows([ident(1), ident(2)])]
        assert seniority.tolist() == [3, 6]
