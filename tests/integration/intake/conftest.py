"""An intake process on real servers, and partners that speak to it over HTTP."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from standardwebhooks.webhooks import Webhook
from tests.support.records import eventually, read_events
from tests.support.services import settings_for
from uuid_utils.compat import uuid7

from intake.adapters.postgres_partners import PostgresPartners
from intake.bootstrap import build
from intake.handlers.credentials import Sealer
from intake.handlers.partners import Partner, add_partner
from intake.settings import IntakeSettings
from mentorstream_events import Event, Value
from mentorstream_runtime.process import Process

if TYPE_CHECKING:
    from tests.support.shared_servers import Database

    from mentorstream_local.stack import Servers

ENCRYPTION_KEY = base64.urlsafe_b64encode(b"a key of thirty-two bytes, short").decode()
HOURS = [{"weekday": "monday", "start": "09:00", "end": "12:00"}]
STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
_NUMBERS = itertools.count(1)


def person(reference: str, **changes: Any) -> dict[str, Any]:
    """Personal data as a partner sends them."""
    return {
        "reference": reference,
        "full_name": f"Person {reference}",
        "email": f"{reference.lower()}@example.org",
        "zone": "Europe/Paris",
        "locale": "fr",
        **changes,
    }


def details(*roles: str, **changes: Any) -> dict[str, Any]:
    """A participant's details as a partner sends them."""
    return {"roles": list(roles or ("mentee",)), "languages": ["fr"], "availability": HOURS, **changes}


def registration(reference: str, *roles: str, program: str = "leadership", **changes: Any) -> dict[str, Any]:
    """Data of a registration; `manager` may be among the changes."""
    return {"program": program, "person": person(reference), "participant": details(*roles), **changes}


def event(kind: str, data: Any, **changes: Any) -> dict[str, Any]:
    """A CloudEvent of `mentorstream.<kind>.v1` with an id of its own."""
    return {
        "specversion": "1.0",
        "id": f"event-{next(_NUMBERS)}",
        "source": "https://hr.example.org",
        "type": f"mentorstream.{kind}.v1",
        "data": data,
        **changes,
    }


@dataclass
class PartnerClient:
    """One organisation, with an API key and a signing secret."""

    http: httpx.AsyncClient
    name: str
    organisation_id: UUID
    key: str
    signing_id: str
    signing_secret: str = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """What proves who it is."""
        return {"authorization": f"Bearer {self.key}"}

    def signature(self, body: bytes, *, at: datetime | None = None) -> dict[str, str]:
        """Standard Webhooks headers for this body."""
        identifier, at = str(uuid4()), at or datetime.now(UTC)
        return {
            "mentorstream-key": self.signing_id,
            "webhook-id": identifier,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(self.signing_secret).sign(identifier, at, body.decode()),
        }

    async def post(self, document: Any, content_type: str = STRUCTURED) -> httpx.Response:
        """A JSON body to /v1/events."""
        headers = {**self.headers, "content-type": content_type}
        return await self.http.post("/v1/events", content=json.dumps(document), headers=headers)

    async def tell(self, kind: str, data: Any) -> dict[str, Any]:
        """An event that must be accepted; its answer."""
        answer = await self.post(event(kind, data))
        assert answer.status_code == 202, answer.text
        accepted: dict[str, Any] = answer.json()["accepted"][0]
        return accepted

    async def tell_all(self, documents: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """A batch that must be accepted whole; its answers."""
        answer = await self.post(list(documents), BATCH)
        assert answer.status_code == 202, answer.text
        accepted: list[dict[str, Any]] = answer.json()["accepted"]
        return accepted

    async def configure(self, program: str = "leadership", **changes: Any) -> dict[str, Any]:
        """Create or change a program of its own."""
        return await self.tell("program.configure", {"program": program, "title": program.title(), **changes})

    async def register(self, reference: str, *roles: str, **changes: Any) -> dict[str, Any]:
        """Register somebody."""
        return await self.tell("participant.register", registration(reference, *roles, **changes))

    async def imports(self, body: str | bytes, content_type: str = "text/csv", **headers: str) -> httpx.Response:
        """A file to /v1/imports."""
        return await self.http.post(
            "/v1/imports", content=body, headers={**self.headers, "content-type": content_type, **headers}
        )


@dataclass
class Intake:
    """A running intake, its database and its topics."""

    process: Process[IntakeSettings]
    settings: IntakeSettings
    http: httpx.AsyncClient
    database: Database
    servers: Servers
    prefix: str
    sealer: Sealer

    async def partner(self, name: str) -> PartnerClient:
        """A new organisation with both kinds of credential."""
        pool = self.process.runtime.pool
        made: Partner = await add_partner(PostgresPartners(pool), self.sealer, uuid7(), name, name.title(), "both")
        key, signing = made.credentials
        return PartnerClient(self.http, name, made.organisation_id, key.secret, signing.lookup, signing.secret)

    async def events(self, topic: str) -> list[Event[Value]]:
        """All events of a topic once the outbox is empty."""

        async def published() -> bool:
            return bool(await self.process.runtime.pool.fetchval("SELECT NOT EXISTS (SELECT FROM outbox)"))

        await eventually(published, what="the outbox is empty")
        return await read_events(self.servers.kafka_bootstrap, self.prefix, topic)

    async def facts(self, model: type[Value], topic: str = "registrations") -> list[Any]:
        """Data of all published facts of one type, in order within each key."""
        return [each.data for each in await self.events(topic) if isinstance(each.data, model)]

    async def fetch(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        """Look into the database as the worker."""
        rows: list[asyncpg.Record] = await self.process.runtime.pool.fetch(statement, *arguments)
        return rows


StartIntake = Callable[..., Awaitable[Intake]]


@pytest.fixture
def topic_partitions() -> int:
    """Few: creating topics is most of the time of such a test."""
    return 2


@pytest.fixture
async def intake(servers: Servers, database: Database, topic_prefix: str) -> AsyncIterator[Intake]:
    """One intake process."""
    settings = settings_for(
        IntakeSettings, servers, database, topic_prefix, service="intake", encryption_keys=[ENCRYPTION_KEY]
    )
    async with (
        Process("intake", settings, build) as process,
        httpx.AsyncClient(base_url=process.http_url, timeout=30, trust_env=False) as http,
    ):
        yield Intake(process, settings, http, database, servers, topic_prefix, Sealer([ENCRYPTION_KEY]))


@pytest.fixture
async def acme(intake: Intake) -> PartnerClient:
    """A partner with a program of both roles."""
    partner = await intake.partner("acme")
    await partner.configure()
    return partner
