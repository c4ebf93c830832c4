"""What follows from each thing that happens in a program."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.matching.builders import (
    MENTEE,
    MENTOR,
    NOW,
    Story,
    ident,
    match_id,
    mentee,
    mentor,
    participant,
    person,
    skills,
)

from matching.domain.values import (
    Changed,
    Confirmed,
    Contradiction,
    Decision,
    Ended,
    Match,
    Proposed,
    Shared,
    Terms,
    Waitlisted,
)
from mentorstream_events.values import WeeklyHours as Hours


def told(decisions: Iterable[Decision]) -> list[str]:
    """Decisions as short lines: `confirmed 1-2`, `waitlisted 2 capacity:1`."""
    lines = []
    for decision in decisions:
        match decision:
            case Proposed(match):
                lines.append(f"proposed {pair(match)}")
            case Confirmed(match):
                lines.append(f"confirmed {pair(match)}")
            case Changed(match, reason):
                lines.append(f"changed {pair(match)} {reason}")
            case Ended(match, _):
                lines.append(f"ended {pair(match)} {match.end_reason}")
            case Waitlisted(waiting):
                reasons = " ".join(f"{each.rule}:{each.removed}" for each in waiting.reasons)
                lines.append(f"waitlisted {waiting.participant_id.int} {reasons}")
    return lines


def pair(match: Match) -> str:
    return f"{match.mentor.participant_id.int}-{match.mentee.participant_id.int}"


def only_match(decisions: list[Decision]) -> Match:
    (decision,) = decisions
    assert isinstance(decision, Proposed | Confirmed)
    return decision.match


class TestRegistered:
    def test_a_mentee_gets_the_best_free_mentor(self) -> None:
        story = Story()
        story.join(mentor(1, offers=skills(law=5)))
        story.join(mentor(2, offers=skills(sql=5)))
        match = only_match(story.join(mentee(3, wants=skills(sql=3))))
        assert pair(match) == "2-3"
        assert match.match_id == match_id(ident(2), ident(3))
        assert match.status == "confirmed"
        assert match.confirmed_at == match.proposed_at == story.time
        assert match.ends_at == story.time + timedelta(weeks=26)
        assert (match.slot, match.capacity, match.expires_at) == (0, 1, None)
        assert match.shared == Shared()  # nobody is asked, so nobody is shown it

    def test_where_mentors_are_asked_it_is_a_proposal_for_some_days(self) -> None:
        story = Story(mentor_consent=True, proposal_days=3)
        story.join(mentor(1, offers=skills(SQL=5)))
        match = only_match(story.join(mentee(2, wants=skills(sql=3))))
        assert match.status == "proposed"
        assert match.shared == Shared(languages=("en",), skills=("SQL",), common_minutes=2400)
        assert match.expires_at == story.time + timedelta(days=3)
        assert match.ends_at is None

    def test_a_proposal_holds_its_place(self) -> None:
        story = Story(mentor_consent=True)
        story.join(mentor(1))
        story.join(mentee(2))
        assert told(story.join(mentee(3))) == ["waitlisted 3 capacity:1"]

    def test_without_mentors_there_is_nobody_to_remove(self) -> None:
        story = Story()
        assert told(story.join(mentee(1))) == ["waitlisted 1 no_candidates:0"]

    def test_reasons_count_each_mentor_once_and_capacity_last(self) -> None:
        story = Story()
        story.join(mentor(1, capacity=0))
        story.join(mentor(2, languages=("de",), capacity=0))
        story.join(mentor(3, blocks=(person(9),)))
        story.join(mentor(4, availability=()))
        assert told(story.join(mentee(9))) == ["waitlisted 9 language:1 common_time:1 block:1 capacity:1"]

    def test_slots_are_taken_from_the_lowest(self) -> None:
        story = Story()
        story.join(mentor(1, capacity=3))
        taken = [only_match(story.join(mentee(number))).slot for number in (2, 3, 4)]
        assert taken == [0, 1, 2]
        story.end(1, 3)
        assert only_match(story.join(mentee(5))).slot == 1

    def test_a_tie_goes_to_the_less_loaded(self) -> None:
        story = Story()
        story.join(mentor(1, capacity=2))
        story.join(mentor(2, capacity=4))
        assert pair(only_match(story.join(mentee(3)))) == "1-3"  # both are empty; 1 was left alone longer
        assert pair(only_match(story.join(mentee(4)))) == "2-4"
        assert pair(only_match(story.join(mentee(5)))) == "2-5"  # 1/4 is less than 1/2

    def test_a_tie_of_equal_load_goes_to_who_was_left_alone_longest(self) -> None:
        story = Story()
        story.join(mentor(2))
        story.join(mentor(1))
        assert pair(only_match(story.join(mentee(3)))) == "2-3"
        story.end(2, 3)
        assert pair(only_match(story.join(mentee(4)))) == "1-4"

    def test_a_newcomer_who_is_both_seeks_first_and_then_mentors(self) -> None:
        story = Story()
        story.join(mentee(1))
        story.join(mentor(2, blocks=(person(1),)))
        decisions = story.join(participant(3, roles=MENTOR + MENTEE, capacity=1))
        assert told(decisions) == ["confirmed 2-3", "confirmed 3-1"]

    def test_a_new_mentor_takes_who_waited_longest(self) -> None:
        story = Story()
        story.join(mentee(5))
        story.join(mentee(4, wants=skills(sql=5)))
        story.join(mentee(3))
        assert told(story.join(mentor(1, capacity=2, offers=skills(sql=5)))) == [
            "confirmed 1-5",
            "confirmed 1-4",
            "waitlisted 3 capacity:1",
        ]

    def test_who_waits_is_told_again_only_of_a_rule_they_do_not_know(self) -> None:
        story = Story()
        story.join(mentee(9))
        assert told(story.join(mentor(1, languages=("de",)))) == ["waitlisted 9 language:1"]
        assert told(story.join(mentor(2, languages=("fr",)))) == []
        assert told(story.join(mentor(3, availability=()))) == ["waitlisted 9 language:2 common_time:1"]
        assert told(story.join(mentor(4))) == ["confirmed 4-9"]

    def test_a_registration_of_somebody_who_is_here_is_an_update(self) -> None:
        story = Story()
        story.join(mentor(1, languages=("de",)))
        story.join(mentee(2))
        assert told(story.join(mentor(1))) == ["confirmed 1-2"]

    def test_who_left_may_come_back_but_not_to_the_same_mentor(self) -> None:
        story = Story()
        story.join(mentor(1))
        story.join(mentee(2))
        story.withdraw(2)
        assert told(story.join(mentee(2))) == ["waitlisted 2 former_match:1"]

    def test_an_unknown_zone_is_refused_and_changes_nothing(self) -> None:
        story = Story()
        with pytest.raises(Contradiction, match="unknown_zone"):
            story.join(mentee(1, zone="Mars/Olympus"))
        assert not story.pool.participants
        assert story.pool.now == NOW


class TestUpdated:
    def test_other_hours_are_told_to_a_running_match(self) -> None:
        story = Story()
        story.join(mentor(1))
        story.join(mentee(2))
        monday = (Hours(weekday=1, start_minute=540, end_minute=720),)
        assert told(story.update(mentee(2, availability=monday))) == ["changed 1-2 participant_updated"]
        assert told(story.update(mentor(1, zone="Europe/Paris"))) == ["changed 1-2 participant_updated"]
        assert told(story.update(mentor(1, zone="Europe/Paris", goals=("lead",)))) == []

    def test_a_proposal_is_not_told_of_other_hours(self) -> None:
        story = Story(mentor_consent=True)
        story.join(mentor(1))
        story.join(mentee(2))
        assert told(story.update(mentor(1, zone="Europe/Paris"))) == []

    def test_more_capacity_is_offered_to_who_waits(self) -> None:
        story = Story()
        story.join(mentor(1))
        story.join(mentee(2))
        story.join(mentee(3))
        assert told(story.update(mentor(1, capacity=2))) == ["confirmed 1-3"]

    def test_less_capacity_ends_nothing_and_takes_nobody_new(self) -> None:
        story = Story()
        story.join(mentor(1, capacity=3))
        for number in (2, 3, 4):
            story.join(mentee(number))
        assert told(story.update(mentor(1, capacity=1))) == []
        assert told(story.join(mentee(5))) == ["waitlisted 5 capacity:1"]
        assert told(story.end(1, 2)) == ["ended 1-2 coordinator"]
        assert told(story.end(1, 3)) == ["ended 1-3 coordinator"]
        assert told(story.end(1, 4)) == ["ended 1-4 coordinator", "confirmed 1-5"]

    def test_who_waits_and_changes_looks_again(self) -> None:
        story = Story()
        story.join(mentor(1))
        story.join(mentee(2, languages=("de",)))
        assert told(story.update(mentee(2, languages=("de", "en")))) == ["confirmed 1-2"]

    def test_a_role_given_up_ends_its_matches(self) -> None:
        story = Story()
        story.join(participant(1, roles=MENTOR + MENTEE, capacity=1))
        story.join(mentee(2))
        story.join(mentor(3, blocks=(person(2),)))
        assert told(story.update(mentee(1))) == [
            "ended 1-2 withdrawn",
            "waitlisted 2 block:1",
        ]
        assert told(story.update(participant(1, roles=MENTOR, capacity=1))) == [
            "ended 3-1 withdrawn",
            "waitlisted 2 block:1 former_match:1",
        ]

    def test_a_mentee_who_becomes_one_seeks(self) -> None:
        story = Story()
        story.join(mentor(1))
        story.join(mentor(2))
        assert told(story.update(participant(2, roles=MENTOR + MENTEE, capacity=1))) == ["confirmed 1-2"]

    def test_who_waits_and_gives_up_the_role_waits_no_more(self) -> None:
        story = Story()
        story.join(mentee(2))
        story.update(mentor(2))
        assert not story.pool.waiting

    def test_a_block_ends_the_match_without_saying_who_asked(self) -> None:
        story = Story()
        story.join(mentor(1))
        story.join(mentee(2))
        story.join(mentee(3))
        assert told(story.update(mentee(2, blocks=(person(1),)))) == [
            "ended 1-2 rematch",
            "confirmed 1-3",
            "waitlisted 2 block:1",
        ]

    def test_unknown_participants_and_other_persons_are_refused(self) -> None:
        story = Story()
        with pytest.raises(Contradiction, match="unknown_participant"):
            story.update(mentee(1))
        story.join(mentee(1))
        with pytest.raises(Contradiction, match="other_person"):
            story.update(mentee(1, person_id=person(2)))


class TestWithdrawn:
    def test_a_mentors_mentees_look_again(self) -> None:
        story = Story()
        story.join(mentor(1, capacity=2))
        story.join(mentee(2))
        story.join(mentee(3))
        story.join(mentor(4))
        assert told(story.withdraw(1)) == [
            "ended 1-2 withdrawn",
            "ended 1-3 withdrawn",
            "confirmed 4-2",
            "waitlisted 3 capacity:1",
        ]
        assert ident(1) not in story.pool.participants

    def test_a_mentees_place_is_offered(self) -> None:
        story = Story()
        story.join(mentor(1))
        story.join(mentee(2))
        story.join(mentee(3))
        assert told(story.withdraw(2)) == ["ended 1-2 withdrawn", "confirmed 1-3"]

    def test_who_waits_is_gone_from_the_list(self) -> None:
        story = Story()
        story.join(mentee(2))
        assert told(story.withdraw(2)) == []
        assert told(story.join(mentor(1))) == []

    def test_a_second_time_is_nothing_and_an_unknown_one_is_refused(self) -> None:
        story = Story()
        story.join(mentee(2))
        story.withdraw(2)
        assert told(story.withdraw(2)) == []
        assert told(story.rematch(2)) == []
        with pytest.raises(Contradiction, match="unknown_participant"):
            story.withdraw(3)


class TestRematch:
    def test_both_look_again_the_mentee_first_and_never_at_each_other(self) -> None:
        story = Story()
        story.join(mentor(1))
        story.join(mentee(2))
        story.join(mentor(3))
        story.join(mentee(4, blocks=(person(3),)))
        assert told(story.rematch(2)) == ["ended 1-2 rematch", "confirmed 3-2", "confirmed 1-4"]

    def test_only_the_match_named(self) -> None:
        story = Story()
        story.join(mentor(1, capacity=2))
        story.join(mentee(2))
        story.join(mentee(3))
        assert told(story.rematch(1, match_id(ident(1), ident(3)))) == [
            "ended 1-3 rematch",
            "waitlisted 3 former_match:1",
        ]
        assert told(story.rematch(1, match_id(ident(1), ident(3)))) == []

    def test_every_match_of_a_mentor(self) -> None:
        story = Story()
        story.join(mentor(1, capacity=2))
        story.join(mentee(2))
        story.join(mentee(3))
        assert told(story.rematch(1))[:2] == ["ended 1-2 rematch", "ended 1-3 rematch"]

    def test_a_mentee_whose_match_is_complete_may_ask_for_another(self) -> None:
        story = Story()
        story.join(mentor(1))
        story.join(mentee(2))
        story.join(mentor(3))
        story.later(weeks=27)
        assert told(story.end(1, 2, "term_over")) == ["ended 1-2 term_over"]
        assert told(story.rematch(2)) == ["confirmed 3-2"]

    def test_asking_while_waiting_changes_nothing(self) -> None:
        story = Story()
        story.join(mentee(2))
        assert told(story.rematch(2)) == []

    def test_strangers_are_refused(self) -> None:
        with pytest.raises(Contradiction, match="unknown_participant"):
            Story().rematch(1)


class TestFormerPairs:
    def test_who_ran_their_weeks_may_meet_again(self) -> None:
        story = Story(rematch_former=True)
        story.join(mentor(1))
        story.join(mentee(2))
        assert told(story.end(1, 2)) == ["ended 1-2 coordinator"]
        (again,) = story.rematch(2)
        assert isinstance(again, Confirmed)
        assert again.match.again

    @pytest.mark.parametrize("rematch_former", [True, False])
    def test_who_asked_to_leave_or_never_began_does_not(self, rematch_former: bool) -> None:
        story = Story(rematch_former=rematch_former)
        story.join(mentor(1))
        story.join(mentee(2))
        assert told(story.rematch(2)) == ["ended 1-2 rematch", "waitlisted 2 former_match:1"]
        story = Story(rematch_former=rematch_former, mentor_consent=True)
        story.join(mentor(1))
        story.join(mentee(2))
        assert told(story.decline(1, 2)) == ["ended 1-2 declined", "waitlisted 2 former_match:1"]

    def test_whoever_waits_for_a_former_partner_is_matched_when_they_are_free_again(self) -> None:
        story = Story(rematch_former=True)
        story.join(participant(1, roles=MENTOR + MENTEE, capacity=1))
        story.join(participant(2, roles=MENTOR + MENTEE, capacity=1))
        assert story.pool.waiting.keys() == {ident(1)}
        assert told(story.end(1, 2)) == ["ended 1-2 coordinator", "confirmed 2-1"]


class TestReportingLines:
    def test_a_running_match_is_flagged_once(self) -> None:
        story = Story()
        story.join(mentor(1))
        story.join(mentee(2))
        assert told(story.lines(p2=[7, 1])) == ["changed 1-2 reporting_line"]
        assert told(story.lines(p2=[1])) == []
        assert told(story.lines(p2=[7])) == []
        assert told(story.lines(p1=[2])) == ["changed 1-2 reporting_line"]

    def test_a_proposal_is_ended_and_both_look_again(self) -> None:
        story = Story(mentor_consent=True)
        story.join(mentor(1))
        story.join(mentee(2))
        story.join(mentee(3))
        story.join(mentor(4, blocks=(person(3),)))
        assert told(story.lines(p2=[1])) == ["ended 1-2 unfit", "proposed 4-2", "proposed 1-3"]

    def test_a_line_that_goes_away_makes_room(self) -> None:
        story = Story()
        story.join(mentor(1))
        story.join(mentee(2, managers=(person(1),)))
        assert told(story.lines(p2=[7])) == ["confirmed 1-2"]
        story.join(mentor(3, managers=(person(4),)))
        story.join(mentee(4))
        assert told(story.lines(p3=[])) == ["confirmed 3-4"]

    def test_people_who_come_under_one_boss_are_flagged_or_parted(self) -> None:
        story = Story(same_boss_allowed=False)
        story.join(mentor(1, managers=(person(7),)))
        story.join(mentee(2))
        assert told(story.lines(p2=[7])) == ["changed 1-2 reporting_line"]
        assert told(story.lines(p1=[8])) == []
        story = Story(same_boss_allowed=False, mentor_consent=True)
        story.join(mentor(1, managers=(person(7),)))
        story.join(mentee(2))
        assert told(story.lines(p2=[7])) == ["ended 1-2 unfit", "waitlisted 2 same_boss:1"]

    def test_strangers_are_passed_over(self) -> None:
        story = Story()
        story.join(mentee(2))
        assert told(story.lines(p99=[1])) == []


class TestConfigured:
    def test_new_terms_are_told_to_running_matches(self) -> None:
        story = Story(mentor_consent=True)
        story.join(mentor(1))
        story.join(mentor(3))
        story.join(mentee(2))
        story.accept(1, 2)
        begun = story.time
        story.join(mentee(4))
        (decision,) = story.configure(mentor_consent=True, terms=Terms(weeks=10))
        assert isinstance(decision, Changed)
        assert (pair(decision.match), decision.reason) == ("1-2", "terms")
        assert decision.match.ends_at == begun + timedelta(weeks=10)

    def test_terms_never_end_a_match_in_the_past(self) -> None:
        story = Story()
        story.join(mentor(1))
        story.join(mentee(2))
        story.later(weeks=20)
        (decision,) = story.configure(terms=Terms(weeks=10))
        assert isinstance(decision, Changed)
        assert decision.match.ends_at == story.time

    def test_a_new_policy_lets_those_who_wait_look_again(self) -> None:
        story = Story()
        story.join(mentor(1, languages=("de",)))
        story.join(mentee(3, languages=("fr",)))
        story.join(mentee(2, languages=("fr",)))
        assert told(story.configure(version=2, share_language=False)) == ["confirmed 1-3", "waitlisted 2 capacity:1"]

    def test_decisions_carry_the_version(self) -> None:
        story = Story(version=7)
        story.join(mentor(1))
        assert only_match(story.join(mentee(2))).policy_version == 7


class TestAnswers:
    @pytest.fixture
    def story(self) -> Story:
        story = Story(mentor_consent=True, proposal_days=2)
        story.join(mentor(1))
        story.join(mentee(2))
        return story

    def test_yes_begins_the_match(self, story: Story) -> None:
        match = only_match(story.accept(1, 2))
        assert (match.status, match.confirmed_at) == ("confirmed", story.time)
        assert match.ends_at == story.time + timedelta(weeks=26)

    def test_no_is_never_again(self, story: Story) -> None:
        assert told(story.decline(1, 2)) == ["ended 1-2 declined", "waitlisted 2 former_match:1"]

    def test_who_was_declined_keeps_their_place_in_the_queue(self, story: Story) -> None:
        joined = story.time
        story.join(mentee(3, blocks=(person(1),)))
        story.decline(1, 2)
        assert story.pool.waiting[ident(2)].since == joined
        assert told(story.join(mentor(4)))[0] == "proposed 4-2"

    def test_a_declined_place_is_offered(self, story: Story) -> None:
        story.join(mentee(3))
        assert told(story.decline(1, 2)) == ["ended 1-2 declined", "proposed 1-3", "waitlisted 2 former_match:1"]

    def test_no_answer_in_time(self, story: Story) -> None:
        assert story.expire(1, 2) == []  # it is not time
        story.later(days=2)
        assert told(story.expire(1, 2)) == ["ended 1-2 expired", "waitlisted 2 former_match:1"]

    @pytest.mark.parametrize("first", ["accept", "decline", "expire"])
    @pytest.mark.parametrize("second", ["accept", "decline", "expire"])
    def test_only_the_first_answer_counts(self, story: Story, first: str, second: str) -> None:
        story.later(days=3)
        assert getattr(story, first)(1, 2)
        assert getattr(story, second)(1, 2) == []
        assert getattr(story, second)(7, 8) == []

    def test_yes_to_a_pair_that_may_not_be_any_more(self, story: Story) -> None:
        story.update(mentee(2, languages=("fr",)))
        assert told(story.accept(1, 2)) == ["ended 1-2 unfit", "waitlisted 2 language:1"]

    def test_a_coordinator_may_end_a_proposal_too(self, story: Story) -> None:
        assert told(story.end(1, 2)) == ["ended 1-2 coordinator"]

    def test_the_clock_ends_only_what_is_due(self, story: Story) -> None:
        story.accept(1, 2)
        story.later(weeks=25)
        assert story.end(1, 2, "term_over") == []
        story.later(weeks=1)
        assert told(story.end(1, 2, "term_over")) == ["ended 1-2 term_over"]
        assert story.end(1, 2, "term_over") == []


def test_now_never_goes_back() -> None:
    story = Story(mentor_consent=True)
    story.join(mentor(1))
    story.later(days=5)
    story.join(mentor(9))
    newest = story.pool.now
    story.later(days=-4)
    match = only_match(story.join(mentee(2)))
    assert match.proposed_at == story.pool.now == newest


def test_hours_follow_the_clock_change() -> None:
    """A mentor in Paris and a mentee in UTC meet an hour earlier in summer: it is no longer within her hours."""
    nine = (Hours(weekday=1, start_minute=540, end_minute=600),)
    eight = (Hours(weekday=1, start_minute=480, end_minute=540),)
    story = Story()
    story.join(mentor(1, zone="Europe/Paris", availability=nine, capacity=2))
    assert told(story.join(mentee(2, availability=eight))) == ["confirmed 1-2"]
    story.later(weeks=8)
    assert told(story.join(mentee(3, availability=eight))) == ["waitlisted 3 common_time:1"]


def test_who_waits_looks_again_when_clocks_change() -> None:
    ten = (Hours(weekday=1, start_minute=600, end_minute=660),)
    story = Story()
    story.join(mentor(1, zone="Europe/Paris", availability=(Hours(weekday=1, start_minute=720, end_minute=780),)))
    assert told(story.join(mentee(2, availability=ten))) == ["waitlisted 2 common_time:1"]
    story.later(weeks=8)
    assert told(story.join(mentee(3))) == ["confirmed 1-2", "waitlisted 3 capacity:1"]


def test_more_people_than_a_first_array_holds() -> None:
    story = Story()
    for number in range(1, 101):
        story.join(mentor(number))
    mentors: set[Any] = {pair(only_match(story.join(mentee(1000 + number)))).split("-")[0] for number in range(100)}
    assert len(mentors) == 100
    assert told(story.join(mentee(5000))) == ["waitlisted 5000 capacity:100"]
