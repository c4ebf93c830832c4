"""Sets of minutes against the definition: what each zone's clock shows at each instant."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.domain.local_time import (
    DAY,
    WEEK,
    Hours,
    instant_at,
    instant_of,
    local_of,
    longest_run,
    lowest,
    minute_not_before,
    minute_of,
    open_set,
    runs_of,
    stretches,
    to_local_set,
    weekly_set,
)

ZONES = (
    "Europe/Berlin",
    "Europe/London",
    "America/New_York",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Pacific/Apia",
    "Pacific/Chatham",
    "America/Santiago",
    "Africa/Casablanca",
    "Africa/Cairo",
    "Asia/Tehran",
    "UTC",
)
zones = st.sampled_from(ZONES)
minutes = st.integers(minute_of(datetime(2009, 1, 1, tzinfo=UTC)), minute_of(datetime(2036, 1, 1, tzinfo=UTC)))


@st.composite
def changes(draw: st.DrawFn) -> tuple[str, int]:
    """A zone and a minute within two days of one of its clock changes, if it has any."""
    zone, minute = draw(zones), draw(minutes)
    cuts = stretches(zone, minute, minute + 366 * DAY)
    near = draw(st.sampled_from(cuts)).start
    return zone, near + draw(st.integers(-2 * DAY, 2 * DAY))


@st.composite
def weekly_hours(draw: st.DrawFn) -> tuple[Hours, ...]:
    found = []
    for _ in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, DAY - 1))
        found.append(Hours(draw(st.integers(1, 7)), start, draw(st.integers(start + 1, DAY))))
    return tuple(found)


def shown(zone: str, minute: int) -> datetime:
    return instant_of(minute).astimezone(ZoneInfo(zone))


@given(st.one_of(changes(), st.tuples(zones, minutes)), st.integers(1, 10 * DAY))
def test_stretches_follow_the_zone(where: tuple[str, int], length: int) -> None:
    zone, start = where
    found = stretches(zone, start, start + length)

    assert [found[0].start, *(piece.end for piece in found)] == [*(piece.start for piece in found), start + length]
    for piece in found:
        for minute in (piece.start, (piece.start + piece.end) // 2, piece.end - 1):
            assert shown(zone, minute).utcoffset() == timedelta(minutes=piece.offset)
    for before, after in itertools.pairwise(found):
        assert before.offset != after.offset


@given(changes(), weekly_hours())
def test_open_set_is_what_the_clock_shows(where: tuple[str, int], hours: tuple[Hours, ...]) -> None:
    zone, start = where
    length = 2 * DAY
    bits = open_set(zone, weekly_set(hours), start, length)

    for index in range(0, length, 7):
        wall = shown(zone, start + index)
        of_day = wall.hour * 60 + wall.minute
        expected = any(day == wall.isoweekday() and first <= of_day < end for day, first, end in hours)
        assert bool(bits >> index & 1) is expected


@given(changes(), st.randoms(use_true_random=False))
def test_local_sets_name_each_instant_once(where: tuple[str, int], random: object) -> None:
    zone, near = where
    local_start = local_of(zone, near) // DAY * DAY
    start = instant_at(zone, local_start)
    length = 4 * DAY
    instants = random.getrandbits(length)  # type: ignore[attr-defined]
    bits = to_local_set(zone, instants, start, length, local_start)

    for local in range(0, 3 * DAY, 3):
        instant = instant_at(zone, local_start + local)
        exists = local_of(zone, instant) == local_start + local
        expected = exists and bool(instants >> instant - start & 1)
        assert bool(bits >> local & 1) is expected


@pytest.mark.parametrize(
    ("zone", "wall", "utc"),
    [
        # A gap: 02:30 is not shown; PEP 495 reads it with the offset from before, so it is 03:30.
        ("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T01:30"),
        # A fold: 02:30 is shown twice, and the first one counts.
        ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30"),
        ("America/New_York", "2026-03-08T02:30", "2026-03-08T07:30"),
        ("America/New_York", "2026-11-01T01:30", "2026-11-01T05:30"),
        # Half an hour of summer time.
        ("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45"),
        ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:45"),
        ("Asia/Kathmandu", "2026-03-29T10:00", "2026-03-29T04:15"),
        # Samoa skipped 30 December 2011 as a whole.
        ("Pacific/Apia", "2011-12-30T00:00", "2011-12-30T10:00"),
        ("Pacific/Apia", "2011-12-31T00:00", "2011-12-30T10:00"),
    ],
)
def test_gaps_and_folds(zone: str, wall: str, utc: str) -> None:
    local = minute_of(datetime.fromisoformat(wall).replace(tzinfo=UTC))
    assert instant_of(instant_at(zone, local)) == datetime.fromisoformat(utc).replace(tzinfo=UTC)


def test_a_day_that_was_skipped_has_no_local_minutes() -> None:
    day = minute_of(datetime(2011, 12, 30, tzinfo=UTC))
    start = instant_at("Pacific/Apia", day)
    bits = to_local_set("Pacific/Apia", (1 << 3 * DAY) - 1, start, 3 * DAY, day)
    assert lowest(bits) == DAY


@given(st.sets(st.integers(0, 200)), st.integers(1, 40))
def test_runs(members: set[int], length: int) -> None:
    bits = sum(1 << member for member in members)
    expected = {first for first in range(201) if all(first + step in members for step in range(length))}
    assert {index for index in range(202) if runs_of(bits, length) >> index & 1} == expected
    longest = longest_run(bits)
    assert runs_of(bits, longest) or not members
    assert not runs_of(bits, longest + 1)


def test_minutes_of_instants() -> None:
    on_the_minute = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    after = on_the_minute + timedelta(microseconds=1)
    assert minute_of(after) == minute_of(on_the_minute) == minute_not_before(on_the_minute)
    assert minute_not_before(after) == minute_of(on_the_minute) + 1
    assert instant_of(minute_of(after)) == on_the_minute
    assert WEEK == 10_080
