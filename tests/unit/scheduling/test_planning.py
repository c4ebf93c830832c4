"""Slots and occurrences: local time kept, hours respected, nothing overlapping, the same answer each time."""

from __future__ import annotations

import dataclasses
import itertools
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.scheduling.test_local_time import weekly_hours, zones

from scheduling.domain.local_time import DAY, Hours, instant_of, minute_of
from scheduling.domain.planning import choices, find_slot, fits, keeps_slot, occurs_before, place
from scheduling.domain.values import Agreement, Attendee, Busy, NoSlot, Slot

Role = Literal["mentor", "mentee"]
OFFICE = tuple(Hours(day, 9 * 60, 17 * 60) for day in range(1, 6))
starts = st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


def attendee(number: int, role: Role, zone: str, hours: tuple[Hours, ...] = OFFICE) -> Attendee:
    return Attendee(
        participant_id=UUID(int=number),
        person_id=UUID(int=100 + number),
        organisation_id=UUID(int=200),
        role=role,
        zone=zone,
        hours=hours,
    )


def agreement(
    *people: Attendee,
    now: datetime = datetime(2026, 3, 1, tzinfo=UTC),
    weeks: int = 26,
    cadence_days: int = 14,
    minutes: int = 45,
    local_time_of: Role = "mentee",
) -> Agreement:
    return Agreement(
        attendees=people,
        cadence_days=cadence_days,
        meeting_minutes=minutes,
        notice_days=2,
        meetings_ahead=3,
        local_time_of=local_time_of,
        ends_at=now + timedelta(weeks=weeks),
    )


def two(mentor_zone: str, mentee_zone: str, hours: tuple[Hours, ...] = OFFICE) -> tuple[Attendee, Attendee]:
    return attendee(1, "mentor", mentor_zone, hours), attendee(2, "mentee", mentee_zone, hours)


def planned_at(slot: Slot, number: int) -> datetime:
    """What the reference zone's wall clock should show at an occurrence."""
    return datetime(1970, 1, 1) + timedelta(  # noqa: DTZ001
        days=slot.first_day + number * slot.cadence_days, minutes=slot.minute
    )


def wall(minute: int, zone: str) -> datetime:
    return instant_of(minute).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def willing(person: Attendee, minute: int) -> bool:
    shown = wall(minute, person.zone)
    of_day = shown.hour * 60 + shown.minute
    return any(day == shown.isoweekday() and first <= of_day < end for day, first, end in person.hours)


@st.composite
def situations(draw: st.DrawFn) -> tuple[Agreement, datetime, list[Busy]]:
    now = draw(starts)
    people = [attendee(1, "mentor", draw(zones), draw(weekly_hours()) + OFFICE[: draw(st.integers(0, 5))])]
    people += [
        attendee(number + 2, "mentee", draw(zones), draw(weekly_hours()) + OFFICE)
        for number in range(draw(st.integers(1, 3)))
    ]
    agreed = agreement(
        *people,
        now=now,
        weeks=draw(st.integers(1, 60)),
        cadence_days=7 * draw(st.integers(1, 5)),
        minutes=draw(st.integers(10, 240)),
        local_time_of=draw(st.sampled_from(("mentor", "mentee"))),
    )
    booked = draw(
        st.lists(
            st.builds(
                lambda start, length: Busy(minute_of(now) + start, minute_of(now) + start + length),
                st.integers(-DAY, 40 * DAY),
                st.integers(10, 240),
            ),
            max_size=12,
        )
    )
    return agreed, now, sorted(booked)


@given(situations())
def test_every_occurrence_fits_everybody(situation: tuple[Agreement, datetime, list[Busy]]) -> None:
    agreed, now, booked = situation
    earliest = now + timedelta(days=2)
    slot = find_slot(agreed, booked, not_before=earliest)
    assert slot == find_slot(agreed, booked, not_before=earliest)
    if isinstance(slot, NoSlot):
        assert slot.reason == "booked" or slot.longest_common_minutes < agreed.meeting_minutes
        return

    taken = list(booked)
    number = placed_any = 0
    while occurs_before(agreed, slot, number):
        placed = place(agreed, slot, number, taken, not_before=earliest)
        if placed is not None:
            placed_any += 1
            end = placed.start + agreed.meeting_minutes
            assert instant_of(placed.start) >= earliest
            assert instant_of(end) <= agreed.ends_at
            assert all(willing(person, minute) for person in agreed.attendees for minute in range(placed.start, end))
            assert not any(placed.start < other.end and other.start < end for other in taken)
            shown, planned = wall(placed.start, slot.zone), planned_at(slot, number)
            if placed.moved:
                week = datetime(1970, 1, 1) + timedelta(days=slot.first_day + number * slot.cadence_days)  # noqa: DTZ001
                assert shown != planned
                assert week <= shown < week + timedelta(days=7)
            else:
                assert shown == planned
            assert fits(agreed, placed.start, agreed.meeting_minutes, taken, not_before=earliest)
            taken = sorted([*taken, Busy(placed.start, end)])
        number += 1
    assert placed_any


