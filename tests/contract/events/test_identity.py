"""Ids and sequence numbers: stored for years, so their text may not change."""

from __future__ import annotations

from uuid import NAMESPACE_URL, UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mentorstream_events import SequenceNumber, derived_bytes, derived_id, derived_text

NUMBERS = st.builds(SequenceNumber, st.integers(0, 999_999), st.integers(0, 2**63 - 1).map(lambda each: each % 10**18))


def test_a_derived_id_is_what_it_always_was() -> None:
    cause = UUID("0f0e0d0c-0b0a-4908-8706-050403020100")
    assert derived_id("match", cause, 1) == UUID("4c731196-a0f7-5fc2-baba-beaba4d8e0d9")
    assert derived_id("match", str(cause), "1") == derived_id("match", cause, 1)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=4))
def test_a_derived_id_is_a_uuid_of_version_5_in_every_form(parts: list[str]) -> None:
    expected = uuid5(uuid5(NAMESPACE_URL, "https://mentorstream.example/ids"), "\x1f".join(parts))
    assert derived_id(*parts) == expected
    assert derived_bytes(*parts) == expected.bytes
    assert derived_text(*parts) == str(expected)


def test_a_derived_id_keeps_its_parts_apart() -> None:
    assert derived_id("ab", "c") != derived_id("a", "bc")


@given(NUMBERS, NUMBERS)
def test_text_order_of_sequence_numbers_is_their_order(one: SequenceNumber, other: SequenceNumber) -> None:
    assert (one < other) == (one.encode() < other.encode())
    assert (one == other) == (one.encode() == other.encode())


@given(NUMBERS)
def test_a_sequence_number_survives_its_text(number: SequenceNumber) -> None:
    assert SequenceNumber.parse(number.encode()) == number


@given(st.text(max_size=30))
def test_only_what_encode_writes_is_parsed(text: str) -> None:
    try:
        number = SequenceNumber.parse(text)
    except ValueError:
        return
    assert number.encode() == text


@pytest.mark.parametrize("number", [SequenceNumber(1_000_000, 1), SequenceNumber(1, 10**18), SequenceNumber(-1, 1)])
def test_a_number_that_would_break_the_order_is_not_written(number: SequenceNumber) -> None:
    with pytest.raises(ValueError, match="no sequence number"):
        number.encode()


@pytest.mark.parametrize(
    ("last", "missing"),
    [(None, 0), ((2, 4), 0), ((2, 3), 1), ((2, 5), None), ((2, 9), None), ((1, 1), 0), ((1, 9), 0), ((3, 1), None)],
)
def test_what_lies_between_the_last_number_and_the_next(last: tuple[int, int] | None, missing: int | None) -> None:
    assert SequenceNumber(2, 5).missing_since(None if last is None else SequenceNumber(*last)) == missing
