"""What follows from an answer: signals, another match, or that it changes nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from feedback.domain.answering import Accepted, Refused, Repeated, Signal, Standing, judge
from feedback.domain.questionnaire import Answer

NOW = datetime(2026, 3, 4, 9, 0, tzinfo=UTC)
OPEN = Standing(
    expires_at=NOW + timedelta(days=10),
    respondent_erased=False,
    earlier=None,
    low_rating=2,
    signals=frozenset(),
    rematch_asked=False,
)
GOOD = Answer(took_place=True, rating=4, went_well="We began.", to_change="")


@pytest.mark.parametrize(
    ("answer", "signals"),
    [
        (GOOD, ()),
        (replace(GOOD, rating=3), ()),
        (replace(GOOD, rating=2), ("low_rating",)),
        (replace(GOOD, rating=1), ("low_rating",)),
        (replace(GOOD, took_place=False), ("not_held",)),
        (replace(GOOD, took_place=False, rating=1), ("not_held",)),
    ],
)
def test_signals_follow_from_the_answer(answer: Answer, signals: tuple[Signal, ...]) -> None:
    assert judge(OPEN, answer, NOW) == Accepted(signals=signals, ask_rematch=False)


def test_the_terms_say_what_a_low_rating_is() -> None:
    assert judge(replace(OPEN, low_rating=4), GOOD, NOW) == Accepted(signals=("low_rating",), ask_rematch=False)


def test_a_signal_that_the_other_side_gave_is_not_told_twice() -> None:
    standing = replace(OPEN, signals=frozenset({"low_rating"}))

    assert judge(standing, replace(GOOD, rating=1), NOW) == Accepted(signals=(), ask_rematch=False)
    assert judge(standing, replace(GOOD, took_place=False), NOW) == Accepted(signals=("not_held",), ask_rematch=False)


def test_another_match_is_asked_for_once() -> None:
    wish = replace(GOOD, wants_rematch=True)

    assert judge(OPEN, wish, NOW) == Accepted(signals=(), ask_rematch=True)
    assert judge(replace(OPEN, rematch_asked=True), wish, NOW) == Accepted(signals=(), ask_rematch=False)


def test_the_same_answer_again_changes_nothing() -> None:
    assert judge(replace(OPEN, earlier=GOOD), GOOD, NOW) == Repeated()


def test_the_first_answer_counts() -> None:
    changed = replace(GOOD, rating=1, wants_rematch=True)

    assert judge(replace(OPEN, earlier=GOOD), changed, NOW) == Refused(reason="answered")


@pytest.mark.parametrize("earlier", [None, GOOD])
def test_no_answer_is_taken_after_its_time(earlier: Answer | None) -> None:
    standing = replace(OPEN, expires_at=NOW, earlier=earlier)

    assert judge(standing, GOOD, NOW) == Refused(reason="closed")
    assert judge(standing, GOOD, NOW - timedelta(microseconds=1)) != Refused(reason="closed")


@pytest.mark.parametrize("earlier", [None, GOOD])
def test_no_answer_is_taken_from_the_erased(earlier: Answer | None) -> None:
    standing = replace(OPEN, respondent_erased=True, earlier=earlier)

    assert judge(standing, GOOD, NOW) == Refused(reason="closed")