@given(situations())
def test_choices_are_free_for_everybody(situation: tuple[Agreement, datetime, list[Busy]]) -> None:
    agreed, now, booked = situation
    offered = choices(agreed, booked, now=now, not_before=now + timedelta(hours=2), limit=6)
    assert offered == sorted(set(offered))
    assert len(offered) <= 6
    for start in offered:
        assert instant_of(start) <= now + timedelta(days=14)
        assert fits(agreed, start, agreed.meeting_minutes, booked, not_before=now + timedelta(hours=2))
    for first, second in itertools.pairwise(offered):
        assert second - first >= agreed.meeting_minutes


@given(situations())
def test_a_slot_that_lost_nothing_is_kept(situation: tuple[Agreement, datetime, list[Busy]]) -> None:
    agreed, now, booked = situation
    slot = find_slot(agreed, booked, not_before=now)
    if isinstance(slot, Slot) and any(
        (placed := place(agreed, slot, number, booked, not_before=now)) and not placed.moved for number in range(60)
    ):
        assert keeps_slot(agreed, slot, booked, before=agreed, not_before=now) or not fits_a_whole_week(
            agreed, slot, booked, now
        )


def fits_a_whole_week(agreed: Agreement, slot: Slot, booked: list[Busy], now: datetime) -> bool:
    """Whether the slot fits in some week that is not cut short by the match's end."""
    whole = dataclasses.replace(agreed, ends_at=agreed.ends_at - timedelta(days=8))
    return any(
        (placed := place(whole, slot, number, booked, not_before=now)) is not None and not placed.moved
        for number in range(60)
    )


@pytest.mark.parametrize(
    ("zone", "change"),
    [
        ("Europe/Berlin", datetime(2026, 3, 29, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 3, 8, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2026, 4, 5, tzinfo=UTC)),
        ("Pacific/Apia", datetime(2026, 6, 1, tzinfo=UTC)),
        ("Asia/Kathmandu", datetime(2026, 6, 1, tzinfo=UTC)),
    ],
)
def test_local_time_stays_when_clocks_change(zone: str, change: datetime) -> None:
    now = change - timedelta(days=20)
    agreed = agreement(*two(zone, zone), now=now, cadence_days=7)
    slot = find_slot(agreed, [], not_before=now)
    assert isinstance(slot, Slot)
    for number in range(20):
        placed = place(agreed, slot, number, [], not_before=now)
        assert placed is not None
        assert not placed.moved
        assert wall(placed.start, zone) == planned_at(slot, number)


def test_only_one_side_changes_clocks() -> None:
    """From 8 to 29 March New York is an hour nearer to Berlin: a slot is chosen that fits before, between and after."""
    now = datetime(2026, 3, 1, tzinfo=UTC)
    hours = tuple(Hours(day, 8 * 60, 18 * 60) for day in range(1, 6))
    agreed = agreement(*two("Europe/Berlin", "America/New_York", hours), now=now, cadence_days=7, weeks=20)
    slot = find_slot(agreed, [], not_before=now)
    assert isinstance(slot, Slot)
    berlin_hours = set()
    for number in range(15):
        placed = place(agreed, slot, number, [], not_before=now)
        assert placed is not None
        assert not placed.moved
        assert wall(placed.start, "America/New_York") == planned_at(slot, number)
        berlin_hours.add(wall(placed.start, "Europe/Berlin").hour)
    assert len(berlin_hours) == 2


def test_an_occurrence_that_stops_fitting_is_moved_or_skipped() -> None:
    """The mentor in Kathmandu keeps one hour only; the mentee's clocks change, and the hour moves for them."""
    now = datetime(2026, 3, 1, tzinfo=UTC)
    mentor = attendee(1, "mentor", "Asia/Kathmandu", (Hours(2, 13 * 60 + 45, 14 * 60 + 45),))
    mentee = attendee(2, "mentee", "Europe/Berlin", (Hours(2, 9 * 60, 11 * 60),))
    agreed = agreement(mentor, mentee, now=now, cadence_days=7, weeks=12, minutes=60)
    slot = find_slot(agreed, [], not_before=now)
    assert isinstance(slot, Slot)
    # Summer time lasts longer than winter time here, so 10:00 fits more weeks than 09:00.
    assert (slot.weekday, slot.start_minute) == (2, 10 * 60)
    placed = [place(agreed, slot, number, [], not_before=now) for number in range(6)]
    assert [one and one.moved for one in placed] == [True, True, True, True, False, False]
    assert {wall(one.start, "Asia/Kathmandu").time().isoformat("minutes") for one in placed if one} == {"13:45"}

    narrow = dataclasses.replace(
        agreed, attendees=(mentor, attendee(2, "mentee", "Europe/Berlin", (Hours(2, 600, 660),)))
    )
    assert [place(narrow, slot, number, [], not_before=now) is None for number in range(6)] == [True] * 4 + [False] * 2


