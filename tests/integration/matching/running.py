"""The matching service inside a test, on real servers, with a clock that the test moves and links that it makes."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import asyncpg
import httpx
from tests.support.records import event, eventually, publish, read_events
from tests.support.services import settings_for

from matching.bootstrap import build
from matching.settings import MatchingSettings
from mentorstream_events import Event, Value, derived_id
from mentorstream_events.matches import MatchProposed
from mentorstream_events.registrations import ParticipantRegistered, ProgramConfigured
from mentorstream_events.values import Policy, Profile, Terms, WeeklyHours
from mentorstream_runtime.process import Process

if TYPE_CHECKING:
    from tests.support.shared_servers import Database

    from mentorstream_local.stack import Servers

ValueT = TypeVar("ValueT", bound=Value)
START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
PROGRAM = derived_id("program")
ALPHA, BETA, GAMMA = derived_id("alpha"), derived_id("beta"), derived_id("gamma")
OFFICE = tuple(WeeklyHours(weekday=day, start_minute=540, end_minute=1020) for day in range(1, 6))


def configured(*, terms: Terms | None = None, **policy: Any) -> ProgramConfigured:
    """A program of two organisations."""
    return ProgramConfigured(
        program_id=PROGRAM,
        organisation_id=ALPHA,
        organisations=(ALPHA, BETA),
        title="Spring program",
        kind="formal",
        policy=Policy(**policy),
        terms=terms or Terms(),
    )


def participant_id(name: str) -> UUID:
    return derived_id("participant", name)


def person_id(name: str) -> UUID:
    return derived_id("person", name)


def mentor(name: str, *, capacity: int = 1, organisation_id: UUID = ALPHA, **profile: Any) -> ParticipantRegistered:
    return _participant(name, ("mentor",), capacity, organisation_id, profile)


def mentee(name: str, *, organisation_id: UUID = BETA, **profile: Any) -> ParticipantRegistered:
    return _participant(name, ("mentee",), 0, organisation_id, profile)


def _participant(
    name: str, roles: Any, capacity: int, organisation_id: UUID, profile: dict[str, Any]
) -> ParticipantRegistered:
    return ParticipantRegistered(
        program_id=PROGRAM,
        participant_id=participant_id(name),
        person_id=person_id(name),
        organisation_id=organisation_id,
        roles=roles,
        capacity=capacity,
        profile=Profile(**({"zone": "UTC", "languages": ("en",), "availability": OFFICE} | profile)),
    )


@dataclass
class MatchingService:
    """A running service and what tests do with it."""

    process: Process[MatchingSettings]
    client: httpx.AsyncClient
    servers: Servers
    database: Database
    topic_prefix: str
    time: datetime = START

    async def move_clock(self, now: datetime) -> None:
        """Set business time and wait until all that is due then was asked and decided."""
        self.time = now
        await set_clock(self.database, now)
        await self.settle()

    async def send(self, *data: Value) -> None:
        """Publish events of this time and wait until the service has handled all and published what follows."""
        await self.publish(*(event(each, time=self.time, source="intake") for each in data))

    async def publish(self, *events: Event[Value]) -> None:
        """Publish events as they are and wait likewise."""
        await publish(self.servers.kafka_bootstrap, self.topic_prefix, events)
        await self.settle()

    async def settle(self) -> None:
        """Wait until nothing is left to do."""
        await eventually(self._idle, what="lag, due requests and outbox of matching are empty")

    async def _idle(self) -> bool:
        process = self.process
        assert process.consumer is not None
        assert process.relay is not None
        assert process.timers is not None
        due = await process.timers.next_due()
        if not process.consumer.ready or (due is not None and due <= await process.runtime.clock.now()):
            return False
        # What the relay publishes on `registrations` is this service's to read, so nothing may have moved in between.
        processed = process.consumer.processed
        return (
            await process.consumer.unread() == 0
            and await process.relay.depth() == 0
            and await process.consumer.unread() == 0
            and process.consumer.processed == processed
        )

    async def events(self, kind: type[ValueT], topic: str = "matches") -> list[ValueT]:
        """All events of one kind, in order within each program."""
        return [item.data for item in await self.published(topic) if isinstance(item.data, kind)]

    async def published(self, topic: str = "matches") -> list[Event[Value]]:
        """All events of a topic."""
        return await read_events(self.servers.kafka_bootstrap, self.topic_prefix, topic)

    def path(self, proposal: MatchProposed, **other: Any) -> str:
        """The path of the link that the mentor gets by mail, or of one that says something else."""
        claims: dict[str, Any] = {
            "organisation_id": proposal.mentor.organisation_id,
            "subject_id": proposal.match_id,
            "person_id": proposal.mentor.person_id,
            "expires_at": proposal.expires_at,
            **other,
        }
        return f"/proposals/{self.process.runtime.links.sign('proposal', **claims)}"

    async def rows(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """Look into the database, as its superuser."""
        return await rows(self.database, query, *arguments)


@contextlib.asynccontextmanager
async def running_matching(
    servers: Servers, database: Database, topic_prefix: str, **overrides: Any
) -> AsyncIterator[MatchingService]:
    """Start the service with business time at START; stop it at the end."""
    await set_clock(database, START)
    settings = settings_for(
        MatchingSettings, servers, database, topic_prefix, service="matching", clock="driven", **overrides
    )
    async with (
        Process("matching", settings, build) as process,
        httpx.AsyncClient(base_url=process.http_url, timeout=20) as client,
    ):
        yield MatchingService(process, client, servers, database, topic_prefix)


async def rows(database: Database, query: str, *arguments: object) -> list[asyncpg.Record]:
    """Ask a test's database, as its superuser."""
    connection = await asyncpg.connect(database.admin_url)
    try:
        await connection.execute("SET search_path = matching, public")
        return await connection.fetch(query, *arguments)
    finally:
        await connection.close()


async def set_clock(database: Database, now: datetime) -> None:
    """Set the driven clock."""
    connection = await asyncpg.connect(database.url("mentorstream_clock"))
    try:
        await connection.execute(
            "INSERT INTO clock.business_time (now) VALUES ($1) ON CONFLICT (only_row) DO UPDATE SET now = excluded.now",
            now,
        )
    finally:
        await connection.close()
