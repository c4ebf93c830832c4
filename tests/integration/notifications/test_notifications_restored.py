"""The database of notifications went back: nothing is mailed again, nor what had been taken back before it went out."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
from tests.support.notifications_service import attendee, known, program, running_notifications, scheduled
from tests.support.records import eventually
from tests.support.set_back import set_back

from mentorstream_events.meetings import MeetingRescheduled

if TYPE_CHECKING:
    from tests.support.notifications_service import NotificationsService
    from tests.support.shared_servers import Database

    from mentorstream_local.smtp_sink import SmtpSink
    from mentorstream_local.stack import Servers

ANNA, BEN = UUID(int=11), UUID(int=12)


async def test_mails_are_planned_to_the_end_before_any_goes_out(
    servers: Servers, database: Database, topic_prefix: str, smtp_sink: SmtpSink
) -> None:
    port = smtp_sink.port
    meeting = scheduled([attendee(ANNA, "mentor"), attendee(BEN, "mentee")])
    moved = MeetingRescheduled(
        **{
            **msgspec.structs.asdict(meeting),
            "revision": 1,
            "starts_at": meeting.starts_at + timedelta(hours=1),
            "ends_at": meeting.ends_at + timedelta(hours=1),
            "previous_starts_at": meeting.starts_at,
        }
    )
    async with running_notifications(servers, database, topic_prefix, smtp_port=port) as service:
        await service.send(program(), known(BEN, "Ben"))
    async with (
        set_back(servers, database),
        running_notifications(servers, database, topic_prefix, smtp_port=port) as service,
    ):
        # While Anna has no name nobody can be told whom they meet, so the first time is taken back unsent.
        await service.send(meeting)
        await service.send(moved)
        await service.send(known(ANNA, "Anna"))
        await eventually(lambda: _settled(service, 2), what="both know the new time")
        before, arrived = await service.mails(), len(smtp_sink.mails)
    assert sorted(status for _, status, _ in before) == ["sent", "sent", "superseded", "superseded"]
    for _ in range(2):  # the second time changes nothing
        async with running_notifications(
            servers, database, topic_prefix, smtp_port=port, mode="restore", lane_lease_seconds=1.0
        ) as service:
            await asyncio.wait_for(service.process.finished.wait(), 60)
            # Nothing is left to a sender that reads along.
            assert await service.mails() == before
    async with running_notifications(servers, database, topic_prefix, smtp_port=port) as service:
        await service.read()
        await service.send(known(ANNA, "Anna", version=2))
        assert await service.mails() == before
    assert len(smtp_sink.mails) == arrived == 2


async def _settled(service: NotificationsService, sent: int) -> bool:
    """Whether so many mails were sent and that is published."""
    relay = service.process.relay
    assert relay is not None
    statuses = [status for _, status, _ in await service.mails()]
    return statuses.count("sent") == sent and await relay.depth() == 0
