"""The demo: twelve organisations' input sent as partners would, four weeks of driven time, and what came of it.

Everything goes the way that it would in production: HTTP with signatures, Kafka, PostgreSQL, SMTP, links in mails. Only
the clock is driven, and the people are simulated.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import asyncpg
import msgspec
from aiokafka import AIOKafkaProducer
from uuid_utils.compat import uuid7

import matching
from intake.adapters.postgres_partners import PostgresPartners
from intake.handlers.credentials import Sealer
from intake.handlers.partners import Wanted, add_partner
from matching.adapters.coordinator_keys import add_key
from mentorstream_events import TOPICS
from mentorstream_local.demo.clock import DrivenTime, next_step
from mentorstream_local.demo.coordinating import Coordinators
from mentorstream_local.demo.data import DAYS, STARTS_AT, Batch, DemoData, Erasure, Import
from mentorstream_local.demo.facts import Facts, read_facts
from mentorstream_local.demo.invariants import Check, check_all
from mentorstream_local.demo.partners import Credentials, Partners
from mentorstream_local.demo.people import People, read_headers
from mentorstream_local.demo.replaying import check_replays
from mentorstream_local.demo.rows import read_rows
from mentorstream_local.migrations import CLOCK_ROLE, database_url, role_url, worker_role
from mentorstream_local.records import count_records
from mentorstream_local.services import Wiring
from mentorstream_local.system import LocalSystem
from mentorstream_runtime.database import Pool, load_queries, open_pool

Progress = Callable[[str], None]
_STEP: Final = timedelta(hours=4)
_DAY: Final = timedelta(days=1)
_MOMENT: Final = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo found. `refusals` are bad requests that were not refused as expected."""

    facts: Facts
    checks: tuple[Check, ...]
    refusals: tuple[str, ...]
    accepted: int
    did: Counter[str]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether every invariant holds and every bad request was refused as expected."""
        return all(check.holds for check in self.checks) and not self.refusals


async def _nothing(_step: str) -> None:
    """No disturbance."""


async def run_demo(
    system: LocalSystem,
    data: DemoData,
    progress: Progress,
    *,
    disturb: Callable[[str], Awaitable[None]] = _nothing,
    resends_allowed: Callable[[], int] = lambda: 0,
) -> DemoResult:
    """Run the whole story against a system that is up, with the driven clock set already.

    `disturb` is called while each organisation's people are being sent, with its name, and as each day begins, with
    "day N"; it may break things. `resends_allowed` is how often the sender of mails was interrupted: so often may a
    mail come again.
    """
    started = time.monotonic()
    wiring = system.wiring()
    async with _story(system, wiring, data) as story:
        await story.send_everything(data, progress, disturb)
        refusals = await story.send_poison(data)
        progress(
            f"bad input: {len(data.refused_requests)} requests refused, {len(data.poison_records)} records put aside"
        )
        await story.live(data, progress, disturb)
        progress("four weeks have passed; checking the invariants")
        facts = await read_facts(wiring.servers.kafka_bootstrap, wiring.topic_prefix)
        checks = await story.check(facts, data, resends_allowed=resends_allowed())
        return DemoResult(
            facts=facts,
            checks=tuple(checks),
            refusals=tuple(refusals),
            accepted=story.partners.ledger.accepted,
            did=story.people.done + story.coordinators.done,
            seconds=time.monotonic() - started,
        )


@contextlib.asynccontextmanager
async def set_clock(wiring: Wiring) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection that may move the driven clock."""
    url = role_url(wiring.servers.postgres_admin_url, wiring.database, CLOCK_ROLE, wiring.role_secret)
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


