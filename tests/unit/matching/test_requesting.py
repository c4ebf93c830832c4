"""Where mentees choose: who of a list is asked when, and what becomes of it in everything else that happens."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace
from tests.unit.matching.builders import (
    MENTEE,
    MENTOR,
    Story,
    ident,
    mentee,
    mentor,
    participant,
    person,
    pool_of,
    skills,
)
from tests.unit.matching.test_arrivals import told

from matching.domain import arrivals
from matching.domain.pool import Pool
from matching.domain.requesting import candidates
from matching.domain.values import Confirmed, Contradiction, Decision, Ended, Match, Waitlisted
from matching.handlers.decisions import tell
from mentorstream_events.matches import ParticipantWaitlisted
from mentorstream_runtime.outbox import Cause


class Choosing(Story):
    """A program on request, with mentors 1 to 5 and mentee 9. Ids of matches tell apart a pair asked twice."""

    def __init__(self, **policy: Any) -> None:
        super().__init__(matching="on_request", **policy)
        for number in range(1, 6):
            self.join(mentor(number))
        self.join(mentee(9))

    def choose(self, *mentors: int, mentee: int = 9) -> list[str]:
        return told(arrivals.request(self.pool, self._tick(), self.new_id, ident(mentee), [*map(ident, mentors)]))

    def new_id(self, mentor: UUID, mentee: UUID) -> UUID:
        minutes = int(self.time.timestamp()) // 60
        return UUID(int=(minutes << 60) + (mentor.int << 20) + mentee.int)

    def open(self, mentor: int, mentee: int = 9) -> Match:
        (match,) = [
            each
            for each in self.pool.matches.values()
            if (each.mentor.participant_id, each.mentee.participant_id) == (ident(mentor), ident(mentee))
        ]
        return match

    def says_yes(self, mentor: int, mentee: int = 9) -> list[str]:
        return told(arrivals.accept(self.pool, self._tick(), self.new_id, self.open(mentor, mentee).match_id))

    def says_no(self, mentor: int, mentee: int = 9) -> list[str]:
        return told(arrivals.decline(self.pool, self._tick(), self.new_id, self.open(mentor, mentee).match_id))

    def is_silent(self, mentor: int, mentee: int = 9) -> list[str]:
        self.later(days=7)
        return told(arrivals.expire(self.pool, self._tick(), self.new_id, self.open(mentor, mentee).match_id))

    @property
    def left(self) -> list[int]:
        return [each.int for each in self.pool.choices[ident(9)].mentors]


def lists(decisions: Iterable[Decision]) -> list[UUID]:
    return [each.waiting.participant_id for each in decisions if isinstance(each, Waitlisted)]


class TestWaiting:
    def test_a_mentee_waits_to_choose_however_many_mentors_are_free(self) -> None:
        story = Story(matching="on_request")
        story.join(mentor(1))
        assert told(story.join(mentee(2))) == ["waitlisted 2 no_request:0"]
        assert told(story.join(mentor(3))) == []

    def test_an_update_or_a_free_place_makes_no_match(self) -> None:
        story = Choosing()
        assert story.update(mentee(9, wants=skills(sql=3))) == []
        assert story.update(mentor(1, capacity=5)) == []
        assert story.withdraw(1) == []

    def test_clocks_that_change_make_no_match(self) -> None:
        story = Choosing()
        story.join(mentee(8, zone="Europe/Paris"))
        story.later(weeks=6)
        assert story.withdraw(5) == []

    def test_who_becomes_a_mentee_is_asked_to_choose(self) -> None:
        story = Choosing()
        assert told(story.update(participant(1, roles=MENTOR + MENTEE, capacity=1))) == ["waitlisted 1 no_request:0"]


class TestCascade:
    def test_the_first_is_asked_and_then_the_next(self) -> None:
        story = Choosing()
        assert story.choose(3, 1, 2) == ["proposed 3-9"]
        assert story.says_no(3) == ["ended 3-9 declined", "proposed 1-9"]
        assert story.is_silent(1) == ["ended 1-9 expired", "proposed 2-9"]
        assert story.says_yes(2) == ["confirmed 2-9"]
        assert story.left == []

    def test_proposals_are_made_although_the_program_asks_for_no_consent(self) -> None:
        story = Choosing(mentor_consent=False, proposal_days=3)
        story.choose(1)
        match = story.open(1)
        assert match.requested
        assert match.expires_at == story.time + timedelta(days=3)
        assert match.shared.languages == ("en",)

    def test_several_are_asked_at_once_and_the_first_yes_wins(self) -> None:
        story = Choosing(requests_at_once=2)
        assert story.choose(1, 2, 3) == ["proposed 1-9", "proposed 2-9"]
        assert story.says_no(1) == ["ended 1-9 declined", "proposed 3-9"]
        late = story.open(2).match_id
        assert story.says_yes(3) == ["confirmed 3-9", "ended 2-9 other_accepted"]
        assert arrivals.accept(story.pool, story.time, story.new_id, late) == []
        assert story.pool.free_places(ident(2)) == 1
        assert story.left == []

    def test_each_open_proposal_holds_a_place(self) -> None:
        story = Choosing(requests_at_once=2)
        story.choose(1, 2)
        story.join(mentee(8))
        assert story.choose(1, 3, mentee=8) == ["proposed 3-8"]
        assert [story.pool.free_places(ident(number)) for number in (1, 2, 3)] == [0, 0, 0]

    def test_who_had_no_place_is_asked_when_one_is_free_again(self) -> None:
        story = Choosing()
        story.join(mentee(8))
        story.choose(1, mentee=8)
        assert story.choose(1, 2, 3) == ["proposed 2-9"]
        story.says_no(1, 8)
        assert story.says_no(2) == ["ended 2-9 declined", "proposed 1-9"]
        assert story.left == [3]

    def test_a_list_that_is_used_up_lets_the_mentee_choose_again(self) -> None:
        story = Choosing()
        since = story.pool.waiting[ident(9)].since
        story.choose(1)
        assert story.says_no(1) == ["ended 1-9 declined", "waitlisted 9 no_request:0"]
        assert story.pool.waiting[ident(9)].since == since
        assert story.choose(2) == ["proposed 2-9"]

    def test_a_list_of_which_nobody_can_be_asked_is_told_at_once(self) -> None:
        story = Choosing()
        story.update(mentor(1, capacity=0))
        story.withdraw(2)
        assert story.choose(1, 2) == ["waitlisted 9 no_request:0"]
        assert story.pool.choices[ident(9)].number == 1
        assert story.left == []

    def test_who_left_in_between_is_passed_over(self) -> None:
        story = Choosing()
        story.choose(1, 2, 3)
        story.withdraw(2)
        assert story.says_no(1) == ["ended 1-9 declined", "proposed 3-9"]

    def test_more_than_the_policy_allows_are_not_asked(self) -> None:
        story = Choosing(requests_limit=2, requests_at_once=3)
        assert story.choose(1, 2, 3) == ["proposed 1-9", "proposed 2-9"]


class TestAskedBefore:
    def test_who_said_no_is_not_asked_again(self) -> None:
        story = Choosing()
        story.choose(1)
        story.says_no(1)
        assert story.choose(1) == ["waitlisted 9 no_request:0"]

    def test_who_was_silent_may_be_asked_again(self) -> None:
        story = Choosing()
        story.choose(1)
        story.is_silent(1)
        assert story.choose(1) == ["proposed 1-9"]

    def test_who_was_not_needed_may_be_asked_after_the_match(self) -> None:
        story = Choosing(requests_at_once=2)
        story.choose(1, 2)
        story.says_yes(2)
        assert told(story.rematch(9)) == ["ended 2-9 rematch", "waitlisted 9 no_request:0"]
        assert story.choose(2, 1) == ["proposed 1-9"]  # 2 is a former match

    def test_two_who_ask_each_other_become_one_match(self) -> None:
        story = Choosing()
        for number in (6, 7):
            story.join(participant(number, roles=MENTOR + MENTEE, capacity=1))
        story.choose(7, mentee=6)
        story.choose(6, mentee=7)
        assert story.says_yes(6, 7) == ["confirmed 6-7"]
        assert story.says_yes(7, 6) == ["ended 7-6 unfit", "waitlisted 6 no_request:0"]


class TestEverythingElse:
    def test_a_new_list_replaces_those_not_asked_yet(self) -> None:
        story = Choosing()
        story.choose(1, 2)
        assert story.choose(1, 4) == []
        assert story.says_no(1) == ["ended 1-9 declined", "proposed 4-9"]

    def test_a_mentor_who_leaves_makes_room_for_the_next(self) -> None:
        story = Choosing()
        story.choose(1, 2)
        assert told(story.withdraw(1)) == ["ended 1-9 withdrawn", "proposed 2-9"]

    def test_a_mentee_who_leaves_takes_the_list_along(self) -> None:
        story = Choosing(requests_at_once=2)
        story.choose(1, 2, 3)
        assert told(story.withdraw(9)) == ["ended 1-9 withdrawn", "ended 2-9 withdrawn"]
        assert told(story.join(mentee(9))) == ["waitlisted 9 no_request:0"]
        assert story.pool.choices[ident(9)].number == 1

    def test_who_is_no_mentee_any_more_has_no_list(self) -> None:
        story = Choosing()
        story.choose(1, 2)
        assert told(story.update(mentor(9))) == ["ended 1-9 withdrawn"]
        assert story.left == []

    def test_a_block_makes_room_for_the_next(self) -> None:
        story = Choosing()
        story.choose(1, 2)
        assert told(story.update(mentor(1, blocks=(person(9),)))) == ["ended 1-9 rematch", "proposed 2-9"]

    def test_a_reporting_line_makes_room_for_the_next(self) -> None:
        story = Choosing()
        story.choose(1, 2, 3)
        assert told(story.lines(p9=[1, 2])) == ["ended 1-9 unfit", "proposed 3-9"]

    def test_a_pair_that_may_not_be_any_more_is_not_confirmed(self) -> None:
        story = Choosing()
        story.choose(1, 2)
        story.update(mentor(1, languages=("de",)))
        assert story.says_yes(1) == ["ended 1-9 unfit", "proposed 2-9"]

    def test_a_wish_for_another_one_asks_the_next(self) -> None:
        story = Choosing()
        story.choose(1, 2)
        assert told(story.rematch(9)) == ["ended 1-9 rematch", "proposed 2-9"]

    def test_a_mentor_who_parts_lets_the_mentee_choose(self) -> None:
        story = Choosing()
        story.choose(1)
        story.says_yes(1)
        assert told(story.rematch(1)) == ["ended 1-9 rematch", "waitlisted 9 no_request:0"]

    def test_an_end_by_a_coordinator_asks_nobody(self) -> None:
        story = Choosing(requests_at_once=2)
        story.choose(1, 2, 3)
        end = (story.pool, story._tick(), story.new_id)
        assert told(arrivals.end(*end, story.open(1).match_id, "coordinator")) == ["ended 1-9 coordinator"]
        assert story.left == [3]
        assert told(arrivals.end(*end, story.open(2).match_id, "coordinator")) == ["ended 2-9 coordinator"]
        assert story.left == []

    def test_a_list_of_who_has_a_match_is_counted_and_asks_nobody(self) -> None:
        story = Choosing()
        story.choose(1)
        story.says_yes(1)
        assert story.choose(2) == []
        assert (story.pool.choices[ident(9)].number, story.left) == (2, [])

    def test_a_program_that_changes_to_request_asks_who_waits_to_choose(self) -> None:
        story = Story()
        story.join(mentee(9))
        assert told(story.configure(matching="on_request", version=2)) == ["waitlisted 9 no_request:0"]
        assert told(story.configure(version=3)) == ["waitlisted 9 no_candidates:0"]

    def test_a_program_that_changes_from_request_forgets_lists_and_keeps_proposals(self) -> None:
        story = Choosing(requests_at_once=2)
        story.choose(1, 2, 3)
        assert told(story.configure(version=2, mentor_consent=True)) == []
        assert story.left == []
        assert story.says_no(1) == ["ended 1-9 declined"]  # another one is still asked
        assert story.says_no(2) == ["ended 2-9 declined", "proposed 3-9"]


class TestRefused:
    @pytest.mark.parametrize(
        ("mentors", "reason"), [((1, 1), "mentor_twice"), ((1, 77), "unknown_mentor"), ((77,), "unknown_mentor")]
    )
    def test_a_list_that_nobody_can_have_meant(self, mentors: tuple[int, ...], reason: str) -> None:
        story = Choosing()
        with pytest.raises(Contradiction) as refused:
            story.choose(*mentors)
        assert refused.value.reason == reason
        assert ident(9) not in story.pool.choices

    def test_a_list_of_somebody_who_was_never_here(self) -> None:
        with pytest.raises(Contradiction, match="unknown_participant"):
            Choosing().choose(1, mentee=77)

    def test_a_list_of_somebody_who_left_asks_nobody_and_is_counted(self) -> None:
        """Its page numbers lists, and waits for this one: uncounted it would stay closed should they come back."""
        story = Choosing()
        story.withdraw(9)
        assert story.choose(1) == []
        assert (story.pool.choices[ident(9)].number, story.left) == (1, [])


class TestListsInVain:
    """How many lists a mentee is told of: those of this wait, for others were not in vain."""

    @staticmethod
    def told_of(decisions: list[Decision], story: Choosing) -> list[int]:
        events = tell(story.pool, Cause(id="x"), decisions)
        return [each.data.lists for each in events if isinstance(each.data, ParticipantWaitlisted)]

    def test_a_list_that_was_used_up(self) -> None:
        story = Choosing()
        story.choose(1)
        match_id = story.open(1).match_id
        assert self.told_of(arrivals.decline(story.pool, story._tick(), story.new_id, match_id), story) == [1]

    def test_not_of_a_list_that_led_to_a_match(self) -> None:
        story = Choosing()
        story.choose(1)
        story.says_yes(1)
        assert self.told_of(story.rematch(9), story) == [0]

    def test_not_of_a_list_from_before_they_left(self) -> None:
        story = Choosing()
        story.choose(1)
        story.says_no(1)
        story.withdraw(9)
        assert self.told_of(story.join(mentee(9)), story) == [0]


class TestCandidates:
    def test_best_first_and_only_who_fits_and_has_a_place(self) -> None:
        pool = pool_of(
            mentor(1, offers=skills(law=5)),
            mentor(2, offers=skills(sql=5)),
            mentor(3, offers=skills(sql=5), capacity=0),
            mentor(4, offers=skills(sql=5), languages=("de",)),
            mentor(5, offers=skills(law=5)),
            mentee(9, wants=skills(sql=5)),
            matching="on_request",
        )
        found = candidates(pool, ident(9), 20)
        assert [pool.facts.id_at(fit.mentor).int for fit in found] == [2, 1, 5]
        assert [pool.facts.id_at(fit.mentor).int for fit in candidates(pool, ident(9), 2)] == [2, 1]

    def test_who_is_asked_already_cannot_be_chosen(self) -> None:
        story = Choosing()
        story.update(mentor(1, capacity=2))
        story.choose(1)
        assert [story.pool.facts.id_at(fit.mentor).int for fit in candidates(story.pool, ident(9), 9)] == [2, 3, 4, 5]

    def test_nobody(self) -> None:
        assert candidates(pool_of(mentee(9), matching="on_request"), ident(9), 20) == []


class TestTwoWhoAskEachOther:
    def story(self) -> Choosing:
        """Persons 6 and 7 both mentor and are mentored, and each has asked the other."""
        story = Choosing(rematch_former=True)
        for number in (6, 7):
            story.join(participant(number, roles=MENTOR + MENTEE, capacity=1))
        story.choose(6, mentee=7)
        story.choose(7, mentee=6)
        return story

    def test_the_second_yes_after_the_first_match_is_over_matches_them_again(self) -> None:
        story = self.story()
        assert story.says_yes(6, 7) == ["confirmed 6-7"]
        first, second = story.open(6, 7), story.open(7, 6)
        assert told(arrivals.end(story.pool, story.time, story.new_id, first.match_id, "coordinator")) == [
            "ended 6-7 coordinator"
        ]
        (confirmed,) = arrivals.accept(story.pool, story.time, story.new_id, second.match_id)
        assert isinstance(confirmed, Confirmed)
        assert (first.again, second.again, confirmed.match.again) == (False, False, True)

    def test_a_no_keeps_them_apart_although_the_match_ended_in_peace(self) -> None:
        story = self.story()
        story.says_yes(6, 7)
        first = story.open(6, 7)
        no = story.open(7, 6)
        story.says_no(7, 6)
        ended = arrivals.end(story.pool, story.time, story.new_id, first.match_id, "coordinator")
        before = story.pool
        matches = [each.match for each in ended if isinstance(each, Ended)]
        again = Pool.restored(
            before.program,
            before.now,
            participants=before.participants.values(),
            left=before.left,
            matches=[replace(no, status="ended", ended_at=before.now, end_reason="declined"), *matches],
            waiting=before.waiting.values(),
        )
        kept_apart = [
            pool.facts.apart_from(pool.facts.row_of[ident(6)]) == {pool.facts.persons[person(7)]}
            for pool in (before, again)
        ]
        assert kept_apart == [True, True]
