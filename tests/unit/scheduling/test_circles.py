"""A schedule with several mentees in a match: who joins and leaves, who cannot come; and matches with few meetings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

import msgspec
import pytest

from mentorstream_events import Event, Value, contract_of
from mentorstream_events.matches import MatchChanged, MatchConfirmed
from mentorstream_events.meetings import (
    MeetingAttendeesChanged,
    MeetingCancelled,
    MeetingCompleted,
    MeetingRescheduled,
    MeetingScheduled,
    SeriesClosed,
    SeriesPlanned,
)
from mentorstream_events.values import Member, Part, Terms, WeeklyHours
from mentorstream_runtime.outbox import Outgoing
from scheduling.domain.local_time import Hours
from scheduling.domain.values import Agreement, Attendee
from scheduling.handlers.matches import on_match_changed, on_match_confirmed
from scheduling.handlers.meetings import NotTheirs, cancel_meeting, choices_for, complete_meetings, move_meeting
from scheduling.handlers.schedule import Schedule

ValueT = TypeVar("ValueT", bound=Value)
NOW = datetime(2026, 3, 9, 8, 0, tzinfo=UTC)  # a Monday
PROGRAM, MATCH = UUID(int=1), UUID(int=2)
MENTOR, ADA, BEN, CYD = (UUID(int=100 + number) for number in (10, 11, 12, 13))
OFFICE = tuple(WeeklyHours(weekday=day, start_minute=540, end_minute=1020) for day in range(1, 6))
TUESDAYS = (WeeklyHours(weekday=2, start_minute=540, end_minute=720),)
FRIDAYS = (WeeklyHours(weekday=5, start_minute=540, end_minute=720),)


def member(
    person_id: UUID, role: Part = "mentee", hours: tuple[WeeklyHours, ...] = OFFICE, zone: str = "Europe/Berlin"
) -> Member:
    return Member(
        participant_id=UUID(int=person_id.int - 100),
        person_id=person_id,
        organisation_id=UUID(int=person_id.int + 100),
        role=role,
        zone=zone,
        languages=("en",),
        availability=hours,
    )


def circle(*mentees: Member, terms: Terms | None = None) -> MatchChanged:
    return MatchChanged(
        program_id=PROGRAM,
        match_id=MATCH,
        mentor=member(MENTOR, "mentor"),
        mentees=mentees,
        terms=terms or Terms(cadence_days=7),
        ends_at=NOW + timedelta(weeks=26),
        reason="participant_updated",
    )


def begun(data: MatchChanged) -> tuple[Schedule, list[Outgoing]]:
    schedule = Schedule(not_before=NOW)
    fields = {name: getattr(data, name) for name in ("program_id", "match_id", "mentor", "mentees", "terms", "ends_at")}
    confirmed = MatchConfirmed(**fields, score=0.5, facets={}, policy_version=1)
    return schedule, on_match_confirmed(event(confirmed), schedule)


def change(schedule: Schedule, data: MatchChanged, time: datetime = NOW) -> list[Outgoing]:
    return on_match_changed(event(data, time), schedule)


def event(data: ValueT, time: datetime = NOW) -> Event[ValueT]:
    return Event(
        id=f"cause-{time.isoformat()}",
        type=contract_of(data).name,
        source="matching",
        time=time,
        key=str(PROGRAM),
        data=data,
    )


def of(events: list[Outgoing], kind: type[ValueT]) -> list[ValueT]:
    return [one.data for one in events if isinstance(one.data, kind)]


def persons(meeting: MeetingScheduled | MeetingAttendeesChanged | MeetingRescheduled | MeetingCompleted) -> set[UUID]:
    return {attendee.person_id for attendee in meeting.attendees}


def test_everybody_of_a_circle_is_invited_to_a_time_that_suits_all() -> None:
    hours = (member(ADA, hours=TUESDAYS + FRIDAYS), member(BEN, hours=TUESDAYS), member(CYD))
    _, events = begun(circle(*hours))
    [planned] = of(events, SeriesPlanned)
    assert planned.weekday == 2
    assert [persons(meeting) for meeting in of(events, MeetingScheduled)] == [{MENTOR, ADA, BEN, CYD}] * 3


def test_who_joins_is_invited_to_what_is_booked_and_who_leaves_is_uninvited() -> None:
    schedule, before = begun(circle(member(ADA), member(BEN)))
    events = change(schedule, circle(member(BEN), member(CYD)))
    assert [type(one.data) for one in events] == [MeetingAttendeesChanged] * 3
    for meeting, booked in zip(of(events, MeetingAttendeesChanged), of(before, MeetingScheduled), strict=True):
        assert (meeting.meeting_id, meeting.starts_at, meeting.revision) == (booked.meeting_id, booked.starts_at, 1)
        assert persons(meeting) == {MENTOR, BEN, CYD}
        assert meeting.invited_person_ids == (CYD,)
        assert [attendee.person_id for attendee in meeting.uninvited] == [ADA]
    assert change(schedule, circle(member(BEN), member(CYD))) == []


def test_a_meeting_under_way_is_held_with_those_with_whom_it_began() -> None:
    schedule, events = begun(circle(member(ADA), member(BEN)))
    first = of(events, MeetingScheduled)[0]
    changes = change(schedule, circle(member(BEN), member(CYD)), first.starts_at + timedelta(minutes=5))
    assert first.meeting_id not in {meeting.meeting_id for meeting in of(changes, MeetingAttendeesChanged)}
    events = complete_meetings([first.meeting_id], schedule, now=first.ends_at)
    [held] = of(events, MeetingCompleted)
    assert persons(held) == {MENTOR, ADA, BEN}
    assert {persons(meeting) == {MENTOR, BEN, CYD} for meeting in of(events, MeetingScheduled)} == {True}


def test_a_newcomer_whom_the_regular_time_does_not_suit_moves_the_series() -> None:
    schedule, _ = begun(circle(member(ADA, hours=TUESDAYS + FRIDAYS), member(BEN, hours=TUESDAYS + FRIDAYS)))
    [series] = [one for one in [schedule.series_of(MATCH)] if one is not None]
    other = FRIDAYS if series.slot.weekday == 2 else TUESDAYS
    both = tuple(member(person, hours=TUESDAYS + FRIDAYS) for person in (ADA, BEN))
    events = change(schedule, circle(*both, member(CYD, hours=other)))
    assert {persons(meeting) == {MENTOR, ADA, BEN} for meeting in of(events, MeetingCancelled)} == {True}  # type: ignore[arg-type]
    [planned] = of(events, SeriesPlanned)
    assert planned.weekday == other[0].weekday
    assert [persons(meeting) for meeting in of(events, MeetingScheduled)] == [{MENTOR, ADA, BEN, CYD}] * 3


def test_one_mentee_of_a_circle_who_cannot_come_leaves_the_meeting_to_the_others() -> None:
    schedule, events = begun(circle(member(ADA), member(BEN)))
    first = of(events, MeetingScheduled)[0]
    [said] = of(cancel_meeting(first.meeting_id, ADA, schedule, now=NOW), MeetingAttendeesChanged)
    assert (persons(said), said.revision) == ({MENTOR, BEN}, 1)
    assert cancel_meeting(first.meeting_id, ADA, schedule, now=NOW) == []
    # The last mentee who cannot come, and the mentor at any time, cancel it for everybody.
    [cancelled] = of(cancel_meeting(first.meeting_id, BEN, schedule, now=NOW), MeetingCancelled)
    assert {attendee.person_id for attendee in cancelled.attendees} == {MENTOR, BEN}
    second = schedule.meetings_of(MATCH)[0]
    assert len(of(cancel_meeting(second.meeting_id, MENTOR, schedule, now=NOW), MeetingCancelled)) == 1


def test_only_the_mentor_moves_a_circles_meeting_and_invites_everybody_again() -> None:
    schedule, events = begun(circle(member(ADA), member(BEN)))
    first = of(events, MeetingScheduled)[0]
    cancel_meeting(first.meeting_id, ADA, schedule, now=NOW)
    [choice, *_] = choices_for(first.meeting_id, schedule, now=NOW)
    with pytest.raises(NotTheirs):
        move_meeting(first.meeting_id, BEN, choice, schedule, now=NOW)
    [moved] = of(move_meeting(first.meeting_id, MENTOR, choice, schedule, now=NOW), MeetingRescheduled)
    assert (persons(moved), moved.revision) == ({MENTOR, ADA, BEN}, 2)


def test_who_is_not_in_a_meeting_is_free_for_others() -> None:
    schedule, events = begun(circle(member(ADA), member(BEN)))
    first = of(events, MeetingScheduled)[0]
    cancel_meeting(first.meeting_id, ADA, schedule, now=NOW)
    assert len(schedule.booked([BEN])) == len(schedule.booked([ADA])) + 1


def test_a_series_keeps_the_zone_of_most_mentees_while_one_of_them_has_it() -> None:
    def zone_of(*zones: str, local_time_of: str = "mentee") -> str:
        hours = (Hours(1, 540, 1020),)
        agreement = Agreement(
            attendees=tuple(
                Attendee(
                    participant_id=UUID(int=number),
                    person_id=UUID(int=number),
                    organisation_id=UUID(int=1),
                    role="mentee" if number else "mentor",
                    zone=zone,
                    hours=hours,
                )
                for number, zone in enumerate(zones)
            ),
            cadence_days=7,
            meeting_minutes=45,
            notice_days=2,
            meetings_ahead=3,
            local_time_of=local_time_of,  # type: ignore[arg-type]
            ends_at=NOW,
        )
        return agreement.zone

    paris, kolkata, lima = "Europe/Paris", "Asia/Kolkata", "America/Lima"
    assert zone_of(paris, kolkata, lima, kolkata) == kolkata
    assert zone_of(paris, kolkata, lima) == lima
    assert zone_of(paris, kolkata, lima, local_time_of="mentor") == paris

    schedule, _ = begun(circle(member(ADA, zone=paris), member(BEN, zone="Europe/Madrid")))
    slot = schedule.series_of(MATCH).slot  # type: ignore[union-attr]
    assert slot.zone == "Europe/Madrid"
    joined = circle(member(ADA, zone=paris), member(BEN, zone="Europe/Madrid"), member(CYD, zone=paris))
    assert of(change(schedule, joined), SeriesClosed) == []
    assert schedule.series_of(MATCH).slot == slot  # type: ignore[union-attr]


@pytest.mark.parametrize("total", [1, 2, 5])
def test_a_match_gets_as_many_meetings_as_agreed_and_then_its_series_closes(total: int) -> None:
    terms = Terms(cadence_days=7, meetings_total=total)
    schedule, events = begun(circle(member(ADA), terms=terms))
    held: list[UUID] = []
    # One that is cancelled does not count: another one is booked for it.
    events += cancel_meeting(schedule.meetings_of(MATCH)[0].meeting_id, ADA, schedule, now=NOW)
    while booked := schedule.meetings_of(MATCH):
        assert len(held) + len(booked) <= total
        held.append(booked[0].meeting_id)
        events += complete_meetings(held[-1:], schedule, now=booked[0].ends_at)
    assert len(held) == total
    [closed] = of(events, SeriesClosed)
    assert closed.reason == "all_held"
    assert schedule.series_of(MATCH) is None
    # Nothing more comes of whatever is told of the match, unless it is to have more.
    later = NOW + timedelta(weeks=10)
    assert change(schedule, circle(member(ADA), member(BEN), terms=terms), later) == []
    more = circle(member(ADA), terms=msgspec.structs.replace(terms, meetings_total=total + 1))
    assert len(of(change(schedule, more, later), MeetingScheduled)) == 1


def test_fewer_meetings_than_are_booked_cancel_the_last_ones() -> None:
    schedule, events = begun(circle(member(ADA)))
    booked = of(events, MeetingScheduled)
    changed = change(schedule, circle(member(ADA), terms=Terms(cadence_days=7, meetings_total=1)))
    cancelled = of(changed, MeetingCancelled)
    assert {meeting.meeting_id for meeting in cancelled} == {meeting.meeting_id for meeting in booked[1:]}


def test_a_single_meeting_keeps_no_other_time_free() -> None:
    schedule, _ = begun(circle(member(ADA), terms=Terms(cadence_days=7, meetings_total=1)))
    assert schedule.regular([ADA]) == []
    schedule, _ = begun(circle(member(ADA), terms=Terms(cadence_days=7, meetings_total=5)))
    assert len(schedule.regular([ADA])) == 2