def test_a_slot_in_a_gap_is_moved_and_one_in_a_fold_takes_the_first() -> None:
    night = tuple(Hours(day, 0, 5 * 60) for day in range(1, 8))
    now = datetime(2026, 1, 1, tzinfo=UTC)
    agreed = agreement(*two("Europe/Berlin", "Europe/Berlin", night), now=now, weeks=60, cadence_days=7)
    sunday = (datetime(2026, 1, 4, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days
    slot = Slot(zone="Europe/Berlin", first_day=sunday, minute=150, cadence_days=7, meeting_minutes=45)
    in_gap = place(agreed, slot, 12, [], not_before=now)
    in_fold = place(agreed, slot, 42, [], not_before=now)
    assert in_gap is not None
    assert in_gap.moved
    assert instant_of(in_gap.start) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)  # 03:00, the nearest that exists
    assert in_fold is not None
    assert not in_fold.moved
    assert instant_of(in_fold.start) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_the_slot_lies_amid_common_hours() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    slot = find_slot(agreement(*two("Europe/Berlin", "Europe/Berlin"), now=now), [], not_before=now)
    assert isinstance(slot, Slot)
    assert (slot.weekday, slot.start_minute) == (1, 12 * 60 + 30)


def test_booked_time_is_left_alone() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    one_hour = (Hours(3, 9 * 60, 10 * 60),)
    agreed = agreement(*two("UTC", "UTC", one_hour), now=now, cadence_days=7)
    wednesday = minute_of(datetime(2026, 3, 4, 9, 0, tzinfo=UTC))
    slot = find_slot(agreed, [Busy(wednesday, wednesday + 45)], not_before=now)
    assert isinstance(slot, Slot)
    assert place(agreed, slot, 0, [Busy(wednesday, wednesday + 45)], not_before=now) is None
    assert place(agreed, slot, 1, [Busy(wednesday, wednesday + 45)], not_before=now) is not None


@pytest.mark.parametrize(
    ("mentor_hours", "minutes", "weeks", "reason", "longest"),
    [
        ((Hours(1, 9 * 60, 12 * 60),), 45, 26, "no_common_hours", 0),
        ((Hours(2, 8 * 60, 9 * 60 + 20),), 45, 26, "too_short", 20),
        ((Hours(2, 9 * 60, 10 * 60),), 45, 1, "booked", 60),
        ((Hours(2, 9 * 60, 10 * 60),), 45, 0, "no_common_hours", 0),
    ],
)
def test_why_there_is_no_slot(
    mentor_hours: tuple[Hours, ...], minutes: int, weeks: int, reason: str, longest: int
) -> None:
    now = datetime(2026, 3, 2, tzinfo=UTC)
    people = attendee(1, "mentor", "UTC", mentor_hours), attendee(2, "mentee", "UTC", (Hours(2, 9 * 60, 17 * 60),))
    agreed = agreement(*people, now=now, weeks=weeks, minutes=minutes)
    tuesday = minute_of(datetime(2026, 3, 3, 9, 20, tzinfo=UTC))
    assert find_slot(agreed, [Busy(tuesday, tuesday + 10)], not_before=now) == NoSlot(
        reason=reason,  # type: ignore[arg-type]
        longest_common_minutes=longest,
    )


def test_a_finer_step_only_where_the_quarter_does_not_fit() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    slot = find_slot(agreement(*two("UTC", "UTC", (Hours(1, 550, 595),)), now=now), [], not_before=now)
    assert isinstance(slot, Slot)
    assert slot.start_minute == 550


def test_another_kind_of_meeting_needs_another_slot() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    before = agreement(*two("Europe/Berlin", "Europe/Paris"), now=now)
    slot = find_slot(before, [], not_before=now)
    assert isinstance(slot, Slot)
    for change in ({"meeting_minutes": 30}, {"cadence_days": 7}, {"local_time_of": "mentor"}):
        after = dataclasses.replace(before, **change)
        assert not keeps_slot(after, slot, [], before=before, not_before=now)
    early = attendee(1, "mentor", "Europe/Berlin", (Hours(1, 9 * 60, 10 * 60),))
    moved_away = dataclasses.replace(before, attendees=(early, before.attendees[1]))
    assert not keeps_slot(moved_away, slot, [], before=before, not_before=now)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "Europe"])
def test_a_zone_that_is_none(zone: str) -> None:
    with pytest.raises(ValueError, match="no known IANA time zone"):
        attendee(1, "mentor", zone)


def test_hours_that_end_before_they_start() -> None:
    with pytest.raises(ValueError, match="do not end after they start"):
        attendee(1, "mentor", "UTC", (Hours(1, 600, 600),))
