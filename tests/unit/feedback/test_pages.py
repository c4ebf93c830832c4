"""Times on pages are the respondent's own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from feedback.entrypoints.pages import local_interval, local_minute

START = datetime(2026, 3, 9, 22, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("Europe/Paris", "Monday 9 March 2026, 23:30 to Tuesday 10 March 2026, 00:15 (Europe/Paris)"),
        ("Asia/Tokyo", "Tuesday 10 March 2026, 07:30 to 08:15 (Asia/Tokyo)"),
        ("Mars/Olympus", "Monday 9 March 2026, 22:30 to 23:15 (UTC)"),
        ("../etc/passwd", "Monday 9 March 2026, 22:30 to 23:15 (UTC)"),
    ],
)
def test_an_interval_is_shown_in_the_zone(zone: str, shown: str) -> None:
    assert local_interval(START, START + timedelta(minutes=45), zone) == shown


def test_an_interval_over_the_change_to_summer_time() -> None:
    start = datetime(2026, 3, 29, 0, 45, tzinfo=UTC)

    assert (
        local_interval(start, start + timedelta(minutes=30), "Europe/Paris")
        == "Sunday 29 March 2026, 01:45 to 03:15 (Europe/Paris)"
    )


def test_a_minute_is_shown_in_the_zone() -> None:
    assert local_minute(START, "America/New_York") == "Monday 9 March 2026, 18:30 (America/New_York)"
