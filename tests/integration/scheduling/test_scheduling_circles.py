"""Circles and single meetings on real servers: members come and go, one cannot come, meetings are counted."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
from tests.integration.scheduling.running import START, at_start, changed, confirmed, member

from mentorstream_events.meetings import (
    MeetingAttendeesChanged,
    MeetingCancelled,
    MeetingCompleted,
    MeetingRescheduled,
    MeetingScheduled,
    SeriesClosed,
)
from mentorstream_events.values import Terms

if TYPE_CHECKING:
    from tests.integration.scheduling.running import SchedulingService


async def test_members_come_and_go_and_one_says_that_they_cannot_come(service: SchedulingService) -> None:
    mentor, ada, ben, cyd = member("mentor"), member("mentee"), member("mentee"), member("mentee")
    match = msgspec.structs.replace(confirmed(mentor, ada), mentees=(ada, ben))
    await service.publish(at_start(match))
    [first, second, third] = await service.events(MeetingScheduled)

    # Ada leaves and Cyd joins, while the first meeting is under way.
    during = first.starts_at + timedelta(minutes=5)
    await service.move_clock(during)
    now = msgspec.structs.replace(changed(match, mentor), mentees=(ben, cyd), reason="members")
    await service.publish(at_start(now, time=during))
    others = {one.meeting_id: one for one in await service.events(MeetingAttendeesChanged)}
    assert others.keys() == {second.meeting_id, third.meeting_id}
    assert {one.person_id for one in others[second.meeting_id].attendees} == {
        one.person_id for one in (mentor, ben, cyd)
    }
    assert others[second.meeting_id].invited_person_ids == (cyd.person_id,)
    assert [one.person_id for one in others[second.meeting_id].uninvited] == [ada.person_id]
    assert (await service.client.get(service.path(second, attendee=1))).status_code in (403, 404)

    # Ben cannot come, and may not move it; the mentor moves it, and Ben is invited again.
    path = service.path(second, attendee=2)
    page = await service.client.get(path)
    assert "I cannot come" in page.text
    assert "Move the meeting" not in page.text
    assert (await service.client.post(path + "/cancel")).status_code == 303
    await service.settle()
    assert "takes place without you" in (await service.client.get(path)).text
    lead = service.path(second)
    page = await service.client.get(lead)
    assert "Move the meeting" in page.text
    choice = page.text.split('name="start" value="')[1].split('"')[0]
    assert (await service.client.post(lead + "/reschedule", data={"start": choice})).status_code == 303
    await service.settle()
    [moved] = await service.events(MeetingRescheduled)
    assert (len(moved.attendees), moved.revision) == (3, 3)

    await service.advance(third.ends_at)
    held = {one.meeting_id: one for one in await service.events(MeetingCompleted)}
    assert {one.person_id for one in held[first.meeting_id].attendees} == {one.person_id for one in (mentor, ada, ben)}
    assert {one.person_id for one in held[third.meeting_id].attendees} == {one.person_id for one in (mentor, ben, cyd)}
    assert await service.events(MeetingCancelled) == []
    rows = await service.rows("SELECT person_id FROM meeting_attendee WHERE meeting_id = $1", third.meeting_id)
    assert {row["person_id"] for row in rows} == {one.person_id for one in (mentor, ben, cyd)}


async def test_a_flash_match_has_one_meeting_and_then_its_series_closes(service: SchedulingService) -> None:
    match = confirmed(terms=Terms(cadence_days=7, meetings_total=1))
    await service.publish(at_start(match))
    [meeting] = await service.events(MeetingScheduled)
    # Its time is free again in the weeks after it, so another match of the same mentor may have it.
    other = confirmed(match.mentor, program_id=match.program_id)
    await service.publish(at_start(other))
    await service.client.post(service.path(meeting) + "/cancel")
    await service.settle()
    again = [one for one in await service.events(MeetingScheduled) if one.match_id == match.match_id]
    assert len(again) == 2

    await service.advance(START + timedelta(weeks=8))
    held = [one for one in await service.events(MeetingCompleted) if one.match_id == match.match_id]
    assert [one.meeting_id for one in held] == [again[1].meeting_id]
    [closed] = await service.events(SeriesClosed)
    assert (closed.match_id, closed.reason) == (match.match_id, "all_held")
