"""Bearer keys, and how often somebody may guess."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mentorstream_runtime.keys import FailedAttempts, Unauthenticated, bearer_key, is_key, new_key, split_key


def test_a_key_is_recognised_and_not_kept() -> None:
    made = new_key("msc")
    parts = split_key("msc", made.key)
    assert parts is not None
    lookup, secret = parts
    assert lookup == made.lookup
    assert is_key(secret, made.secret_hash)
    assert not is_key(secret + "x", made.secret_hash)
    assert secret.encode() not in made.secret_hash
    assert len(base64.urlsafe_b64decode(secret + "=")) == 32


def test_a_key_of_another_kind_is_none() -> None:
    assert split_key("msk", new_key("msc").key) is None


@given(st.text(max_size=100))
def test_any_text_is_a_key_or_none(text: str) -> None:
    split_key("msk", text)


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer msk_", "Bearer msk_a", "Basic msk_a_b", "Bearer msc_a_b"]
)
def test_what_is_no_bearer_key_is_told(header: str | None) -> None:
    with pytest.raises(Unauthenticated, match="Bearer msk_"):
        bearer_key("msk", header)


def test_a_bearer_key_is_taken_apart() -> None:
    assert bearer_key("msk", "bearer  msk_a_b_c") == ("a", "b_c")


def test_who_fails_too_often_waits() -> None:
    attempts = FailedAttempts(most=3, refill_seconds=10, remembered=2)
    for _ in range(3):
        assert attempts.wait_seconds("one", now=0) == 0
        attempts.note("one", now=0)
    assert attempts.wait_seconds("one", now=0) == 10
    assert attempts.wait_seconds("one", now=4) == pytest.approx(6)
    assert attempts.wait_seconds("one", now=10) == 0
    assert attempts.wait_seconds("two", now=0) == 0


def test_only_so_many_sources_are_remembered() -> None:
    attempts = FailedAttempts(most=1, refill_seconds=10, remembered=2)
    for source in ("one", "two", "three"):
        attempts.note(source, now=0)
    assert attempts.wait_seconds("one", now=0) == 0
    assert attempts.wait_seconds("two", now=0) == attempts.wait_seconds("three", now=0) == 10
