"""The feedback service inside a test, on real servers, with a clock that the test moves and links that it makes."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID, uuid4

import httpx
from aiokafka import AIOKafkaConsumer
from tests.support.records import T0, event
from tests.support.services import RunningService, set_clock, settings_for

from feedback.bootstrap import build
from feedback.settings import FeedbackSettings
from mentorstream_events import TOPICS, Value
from mentorstream_events.feedback import FeedbackRequested
from mentorstream_events.meetings import MeetingCompleted
from mentorstream_events.values import Attendee, Role, Terms
from mentorstream_runtime.process import Process

if TYPE_CHECKING:
    from tests.support.shared_servers import Database

    from mentorstream_local.stack import Servers

ValueT = TypeVar("ValueT", bound=Value)


class FeedbackService(RunningService[FeedbackSettings]):
    """A running service and what tests do with it."""

    name = "feedback"
    emits = "feedback"

    async def everything_published(self) -> bytes:
        """All records of all topics, keys, headers and values, one after the other."""
        names = [self.topic_prefix + topic.name for topic in TOPICS]
        found = []
        async with AIOKafkaConsumer(
            *names, bootstrap_servers=self.servers.kafka_bootstrap, auto_offset_reset="earliest"
        ) as consumer:
            partitions = list(consumer.assignment())
            ends = await consumer.end_offsets(partitions)
            for partition, end in ends.items():
                while await consumer.position(partition) < end:
                    for records in (await consumer.getmany(partition, timeout_ms=200)).values():
                        found += [b"%a" % (record,) for record in records]
        return b"\n".join(found)

    async def ask(self, meeting: MeetingCompleted | None = None) -> list[FeedbackRequested]:
        """Hold a meeting; returns the requests to its people, the mentor's first."""
        held = meeting if meeting is not None else completed_meeting()
        await self.publish(event(held, time=held.ends_at))
        asked = await self.events(FeedbackRequested)
        return sorted(
            (request for request in asked if request.meeting_id == held.meeting_id),
            key=lambda request: (request.role != "mentor", str(request.person_id)),
        )

    def path(
        self, request: FeedbackRequested, *, person_id: UUID | None = None, organisation_id: UUID | None = None
    ) -> str:
        """The path of the link that the respondent gets by mail, or of one that says something else."""
        token = self.process.runtime.links.sign(
            "feedback",
            organisation_id=organisation_id or request.organisation_id,
            subject_id=request.request_id,
            person_id=person_id or request.person_id,
            expires_at=request.expires_at,
        )
        return f"/feedback/{token}"

    def url(self, request: FeedbackRequested) -> str:
        """The whole address of the respondent's link."""
        return self.process.http_url + self.path(request)

    async def answer(self, request: FeedbackRequested, **fields: str) -> httpx.Response:
        """Send the form."""
        return await self.client.post(self.path(request), data=fields)


@contextlib.asynccontextmanager
async def running_feedback(
    servers: Servers, database: Database, topic_prefix: str, **settings: object
) -> AsyncIterator[FeedbackService]:
    """Start the service with business time at T0; stop it at the end."""
    await set_clock(database, T0)
    chosen = settings_for(
        FeedbackSettings, servers, database, topic_prefix, service="feedback", clock="driven", **settings
    )
    async with (
        Process("feedback", chosen, build) as process,
        httpx.AsyncClient(base_url=process.http_url, timeout=20) as client,
    ):
        yield FeedbackService(process, client, servers, database, topic_prefix)


def attendee(role: Role, *, organisation_id: UUID | None = None, zone: str = "Europe/Paris") -> Attendee:
    """Somebody new."""
    return Attendee(
        participant_id=uuid4(), person_id=uuid4(), organisation_id=organisation_id or uuid4(), role=role, zone=zone
    )


def completed_meeting(
    *,
    attendees: Sequence[Attendee] = (),
    program_id: UUID | None = None,
    match_id: UUID | None = None,
    ends_at: datetime = T0,
    terms: Terms | None = None,
) -> MeetingCompleted:
    """A meeting of 45 minutes, by default of a mentor and a mentee of two organisations who are new."""
    return MeetingCompleted(
        program_id=program_id or uuid4(),
        match_id=match_id or uuid4(),
        series_id=uuid4(),
        meeting_id=uuid4(),
        starts_at=ends_at - timedelta(minutes=45),
        ends_at=ends_at,
        attendees=tuple(attendees) or (attendee("mentor"), attendee("mentee")),
        terms=terms or Terms(),
    )
