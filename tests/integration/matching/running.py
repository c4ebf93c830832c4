"""The matching service inside a test, on real servers, with a clock that the test moves and links that it makes."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
from tests.support.records import event
from tests.support.services import RunningService, set_clock, settings_for

from matching.bootstrap import build
from matching.settings import MatchingSettings
from mentorstream_events import Value, derived_id
from mentorstream_events.matches import MatchProposed
from mentorstream_events.registrations import ParticipantRegistered, ProgramConfigured
from mentorstream_events.values import Policy, Profile, Terms, WeeklyHours
from mentorstream_runtime.process import Process

if TYPE_CHECKING:
    from tests.support.shared_servers import Database

    from mentorstream_local.stack import Servers

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
class MatchingService(RunningService[MatchingSettings]):
    """A running service and what tests do with it."""

    name = "matching"
    emits = "matches"
    time: datetime = START

    async def move_clock(self, now: datetime) -> None:
        """Set business time and wait until all that is due then was asked and decided."""
        self.time = now
        await super().move_clock(now)

    async def send(self, *data: Value) -> None:
        """Publish events of this time and wait until the service has handled all and published what follows."""
        await self.publish(*(event(each, time=self.time, source="intake") for each in data))

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
