"""A form's fields become an answer, or messages that repeat nothing of what was entered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.domain.questionnaire import TEXT_LIMIT, Answer, plain_text, read_answer

COMPLETE = {"took_place": "yes", "rating": "4"}


def test_the_least_that_is_an_answer() -> None:
    assert read_answer(COMPLETE) == Answer(took_place=True, rating=4)


def test_everything_filled_in() -> None:
    entered = {
        "took_place": "no",
        "rating": "1",
        "went_well": " Nothing.\r\nReally. ",
        "to_change": "Come.",
        "wants_rematch": "yes",
        "unknown": "ignored",
    }

    assert read_answer(entered) == Answer(
        took_place=False, rating=1, went_well="Nothing.\nReally.", to_change="Come.", wants_rematch=True
    )


def test_what_is_missing_is_named_in_the_order_of_the_page() -> None:
    errors = read_answer({"to_change": "x" * (TEXT_LIMIT + 1)})

    assert not isinstance(errors, Answer)
    assert list(errors) == ["took_place", "rating", "to_change"]


@pytest.mark.parametrize("rating", ["", "0", "6", "4.0", " 4", "four", "٤", "-1", "44"])
def test_a_rating_is_one_of_five(rating: str) -> None:
    errors = read_answer({**COMPLETE, "rating": rating})

    assert not isinstance(errors, Answer)
    assert list(errors) == ["rating"]


@pytest.mark.parametrize("took_place", ["", "maybe", "YES", "true"])
def test_took_place_is_yes_or_no(took_place: str) -> None:
    errors = read_answer({**COMPLETE, "took_place": took_place})

    assert not isinstance(errors, Answer)
    assert list(errors) == ["took_place"]


def test_a_text_may_have_as_many_characters_as_the_limit_says() -> None:
    # Browsers send a line end as two characters and count it as one.
    text = "a\n" * (TEXT_LIMIT // 2 - 1) + "ab"

    answer = read_answer({**COMPLETE, "went_well": text.replace("\n", "\r\n")})

    assert isinstance(answer, Answer)
    assert answer.went_well == text


def test_a_message_does_not_repeat_the_text() -> None:
    errors = read_answer({**COMPLETE, "went_well": "secret " * 500, "to_change": "secret " * 500})

    assert not isinstance(errors, Answer)
    assert list(errors) == ["went_well", "to_change"]
    assert not any("secret" in message for message in errors.values())


@given(st.text())
def test_texts_can_be_stored_and_stay_the_same_when_sent_again(text: str) -> None:
    stored = plain_text(text)

    assert plain_text(stored) == stored
    assert plain_text(stored.replace("\n", "\r\n")) == stored
    assert "\x00" not in stored
    stored.encode()  # no half of a surrogate pair: the database takes UTF-8 only