@dataclass(slots=True)
class _Story:
    """The parts of a run that talk to the system."""

    system: LocalSystem
    wiring: Wiring
    partners: Partners
    people: People
    coordinators: Coordinators
    time: DrivenTime

    async def send_everything(
        self, data: DemoData, progress: Progress, disturb: Callable[[str], Awaitable[None]]
    ) -> None:
        """Programs of everybody, then people, one organisation after the other: the order decides who is first."""
        await self.time.set(STARTS_AT)
        for event in data.programs:
            await self.partners.send_event(event)
        progress(f"{len(data.programs)} programs of {len(data.organisations)} organisations configured")
        for organisation in data.organisations:
            # Disturbed while the first file is being sent, which is when it hurts.
            disturbance: Awaitable[None] = disturb(organisation.name)
            sent: list[Import | Batch] = [*data.imports, *data.batches]
            for item in sent:
                if item.organisation == organisation.name:
                    sending = (
                        self.partners.send_import(item, read_rows(item.path))
                        if isinstance(item, Import)
                        else self.partners.send_batch(item)
                    )
                    await asyncio.gather(sending, disturbance)
                    disturbance = _nothing("")
                    await self.time.settle()
            await disturbance
            progress(f"{organisation.title}: {organisation.sends}, by {organisation.authentication}")
        await self._answer_all()

    async def send_poison(self, data: DemoData) -> list[str]:
        """What must be refused at the door, and records that nobody can read, straight to Kafka."""
        wrong = [await self.partners.send_refused(request) for request in data.refused_requests]
        async with AIOKafkaProducer(bootstrap_servers=self.wiring.servers.kafka_bootstrap) as producer:
            for record in data.poison_records:
                topic = self.wiring.topic_prefix + record.topic
                await producer.send_and_wait(topic, record.value, key=record.key, headers=list(record.headers))
        await self.time.settle()
        return [text for text in wrong if text is not None]

    async def live(self, data: DemoData, progress: Progress, disturb: Callable[[str], Awaitable[None]]) -> None:
        """Let the four weeks pass: on to what is due next, or to the next day on which a partner does something.

        `disturb` is called with "day N" when a day begins, while what is due then is being done.
        """
        until = STARTS_AT + DAYS * _DAY
        later = list(data.later)
        now, day = STARTS_AT, -1
        while True:
            while later and STARTS_AT + later[0].day * _DAY <= now:
                action = later.pop(0)
                await (
                    self.partners.erase(action)
                    if isinstance(action, Erasure)
                    else self.partners.send_event(action.event)
                )
                await self.time.settle()
            due = await self._answer_all()
            if (now - STARTS_AT) // _DAY // 7 != day:
                day = (now - STARTS_AT) // _DAY // 7
                progress(f"{now:%A %d %B %Y}: week {day + 1}" if now < until else f"{now:%A %d %B %Y}: the end")
            if now >= until:
                await self._close(now)
                return
            stop = min([until, *(STARTS_AT + action.day * _DAY for action in later[:1])])
            before, now = now, next_step(now, due, stop, _STEP)
            number = (now - STARTS_AT) // _DAY
            is_new = number > (before - STARTS_AT) // _DAY
            await asyncio.gather(self.time.set(now), disturb(f"day {number}") if is_new else _nothing(""))

    async def _close(self, now: datetime) -> None:
        """Let what is held for a moment go out; nobody answers any more, so this comes to an end."""
        due = await self.time.settle()
        while due is not None and due <= now + _MOMENT:
            now = due
            await self.time.set(now)
            due = await self.time.settle()

    async def check(self, facts: Facts, data: DemoData, *, resends_allowed: int) -> list[Check]:
        """Every invariant."""
        admin = database_url(self.wiring.servers.postgres_admin_url, self.wiring.database)
        connection = await asyncpg.connect(admin)
        try:
            checks = await check_all(
                facts,
                self.partners.ledger,
                connection,
                data.poison_records,
                self._mails(),
                resends_allowed=resends_allowed,
            )
        finally:
            await connection.close()
        return [*checks, await check_replays(self.wiring, self.time, await self._count(), self._count)]

    async def _answer_all(self) -> datetime | None:
        """People answer, and coordinators review, until nothing asks for anything. Returns what is due next."""
        due = await self.time.settle()
        while await self.people.answer_mail(self.time.settle) or await self.coordinators.review():
            due = await self.time.settle()
        return due

    async def _count(self) -> Mapping[str, int]:
        names = [topic.name for topic in TOPICS]
        return await count_records(self.wiring.servers.kafka_bootstrap, self.wiring.topic_prefix, names)

    def _mails(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for path in (self.system.mail.directory / "mails").glob("*.eml"):
            headers, _ = read_headers(path.read_bytes())
            found[str(headers["Message-ID"]).strip()] += 1
        return found


@contextlib.asynccontextmanager
async def _story(system: LocalSystem, wiring: Wiring, data: DemoData) -> AsyncIterator[_Story]:
    async with contextlib.AsyncExitStack() as stack:
        clock = await stack.enter_async_context(set_clock(wiring))
        driven = DrivenTime(clock, {name: service.metrics_url for name, service in system.services.items()})
        stack.push_async_callback(driven.close)
        credentials, coordinators_keys = await _add_partners(wiring, data)
        partners = Partners(wiring.urls["intake"], credentials)
        stack.push_async_callback(partners.close)
        coordinators = Coordinators(wiring.urls["matching"], coordinators_keys)
        stack.push_async_callback(coordinators.close)
        people = People(system.mail.directory / "mails")
        stack.push_async_callback(people.close)
        yield _Story(system, wiring, partners, people, coordinators, driven)


async def _add_partners(wiring: Wiring, data: DemoData) -> tuple[dict[str, Credentials], dict[str, str]]:
    """What `mentorstream partners add` does, for everybody, and `coordinators add` where there is something to review.

    Returns credentials and coordinators' keys, by organisation.
    """
    reviewing = {
        each.organisation
        for each in data.programs
        if msgspec.json.decode(each.body)["data"].get("policy", {}).get("matching") == "review"
    }
    made, keys = {}, {}
    async with await _open(wiring, "intake") as pool, await _open(wiring, "matching") as matching_pool:
        store, sealer = PostgresPartners(pool), Sealer(list(wiring.encryption_keys))
        queries = load_queries(matching.__file__)
        for organisation in data.organisations:
            wanted: Wanted = "both" if organisation.authentication == "signature" else "key"
            partner = await add_partner(store, sealer, uuid7(), organisation.name, organisation.title, wanted)
            by_kind = {credential.kind: credential for credential in partner.credentials}
            signing = by_kind.get("signing")
            made[organisation.name] = Credentials(
                by_kind["key"].secret, signing.lookup if signing else "", signing.secret if signing else ""
            )
            if organisation.name in reviewing:
                added = await add_key(matching_pool, queries, partner.organisation_id, "coordinator", "the demo's")
                keys[organisation.name] = added.key
    return made, keys


async def _open(wiring: Wiring, service: str) -> Pool:
    url = role_url(wiring.servers.postgres_admin_url, wiring.database, worker_role(service), wiring.role_secret)
    return await open_pool(url, size=1, application_name="mentorstream-demo")
