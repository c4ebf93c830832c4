"""What events make of a program's figures: pairs over topics in any order, who waits, what is forgotten."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from uuid import UUID

import pytest

from pulse.domain.board import Board, Feedback
from pulse.domain.program import ProgramPulse, Spans
from pulse.domain.windows import Duration

HOUR = 3600.0
DAY = 24 * HOUR
SPANS = Spans(window_seconds=28 * DAY, rate_seconds=HOUR, horizon_seconds=90 * DAY)
PROGRAM, OTHER_PROGRAM, MENTEE, MATCH, SECOND_MATCH, REQUEST = (UUID(int=number) for number in range(1, 7))
NOW = 1000 * DAY
KIND = ("registrations", "mentorstream.participant.registered.v1")

Fact = Callable[[ProgramPulse], None]


def _program(*facts: Fact) -> tuple[Board, ProgramPulse]:
    board = Board(SPANS)
    program = board.note(PROGRAM, KIND, NOW, NOW)
    assert program is not None
    for fact in facts:
        fact(program)
    return board, program


def _hours(hours: float) -> Duration:
    return Duration(1, hours, hours, hours)


REGISTERED: Fact = lambda program: program.registered(MENTEE, NOW - 50 * HOUR, seeks=True)  # noqa: E731
CONFIRMED: Fact = lambda program: program.confirmed(MATCH, [MENTEE], NOW - 40 * HOUR)  # noqa: E731
SCHEDULED: Fact = lambda program: program.scheduled(MATCH, [MENTEE], NOW - 39 * HOUR)  # noqa: E731
HELD: Fact = lambda program: program.held(MATCH, [MENTEE], NOW - 10 * HOUR)  # noqa: E731
HELD_AGAIN: Fact = lambda program: program.held(MATCH, [MENTEE], NOW - 5 * HOUR)  # noqa: E731
ENDED: Fact = lambda program: program.ended(MATCH, NOW - 1 * HOUR)  # noqa: E731
MATCHED_AGAIN: Fact = lambda program: program.confirmed(SECOND_MATCH, [MENTEE], NOW)  # noqa: E731
WAITLISTED: Fact = lambda program: program.waitlisted(MENTEE, NOW - 1 * HOUR)  # noqa: E731
WITHDREW: Fact = lambda program: program.withdrew(MENTEE, NOW)  # noqa: E731


def _interleavings(*topics: list[Fact]) -> list[list[Fact]]:
    """All orders in which the facts of several topics can be read; within one topic the order stays."""
    labels = [number for number, facts in enumerate(topics) for _ in facts]
    orders = []
    for order in sorted(set(itertools.permutations(labels))):
        sources = [iter(facts) for facts in topics]
        orders.append([next(sources[label]) for label in order])
    return orders


def test_every_interleaving_of_the_topics_gives_the_same_figures() -> None:
    orders = _interleavings([REGISTERED], [CONFIRMED, ENDED], [SCHEDULED, HELD, HELD_AGAIN])
    assert len(orders) == 60
    for order in orders:
        board, _ = _program(*order)
        figures = board.figures(NOW)
        assert figures.time_to_match == _hours(10)
        assert figures.match_to_scheduled == _hours(1)
        assert figures.match_to_meeting == _hours(30)
        assert figures.waiting == 0


def test_only_the_first_match_counts_as_the_time_to_match() -> None:
    board, _ = _program(REGISTERED, CONFIRMED, ENDED, MATCHED_AGAIN)
    assert board.figures(NOW).time_to_match == _hours(10)


@pytest.mark.parametrize(
    ("facts", "waiting"),
    [
        ([REGISTERED], 1),
        ([WAITLISTED], 1),
        ([REGISTERED, WAITLISTED], 1),
        ([REGISTERED, CONFIRMED], 0),
        ([CONFIRMED, REGISTERED], 0),
        ([REGISTERED, CONFIRMED, ENDED], 0),  # complete: nobody looks again by themselves
        ([REGISTERED, CONFIRMED, ENDED, WAITLISTED], 1),  # a rematch that found nobody
        ([REGISTERED, WAITLISTED, CONFIRMED, ENDED], 0),
        ([REGISTERED, CONFIRMED, ENDED, WAITLISTED, MATCHED_AGAIN], 0),
        ([REGISTERED, WITHDREW], 0),
        ([WITHDREW, WAITLISTED], 0),
        ([SCHEDULED, REGISTERED], 0),  # its confirmation is older than the topics: the meeting tells of the match
        ([SCHEDULED, REGISTERED, ENDED], 0),
    ],
)
def test_who_waits(facts: list[Fact], waiting: int) -> None:
    board, _ = _program(*facts)
    assert board.figures(NOW).waiting == waiting


def test_mentors_do_not_wait() -> None:
    board, program = _program()
    program.registered(MENTEE, NOW, seeks=False)
    assert board.figures(NOW).waiting == 0
    program.registered(MENTEE, NOW, seeks=True)  # became a mentee, too
    assert board.figures(NOW).waiting == 1


def test_feedback_is_counted_by_when_it_was_asked_for() -> None:
    board, program = _program()
    for number in range(4):
        program.asked(UUID(int=100 + number), NOW - 10 * HOUR)
    program.asked(REQUEST, NOW - 27 * DAY)
    program.answered(UUID(int=100), NOW - 4 * HOUR)
    program.answered(REQUEST, NOW)
    program.answered(UUID(int=999), NOW)  # asked for before the window: unknown

    feedback = board.figures(NOW).feedback
    assert (feedback.requested, feedback.submitted, feedback.share) == (5, 2, 0.4)
    assert feedback.time_to_answer.p50_hours == pytest.approx((6 + 27 * 24) / 2)
    assert board.figures(NOW + 2 * DAY).feedback == Feedback(4, 1, 0.25, _hours(6))


def test_no_request_has_no_share() -> None:
    board, _ = _program()
    assert board.figures(NOW).feedback == Feedback(0, 0, None, Duration(0))


def test_what_left_the_windows_is_forgotten() -> None:
    board, program = _program(REGISTERED, CONFIRMED, SCHEDULED, HELD)
    program.asked(REQUEST, NOW)
    program.sent.add(NOW)
    assert board.size() == 6

    board.forget(NOW + 29 * DAY)
    assert board.size() == 2  # the mentee and the match: what comes next may be paired with them
    figures = board.figures(NOW + 29 * DAY)
    assert figures.time_to_match.samples == figures.match_to_meeting.samples == figures.notifications_sent == 0

    board.forget(NOW + 91 * DAY)
    assert board.size() == 0
    assert len(board) == 0


def test_a_running_match_keeps_its_mentee_in_mind() -> None:
    board, program = _program(REGISTERED, CONFIRMED)
    program.held(MATCH, [MENTEE], NOW + 80 * DAY)
    later = NOW + 120 * DAY
    board.forget(later)
    program.registered(MENTEE, later, seeks=True)
    assert board.figures(later).waiting == 0


def test_facts_further_apart_than_the_horizon_are_no_pair_in_any_order() -> None:
    for order in itertools.permutations([0, 1]):
        board, program = _program()
        for which in order:
            if which:
                program.confirmed(MATCH, [MENTEE], NOW)
            else:
                program.registered(MENTEE, NOW - 91 * DAY, seeks=True)
        assert board.figures(NOW).time_to_match.samples == 0


def test_events_beyond_the_horizon_are_nothing() -> None:
    board = Board(SPANS)
    assert board.note(PROGRAM, KIND, NOW - 90 * DAY, NOW) is None
    assert len(board) == 0


def test_events_a_minute_look_back_on_the_last_hour() -> None:
    board = Board(SPANS)
    for minute in range(120):
        board.note(PROGRAM, KIND, NOW + minute * 60, NOW + minute * 60)
        board.note(PROGRAM, ("matches", "mentorstream.match.confirmed.v1"), NOW + minute * 60, NOW + minute * 60)
    now = NOW + 119 * 60
    assert board.figures(now).events_per_minute == {
        "matches": {"mentorstream.match.confirmed.v1": 1.0},
        KIND[0]: {KIND[1]: 1.0},
    }
    assert board.figures(now + 2 * HOUR).events_per_minute == {}


def test_the_total_joins_the_programs_and_the_most_active_comes_first() -> None:
    board = Board(SPANS)
    for _ in range(2):
        busy = board.note(OTHER_PROGRAM, KIND, NOW, NOW)
    quiet = board.note(PROGRAM, KIND, NOW, NOW)
    assert busy is not None
    assert quiet is not None
    for program, hours in ((busy, 1.0), (quiet, 3.0)):
        program.time_to_match.add(NOW, hours * HOUR)
        REGISTERED(program)

    assert board.most_active(NOW) == [OTHER_PROGRAM, PROGRAM]
    assert board.figures(NOW).time_to_match.mean_hours == pytest.approx(2.0)
    assert board.figures(NOW).waiting == 2
    assert board.figures(NOW, [PROGRAM]).time_to_match == _hours(3)
    with pytest.raises(KeyError):
        board.figures(NOW, [MENTEE])


def test_members_of_a_circle_are_counted_while_they_are_in_it() -> None:
    ada, ben, cyd = (UUID(int=number) for number in range(21, 24))
    registered: list[Fact] = [
        lambda program, each=each: program.registered(each, NOW - 50 * HOUR, seeks=True)  # type: ignore[misc]
        for each in (ada, ben, cyd)
    ]
    begun: Fact = lambda program: program.confirmed(MATCH, [ada, ben], NOW - 40 * HOUR)  # noqa: E731
    joined: Fact = lambda program: program.changed(MATCH, [ben, cyd], NOW - 30 * HOUR)  # noqa: E731
    waits: Fact = lambda program: program.waitlisted(ada, NOW - 30 * HOUR)  # noqa: E731
    held: Fact = lambda program: program.held(MATCH, [ben, cyd], NOW - 5 * HOUR)  # noqa: E731
    ended: Fact = lambda program: program.ended(MATCH, NOW - 1 * HOUR)  # noqa: E731
    for order in _interleavings([begun, joined, waits], [held]):
        board, program = _program(*registered, *order)
        assert board.figures(NOW).waiting == 1
        assert board.figures(NOW).time_to_match.samples == 3
        ended(program)
        assert board.figures(NOW).waiting == 1
