"""What each event and each request does to a schedule, with plain values and fixed times."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest

from mentorstream_events import Event, Value, contract_of
from mentorstream_events.matches import MatchChanged, MatchConfirmed, MatchEnded
from mentorstream_events.meetings import (
    MeetingCancelled,
    MeetingCompleted,
    MeetingRescheduled,
    MeetingScheduled,
    SeriesBlocked,
    SeriesClosed,
    SeriesPlanned,
)
from mentorstream_events.values import Member, Role, Terms, WeeklyHours
from mentorstream_runtime.errors import Rejected
from mentorstream_runtime.outbox import Outgoing
from scheduling.domain.values import NoSlot
from scheduling.handlers.matches import on_match_changed, on_match_confirmed, on_match_decided, on_match_ended
from scheduling.handlers.meetings import (
    NotBooked,
    NotFree,
    cancel_meeting,
    choices_for,
    complete_meetings,
    move_meeting,
)
from scheduling.handlers.schedule import Schedule

NOW = datetime(2026, 3, 9, 8, 0, tzinfo=UTC)  # a Monday
PROGRAM, MATCH, MENTOR = UUID(int=1), UUID(int=2), UUID(int=110)
OFFICE = tuple(WeeklyHours(weekday=day, start_minute=540, end_minute=1020) for day in range(1, 6))
TUESDAYS = (WeeklyHours(weekday=2, start_minute=540, end_minute=720),)
FRIDAYS = (WeeklyHours(weekday=5, start_minute=540, end_minute=720),)


def member(number: int, role: Role, hours: tuple[WeeklyHours, ...] = OFFICE, zone: str = "Europe/Berlin") -> Member:
    return Member(
        participant_id=UUID(int=number),
        person_id=UUID(int=100 + number),
        organisation_id=UUID(int=200 + number),
        role=role,
        zone=zone,
        languages=("en",),
        availability=hours,
    )


def confirmed(
    *,
    mentor: tuple[WeeklyHours, ...] = OFFICE,
    mentee_number: int = 11,
    match_id: UUID = MATCH,
    weeks: int = 26,
    zone: str = "Europe/Berlin",
) -> MatchConfirmed:
    return MatchConfirmed(
        program_id=PROGRAM,
        match_id=match_id,
        mentor=member(10, "mentor", mentor),
        mentees=(member(mentee_number, "mentee", zone=zone),),
        score=0.5,
        facets={},
        policy_version=1,
        terms=Terms(cadence_days=7),
        ends_at=NOW + timedelta(weeks=weeks),
    )


def changed(data: MatchConfirmed, **changes: object) -> MatchChanged:
    return msgspec.structs.replace(
        MatchChanged(
            program_id=data.program_id,
            match_id=data.match_id,
            mentor=data.mentor,
            mentees=data.mentees,
            terms=data.terms,
            ends_at=data.ends_at,
            reason="participant_updated",
        ),
        **changes,
    )


def ended(match_id: UUID = MATCH, *, was_confirmed: bool = True) -> MatchEnded:
    return MatchEnded(
        program_id=PROGRAM,
        match_id=match_id,
        mentor_person_id=UUID(int=110),
        mentee_person_ids=(UUID(int=111),),
        organisation_ids=(UUID(int=210), UUID(int=211)),
        was_confirmed=was_confirmed,
        reason="withdrawn",
    )


def event(data: Value, time: datetime = NOW) -> Event[Value]:
    return Event(
        id=f"cause-{time.isoformat()}",
        type=contract_of(data).name,
        source="matching",
        time=time,
        key=str(PROGRAM),
        data=data,
    )


def empty() -> Schedule:
    return Schedule(not_before=NOW)


def planned(data: MatchConfirmed) -> tuple[Schedule, list[Outgoing]]:
    schedule = empty()
    return schedule, on_match_confirmed(event(data), schedule)  # type: ignore[arg-type]


def change(schedule: Schedule, data: MatchChanged, time: datetime = NOW) -> list[Outgoing]:
    return on_match_changed(event(data, time), schedule)  # type: ignore[arg-type]


def types(events: list[Outgoing]) -> list[type[Value]]:
    return [type(one.data) for one in events]


def test_a_confirmed_match_gets_a_series_and_its_first_meetings() -> None:
    _, events = planned(confirmed())
    assert types(events) == [SeriesPlanned, MeetingScheduled, MeetingScheduled, MeetingScheduled]
    series, first, second, third = (one.data for one in events)
    assert isinstance(series, SeriesPlanned)
    assert isinstance(first, MeetingScheduled)
    assert isinstance(second, MeetingScheduled)
    assert isinstance(third, MeetingScheduled)
    assert series.first_starts_at == first.starts_at >= NOW + timedelta(days=2)
    assert [second.starts_at - first.starts_at, third.starts_at - second.starts_at] == [
        timedelta(days=7),
        timedelta(days=7) if third.starts_at.month == 3 and third.starts_at.day < 29 else timedelta(days=7, hours=-1),
    ]
    assert [attendee.person_id for attendee in first.attendees] == [UUID(int=110), UUID(int=111)]
    assert first.revision == 0


def test_deciding_again_gives_the_same_events() -> None:
    assert planned(confirmed())[1] == planned(confirmed())[1]


def test_no_common_hours_block_until_the_match_changes() -> None:
    data = confirmed(mentor=(WeeklyHours(weekday=7, start_minute=0, end_minute=600),))
    schedule, events = planned(data)
    assert types(events) == [SeriesBlocked]
    assert change(schedule, changed(data, ends_at=NOW + timedelta(weeks=30))) == []
    events = change(schedule, changed(data, mentor=member(10, "mentor")))
    assert types(events) == [SeriesPlanned, *[MeetingScheduled] * 3]
    assert not isinstance(events[0].data, SeriesBlocked)


def test_an_event_that_is_late_books_nothing_in_the_past() -> None:
    schedule = Schedule(not_before=NOW + timedelta(days=30))
    events = on_match_confirmed(event(confirmed()), schedule)  # type: ignore[arg-type]
    first = events[1].data
    assert isinstance(first, MeetingScheduled)
    assert first.starts_at >= NOW + timedelta(days=30)
    assert {one.time for one in events} == {NOW}


def test_time_of_a_program_never_goes_back() -> None:
    schedule = Schedule(programs=[(PROGRAM, NOW + timedelta(days=10))], not_before=NOW)
    events = on_match_confirmed(event(confirmed()), schedule)  # type: ignore[arg-type]
    assert {one.time for one in events} == {NOW + timedelta(days=10)}
    assert schedule.changed_programs == {}


def test_a_change_that_takes_nothing_away_moves_nobody() -> None:
    data = confirmed(mentor=TUESDAYS)
    schedule, _ = planned(data)
    assert change(schedule, changed(data, reason="reporting_line")) == []
    assert change(schedule, changed(data, mentor=member(10, "mentor"))) == []


def test_another_slot_replaces_the_series() -> None:
    data = confirmed(mentor=TUESDAYS)
    schedule, before = planned(data)
    events = change(schedule, changed(data, mentor=member(10, "mentor", FRIDAYS)), NOW + timedelta(hours=1))
    assert types(events) == [*[MeetingCancelled] * 3, SeriesClosed, SeriesPlanned, *[MeetingScheduled] * 3]
    cancelled, old, new = events[0].data, events[3].data, events[4].data
    assert isinstance(cancelled, MeetingCancelled)
    assert isinstance(old, SeriesClosed)
    assert isinstance(new, SeriesPlanned)
    assert (cancelled.reason, cancelled.revision, old.reason, new.weekday) == ("replanned", 1, "replanned", 5)
    assert isinstance(before[0].data, SeriesPlanned)
    assert before[0].data.series_id == old.series_id != new.series_id


def test_no_slot_left_closes_and_blocks() -> None:
    data = confirmed(mentor=TUESDAYS)
    schedule, _ = planned(data)
    sunday = (WeeklyHours(weekday=7, start_minute=0, end_minute=600),)
    events = change(schedule, changed(data, mentor=member(10, "mentor", sunday)))
    assert types(events) == [*[MeetingCancelled] * 3, SeriesClosed, SeriesBlocked]


def test_a_moved_meeting_that_no_longer_fits_goes_back_into_its_week() -> None:
    """The slot stays; one meeting had been moved by an attendee to hours that are gone now."""
    data = confirmed(mentor=TUESDAYS + FRIDAYS)
    schedule, events = planned(data)
    first = events[1].data
    assert isinstance(first, MeetingScheduled)
    other = next(
        choice
        for choice in choices_for(first.meeting_id, schedule, now=NOW)
        if choice.weekday() != first.starts_at.weekday()
    )
    assert types(move_meeting(first.meeting_id, MENTOR, other, schedule, now=NOW)) == [MeetingRescheduled]
    kept = TUESDAYS if first.starts_at.weekday() == 1 else FRIDAYS
    events = change(schedule, changed(data, mentor=member(10, "mentor", kept)))
    assert types(events) == [MeetingRescheduled]
    back = events[0].data
    assert isinstance(back, MeetingRescheduled)
    assert (back.starts_at, back.previous_starts_at, back.revision) == (first.starts_at, other, 2)


def test_a_shorter_match_cancels_what_is_after_its_end() -> None:
    data = confirmed()
    schedule, before = planned(data)
    last = before[-1].data
    assert isinstance(last, MeetingScheduled)
    events = change(schedule, changed(data, ends_at=last.starts_at - timedelta(days=6)))
    assert types(events) == [MeetingCancelled]
    cancelled = events[0].data
    assert isinstance(cancelled, MeetingCancelled)
    assert cancelled.meeting_id == last.meeting_id


def test_the_end_of_a_match_cancels_what_has_not_begun() -> None:
    schedule, events = planned(confirmed())
    first = events[1].data
    assert isinstance(first, MeetingScheduled)
    during = first.starts_at + timedelta(minutes=5)
    events = on_match_ended(event(ended(), during), schedule)  # type: ignore[arg-type]
    assert types(events) == [MeetingCancelled, MeetingCancelled, SeriesClosed]
    # The one that was under way is held to its end, and no other is booked after it.
    assert types(complete_meetings([first.meeting_id], schedule, now=first.ends_at)) == [MeetingCompleted]
    assert on_match_ended(event(ended(), during), schedule) == []  # type: ignore[arg-type]


def test_matches_of_one_person_do_not_overlap() -> None:
    """Three hours a week hold three meetings amid them; a fourth match is blocked and pushes nobody about."""
    schedule = empty()
    taken: list[tuple[datetime, datetime]] = []
    outcomes = []
    for number in range(5):
        data = confirmed(mentor=TUESDAYS, match_id=UUID(int=1000 + number), mentee_number=20 + number)
        events = on_match_confirmed(event(data), schedule)  # type: ignore[arg-type]
        outcomes.append(type(events[0].data))
        taken += [(one.data.starts_at, one.data.ends_at) for one in events if isinstance(one.data, MeetingScheduled)]
    assert outcomes == [SeriesPlanned] * 3 + [SeriesBlocked] * 2
    assert len(taken) == 9
    taken.sort()
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(taken))
    blocked = schedule.match(UUID(int=1004))
    assert blocked is not None
    assert blocked.blocked == NoSlot(reason="booked", longest_common_minutes=180)


def test_completion_books_the_next_until_the_end() -> None:
    schedule, events = planned(confirmed(weeks=6))
    scheduled = [one.data for one in events if isinstance(one.data, MeetingScheduled)]
    completed = 0
    while scheduled:
        meeting = scheduled.pop(0)
        assert complete_meetings([meeting.meeting_id], schedule, now=meeting.ends_at - timedelta(minutes=1)) == []
        events = complete_meetings([meeting.meeting_id], schedule, now=meeting.ends_at)
        done = events[0].data
        assert isinstance(done, MeetingCompleted)
        assert done.terms.cadence_days == 7
        completed += 1
        scheduled += [one.data for one in events if isinstance(one.data, MeetingScheduled)]
        assert len(scheduled) <= 3
    assert completed == 6


def test_cancelling_books_another_one() -> None:
    schedule, events = planned(confirmed())
    first = events[1].data
    assert isinstance(first, MeetingScheduled)
    events = cancel_meeting(first.meeting_id, MENTOR, schedule, now=NOW)
    assert types(events) == [MeetingCancelled, MeetingScheduled]
    assert complete_meetings([first.meeting_id], schedule, now=first.ends_at) == []
    with pytest.raises(NotBooked):
        cancel_meeting(first.meeting_id, MENTOR, schedule, now=NOW)


def test_a_meeting_that_has_begun_stays() -> None:
    schedule, events = planned(confirmed())
    first = events[1].data
    assert isinstance(first, MeetingScheduled)
    with pytest.raises(NotBooked):
        cancel_meeting(first.meeting_id, MENTOR, schedule, now=first.starts_at)
    with pytest.raises(NotBooked):
        move_meeting(first.meeting_id, MENTOR, first.starts_at + timedelta(days=1), schedule, now=first.starts_at)


def test_moving_a_meeting() -> None:
    schedule, events = planned(confirmed())
    first, second = events[1].data, events[2].data
    assert isinstance(first, MeetingScheduled)
    assert isinstance(second, MeetingScheduled)
    offered = choices_for(first.meeting_id, schedule, now=NOW)
    assert len(offered) == 6
    for wrong in (
        second.starts_at,  # taken
        first.starts_at.replace(hour=3),  # nobody's hours
        NOW - timedelta(days=7),  # over
        offered[0] + timedelta(seconds=1),  # no whole minute
        first.starts_at + timedelta(days=70),  # too far off
    ):
        with pytest.raises(NotFree) as refused:
            move_meeting(first.meeting_id, MENTOR, wrong, schedule, now=NOW)
        assert refused.value.choices == offered
    assert move_meeting(first.meeting_id, MENTOR, first.starts_at, schedule, now=NOW) == []
    events = move_meeting(first.meeting_id, MENTOR, offered[0], schedule, now=NOW)
    moved = events[0].data
    assert isinstance(moved, MeetingRescheduled)
    assert (moved.revision, moved.starts_at, moved.previous_starts_at) == (1, offered[0], first.starts_at)
    assert moved.ends_at - moved.starts_at == timedelta(minutes=45)
    assert move_meeting(first.meeting_id, MENTOR, offered[0], schedule, now=NOW) == []


def test_what_makes_no_sense_is_rejected_before_anything_changes() -> None:
    schedule, _ = planned(confirmed())
    before = dict(schedule.changed_matches)
    unknown = confirmed(match_id=UUID(int=3))
    for data, reason in (
        (msgspec.structs.replace(confirmed(), program_id=UUID(int=9)), "wrong_program"),
        (confirmed(match_id=UUID(int=3), zone="Mars/Olympus"), "bad_availability"),
        (confirmed(match_id=UUID(int=3), mentee_number=10), "same_person"),
        (
            confirmed(match_id=UUID(int=3), mentor=(WeeklyHours(weekday=1, start_minute=600, end_minute=600),)),
            "bad_availability",
        ),
    ):
        with pytest.raises(Rejected) as rejected:
            on_match_confirmed(event(data), schedule)  # type: ignore[arg-type]
        assert rejected.value.reason == reason
    with pytest.raises(Rejected, match="unknown_match"):
        on_match_ended(event(ended(UUID(int=3))), schedule)  # type: ignore[arg-type]
    with pytest.raises(Rejected, match="wrong_program"):
        change(schedule, changed(confirmed(), program_id=UUID(int=9)))
    assert on_match_ended(event(ended(UUID(int=3), was_confirmed=False)), schedule) == []  # type: ignore[arg-type]
    assert on_match_confirmed(event(confirmed()), schedule) == []  # type: ignore[arg-type]
    assert schedule.changed_matches == before
    # A change carries all of its match: where the confirmation was lost, it heals.
    assert types(change(schedule, changed(unknown)))[0] is SeriesPlanned
    on_match_ended(event(ended()), schedule)  # type: ignore[arg-type]
    with pytest.raises(Rejected, match="match_ended"):
        change(schedule, changed(confirmed()))


def test_what_a_lost_state_had_decided_fills_in_and_decides_nothing() -> None:
    schedule, _ = planned(confirmed())
    series, meetings = schedule.series_of(MATCH), schedule.meetings_of(MATCH)
    # Hours with which the series could not stay; and an end that lets no more be booked.
    narrow = changed(confirmed(mentor=FRIDAYS if meetings[0].starts_at.isoweekday() != 5 else TUESDAYS, weeks=3))
    later = NOW + timedelta(hours=1)
    assert on_match_decided(event(narrow, later), schedule) == []  # type: ignore[arg-type]
    assert (schedule.series_of(MATCH), schedule.meetings_of(MATCH)) == (series, meetings)
    match = schedule.match(MATCH)
    assert match is not None
    assert (match.ends_at, match.status, match.series_count) == (narrow.ends_at, "planned", 1)
    assert schedule.time_of(PROGRAM) == later
    with pytest.raises(Rejected, match="never_planned"):
        on_match_decided(event(confirmed(match_id=UUID(int=3))), schedule)  # type: ignore[arg-type]
    with pytest.raises(Rejected, match="wrong_program"):
        on_match_decided(event(changed(confirmed(), program_id=UUID(int=9))), schedule)  # type: ignore[arg-type]
