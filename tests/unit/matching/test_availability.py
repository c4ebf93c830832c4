"""Weekly hours as bits."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from tests.unit.matching.builders import NOW, OFFICE

from matching.domain.availability import SLOT_MINUTES, SLOTS, WORDS, offset_minutes, week_bits, words
from matching.domain.values import Contradiction
from mentorstream_events.values import WeeklyHours as Hours

SUMMER = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


def hours(weekday: int, start: int, end: int) -> Hours:
    return Hours(weekday=weekday, start_minute=start, end_minute=end)


def slots(bits: int) -> list[int]:
    return [slot for slot in range(SLOTS + 100) if bits >> slot & 1]


@pytest.mark.parametrize(
    ("zone", "now", "expected"),
    [
        ("UTC", NOW, 0),
        ("Europe/Paris", NOW, 60),
        ("Europe/Paris", SUMMER, 120),
        ("America/New_York", NOW, -300),
        ("Asia/Kathmandu", NOW, 345),
        ("Australia/Lord_Howe", NOW, 660),
    ],
)
def test_offset_is_the_zones_at_that_instant(zone: str, now: datetime, expected: int) -> None:
    assert offset_minutes(zone, now) == expected


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "Europe", "\x00"])
def test_what_is_no_zone_is_refused(zone: str) -> None:
    with pytest.raises(Contradiction) as refused:
        offset_minutes(zone, NOW)
    assert refused.value.reason == "unknown_zone"


def test_monday_morning_is_the_first_slots() -> None:
    assert slots(week_bits([hours(1, 0, 60)], 0)) == [0, 1, 2, 3]


def test_hours_east_of_utc_come_round_from_monday_to_sunday() -> None:
    assert slots(week_bits([hours(1, 0, 60)], 60)) == [SLOTS - 4, SLOTS - 3, SLOTS - 2, SLOTS - 1]


def test_hours_west_of_utc_come_round_from_sunday_to_monday() -> None:
    assert slots(week_bits([hours(7, 23 * 60, 24 * 60)], -30)) == [0, 1, SLOTS - 2, SLOTS - 1]


def test_only_whole_slots_count() -> None:
    assert slots(week_bits([hours(1, 10, 50)], 0)) == [1, 2]
    assert week_bits([hours(1, 1, 14)], 0) == 0
    assert week_bits([hours(1, 16, 29)], 0) == 0


def test_overlapping_hours_count_once() -> None:
    assert week_bits([hours(1, 0, 60), hours(1, 30, 90)], 0) == week_bits([hours(1, 0, 90)], 0)


def test_an_office_week_has_forty_hours_wherever_it_is() -> None:
    for offset in range(-12 * 60, 14 * 60 + 1, 15):
        assert week_bits(OFFICE, offset).bit_count() * SLOT_MINUTES == 40 * 60


def test_words_hold_the_same_bits() -> None:
    bits = week_bits(OFFICE, 345)
    packed = words(bits)
    assert packed.shape == (WORDS,)
    assert int(np.bitwise_count(packed).sum()) == bits.bit_count()
    assert sum(int(word) << 64 * index for index, word in enumerate(packed)) == bits
