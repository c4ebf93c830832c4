"""The notifications service inside a test: real servers, a real SMTP sink, a clock that the test moves."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID, uuid4

import httpx
from tests.support.records import T0, event, eventually, publish
from tests.support.services import RunningService, set_clock, settings_for

from mentorstream_events import Event, Value
from mentorstream_events.matches import MatchConfirmed
from mentorstream_events.meetings import MeetingScheduled
from mentorstream_events.people import PersonKnown
from mentorstream_events.registrations import ProgramConfigured
from mentorstream_events.values import Attendee, Member, Policy, Role, Terms
from mentorstream_runtime.process import Mode, Process
from notifications.bootstrap import build
from notifications.settings import NotificationsSettings

if TYPE_CHECKING:
    from tests.support.shared_servers import Database

    from mentorstream_local.stack import Servers

ValueT = TypeVar("ValueT", bound=Value)
PROGRAM, ORGANISATION = UUID(int=1), UUID(int=2)


class NotificationsService(RunningService[NotificationsSettings]):
    """A running service and what tests do with it."""

    name = "notifications"
    emits = "notifications"

    async def move_clock(self, now: datetime) -> None:
        """Set business time, and wait for nothing: mail servers in trouble are what tests look at."""
        await set_clock(self.database, now)

    async def send(self, *facts: Value | Event[Value]) -> None:
        """Publish facts in order and wait until the service has read them all."""
        events = [fact if isinstance(fact, Event) else event(fact) for fact in facts]
        await publish(self.servers.kafka_bootstrap, self.topic_prefix, events)
        await self.read()

    async def read(self) -> None:
        """Wait until the service has no lag."""
        consumer = self.process.consumer
        assert consumer is not None

        async def has_read() -> bool:
            return consumer.ready and await consumer.unread() == 0

        await eventually(has_read, what="notifications has read everything")

    async def mails(self) -> list[tuple[str, str, str | None]]:
        """(kind, status, reason) of all mails, in the order of their subjects and revisions."""
        rows = await self.rows(
            "SELECT kind, status, status_reason FROM notification ORDER BY subject_id, revision, kind, person_id"
        )
        return [tuple(row) for row in rows]


@contextlib.asynccontextmanager
async def running_notifications(
    servers: Servers,
    database: Database,
    topic_prefix: str,
    *,
    smtp_port: int,
    mode: Mode = "all",
    **settings: object,
) -> AsyncIterator[NotificationsService]:
    """Start the service with quick retries; stop it at the end. Business time is T0 unless it was set before."""
    await set_clock(database, T0, only_if_unset=True)
    chosen = settings_for(
        NotificationsSettings,
        servers,
        database,
        topic_prefix,
        service="notifications",
        **{
            "clock": "driven",
            "smtp_port": smtp_port,
            "retry_base_seconds": 0.05,
            "retry_limit_seconds": 0.2,
            "matching_url": "https://matching.example",
            "scheduling_url": "https://scheduling.example",
            "feedback_url": "https://feedback.example",
            "notifications_url": "https://notifications.example",
            **settings,
        },
    )
    async with (
        Process("notifications", chosen, build, mode=mode) as process,
        httpx.AsyncClient(base_url=process.http_url, timeout=20) as client,
    ):
        yield NotificationsService(process, client, servers, database, topic_prefix)


def program(title: str = "Women in Data", *, program_id: UUID = PROGRAM) -> ProgramConfigured:
    """A program with a title."""
    return ProgramConfigured(
        program_id=program_id,
        organisation_id=ORGANISATION,
        organisations=(ORGANISATION,),
        title=title,
        kind="formal",
        policy=Policy(),
        terms=Terms(),
    )


def known(person_id: UUID, name: str, email: str | None = None, *, version: int = 1) -> PersonKnown:
    """A person with an address."""
    return PersonKnown(
        person_id=person_id,
        organisation_id=ORGANISATION,
        version=version,
        full_name=name,
        email=email or f"{name.lower()}@example.org",
        zone="Europe/Paris",
    )


def member(person_id: UUID, role: Role) -> Member:
    """A side of a match."""
    return Member(
        participant_id=uuid4(),
        person_id=person_id,
        organisation_id=ORGANISATION,
        role=role,
        zone="Europe/Paris",
        languages=("en",),
        availability=(),
    )


def confirmed(mentor_id: UUID, mentee_id: UUID, *, match_id: UUID | None = None) -> MatchConfirmed:
    """A match of two."""
    return MatchConfirmed(
        program_id=PROGRAM,
        match_id=match_id or uuid4(),
        mentor=member(mentor_id, "mentor"),
        mentees=(member(mentee_id, "mentee"),),
        score=0.5,
        facets={},
        policy_version=1,
        terms=Terms(),
        ends_at=T0 + timedelta(weeks=26),
    )


def attendee(person_id: UUID, role: Role) -> Attendee:
    """Somebody in a meeting."""
    return Attendee(
        participant_id=uuid4(), person_id=person_id, organisation_id=ORGANISATION, role=role, zone="Europe/Paris"
    )


def scheduled(attendees: Sequence[Attendee], *, meeting_id: UUID | None = None) -> MeetingScheduled:
    """A meeting in five days."""
    return MeetingScheduled(
        program_id=PROGRAM,
        match_id=uuid4(),
        series_id=uuid4(),
        meeting_id=meeting_id or uuid4(),
        revision=0,
        starts_at=T0 + timedelta(days=5),
        ends_at=T0 + timedelta(days=5, minutes=45),
        attendees=tuple(attendees),
    )
