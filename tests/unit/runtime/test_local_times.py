"""Times as their readers' clocks show them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mentorstream_runtime.local_times import local_time

BACK = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # half past two in Paris, for the first time


def test_day_clock_and_place() -> None:
    shown = local_time(datetime(2027, 3, 30, 23, 0, tzinfo=UTC), "Europe/Paris")
    assert (shown.day, shown.clock, shown.place) == ("Wednesday 31 March 2027", "01:00", "Europe/Paris, UTC+02:00")


def test_the_offset_tells_an_hour_that_comes_twice_apart() -> None:
    first, second = (local_time(BACK + timedelta(hours=later), "Europe/Paris") for later in (0, 1))
    assert first.clock == second.clock == "02:30"
    assert (first.offset, second.offset) == ("UTC+02:00", "UTC+01:00")


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", "", "a\0b"])
def test_a_zone_that_is_not_known_here_reads_as_utc_and_says_so(zone: str) -> None:
    assert local_time(BACK, zone).place == "UTC, UTC+00:00"
    assert local_time(BACK, zone).clock == "00:30"


def test_half_hours_and_zones_behind() -> None:
    assert local_time(BACK, "Asia/Kolkata").offset == "UTC+05:30"
    assert local_time(BACK, "America/Lima").offset == "UTC-05:00"
