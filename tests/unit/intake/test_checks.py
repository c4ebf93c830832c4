"""Checks of single values."""

from __future__ import annotations

import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.domain import checks


@pytest.mark.parametrize(
    "email",
    [
        "a@b.co",
        "first.last+tag@sub.example.org",
        "o'neil@example.ie",
        "søren@eksempel.dk",
        "x@bücher.example",
        f"{'l' * 64}@{'d' * 63}.org",
        "1@2.com",
    ],
)
def test_addresses_that_mail_can_go_to(email: str) -> None:
    assert checks.email_faults(email, "/e") == []


@pytest.mark.parametrize(
    "email",
    [
        "",
        "@b.co",
        "a@",
        "a@localhost",
        "a@b..co",
        "a@.b.co",
        "a@b.co.",
        "a@-b.co",
        "a@b-.co",
        "a@1.2.3.4",
        "a@[1.2.3.4]",
        "a@b_c.co",
        ".a@b.co",
        "a.@b.co",
        "a..b@b.co",
        "a\x7f@b.co",
        f"{'l' * 65}@b.co",
        f"a@{'d' * 64}.org",
        "a@" + ".".join(["d" * 60] * 5) + ".org",
        "a@b.123",
    ],
)
def test_addresses_that_are_none(email: str) -> None:
    (fault,) = checks.email_faults(email, "/e")
    assert fault.pointer == "/e"
    assert "e-mail" in fault.detail


@given(st.text(max_size=80))
def test_no_text_upsets_the_check_of_addresses(email: str) -> None:
    checks.email_faults(email, "/e")


@given(st.sampled_from(sorted(zoneinfo.available_timezones())))
def test_every_zone_is_one(zone: str) -> None:
    assert checks.zone_faults(zone, "/zone") == []


@given(st.text(max_size=70).filter(lambda text: text not in zoneinfo.available_timezones()))
def test_no_other_text_is_a_zone(zone: str) -> None:
    assert len(checks.zone_faults(zone, "/zone")) == 1


_entry = st.tuples(
    st.integers(min_value=1, max_value=7),
    st.integers(min_value=0, max_value=1440),
    st.integers(min_value=0, max_value=1440),
)


@given(st.lists(_entry, min_size=1, max_size=12))
def test_hours_are_refused_when_a_minute_is_in_two_of_them(hours: list[tuple[int, int, int]]) -> None:
    faults = checks.hours_faults(hours, "/a")
    inverted = any(end <= start for _, start, end in hours)
    minutes = [(day, minute) for day, start, end in hours for minute in range(start, end)]
    overlapping = len(minutes) != len(set(minutes))
    assert bool(faults) == (inverted or overlapping)
    assert all(fault.pointer.startswith("/a/") for fault in faults)


def test_touching_hours_and_midnight_are_fine() -> None:
    hours = [(1, 540, 720), (1, 720, checks.minute_of("24:00")), (2, 0, 60)]
    assert checks.hours_faults(hours, "/a") == []


def test_doubles_are_found_whatever_their_case() -> None:
    (fault,) = checks.double_faults(["Go", "Rust", "go"], "/offers")
    assert (fault.pointer, "entry 0" in fault.detail) == ("/offers/2", True)


def test_capacity_is_the_mentors() -> None:
    assert checks.capacity_faults(["mentee"], None, "/c") == []
    assert checks.capacity_faults(["mentee"], 0, "/c") == []
    assert checks.capacity_faults(["mentor"], 3, "/c") == []
    assert len(checks.capacity_faults(["mentee"], 1, "/c")) == 1
