"""One test's run on a system: what it sends, how time passes, the wait for the drain, and the checks."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

import asyncpg
from tests.faults.correspondents import Correspondents
from tests.faults.driver import Driver
from tests.faults.expectations import differences
from tests.faults.load import Load, make_load

from mentorstream_events import TOPICS, SequenceNumber
from mentorstream_local.demo.clock import DrivenTime, next_step
from mentorstream_local.demo.driver import set_clock
from mentorstream_local.demo.facts import Facts, read_facts
from mentorstream_local.demo.invariants import Check, check_all
from mentorstream_local.demo.replaying import check_replays
from mentorstream_local.records import read_records

if TYPE_CHECKING:
    from tests.faults.system import FaultSystem

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
_STEP: Final = timedelta(hours=12)
_MOMENT: Final = timedelta(minutes=2)
_WAIT_SECONDS: Final = 90.0


class _Addresses(Mapping[str, str]):
    """Where the processes tell their state, as they come and go."""

    def __init__(self, system: FaultSystem) -> None:
        self._system = system

    def __getitem__(self, name: str) -> str:
        return self._system.services[name].metrics_url

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._system.services))

    def __len__(self) -> int:
        return len(self._system.services)


@dataclass(slots=True)
class Run:
    """See the package's docstring."""

    system: FaultSystem
    random: Random
    driver: Driver
    people: Correspondents
    checked_replays: bool = False
    checks: list[Check] = field(default_factory=list)

    @classmethod
    @contextlib.asynccontextmanager
    async def on(cls, system: FaultSystem, *, seed: object, replays: bool = False) -> AsyncIterator[Run]:
        """A run on a system that is up. With `replays` every check tries I8, too."""
        async with contextlib.AsyncExitStack() as stack:
            driver = Driver(system)
            stack.push_async_callback(driver.close)
            await driver.add_partners()
            people = Correspondents(system.mailbox, system.mails_seen)
            stack.push_async_callback(people.close)
            yield cls(system, Random(str(seed)), driver, people, replays)

    def load(self, *, people: int, programs: int = 6) -> Load:
        """The next load of this system, by this run's seed."""
        self.system.loads += 1
        return make_load(f"l{self.system.loads}", self.random, people=people, programs=programs)

    @contextlib.asynccontextmanager
    async def sending(
        self, load: Load, *, pause_seconds: float = 0.0, rest: asyncio.Event | None = None
    ) -> AsyncIterator[asyncio.Task[None]]:
        """Send in the background; at the end wait until all of it was accepted. Raises what sending raises.

        `rest` keeps the last of it back until it is set: for what must happen while there is something to send, however
        fast that goes.
        """
        task = asyncio.create_task(self.driver.send(load, pause_seconds=pause_seconds, rest=rest))
        try:
            yield task
            if rest is not None:
                rest.set()
            await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def send(self, load: Load) -> None:
        """Send all of it."""
        await self.driver.send(load)

    async def until_accepted(self, load: Load, *, share: float) -> None:
        """Wait until this share of the load's requests was answered 202."""
        await self.until(
            lambda: load.accepted >= share * load.size, f"{share:.0%} of {load.size} requests of {load.name} accepted"
        )

    async def until(
        self, condition: Callable[[], bool], what: str, *, seconds: float = _WAIT_SECONDS, look_seconds: float = 0.02
    ) -> float:
        """Wait for a condition that costs nothing to ask. Returns how long it took. Raises TimeoutError."""
        started = time.monotonic()
        while not condition():
            if time.monotonic() - started > seconds:
                raise TimeoutError(f"waited {seconds:.0f} s for: {what}")
            await asyncio.sleep(look_seconds)
        return time.monotonic() - started

    @staticmethod
    async def offline(
        work: Callable[_Arguments, _Result], *arguments: _Arguments.args, **named: _Arguments.kwargs
    ) -> _Result:
        """Do something that blocks, in a thread, while the rest goes on."""
        return await asyncio.to_thread(work, *arguments, **named)

    async def drain(self) -> float:
        """Wait until no service has anything left to do now. Returns seconds. Raises NotSettledError after 180 s."""
        started = time.monotonic()
        async with self._time() as driven:
            await driven.settle()
        return time.monotonic() - started

    async def live(self, *, days: float) -> None:
        """Let business time pass, on to whatever is due next, while people answer their mail."""
        async with self._time() as driven:
            until = self.system.now + timedelta(days=days)
            due = await self._answer_all(driven)
            while self.system.now < until:
                await self._move(driven, next_step(self.system.now, due, until, _STEP))
                due = await self._answer_all(driven)

    async def check(self) -> None:
        """Drain, then hold everything against the invariants. Raises AssertionError with what was found."""
        async with self._time() as driven:
            await self._finish(driven)
            self.checks = await self._check(driven)
        violations = {check.name: check.violations for check in self.checks if not check.holds}
        assert not violations, violations

    async def move_to(self, now: datetime) -> None:
        """Make it this time, without waiting for anything."""
        async with self._time() as driven:
            await self._move(driven, now)

    async def answer(self) -> int:
        """Let people act on the mail that came since the last time. Returns how many acts there were."""
        return await self.people.answer()

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
        """A superuser's connection to the services' database."""
        connection = await asyncpg.connect(self.system.admin_url)
        try:
            yield connection
        finally:
            await connection.close()

    async def _answer_all(self, driven: DrivenTime) -> datetime | None:
        due = await driven.settle()
        while await self.people.answer():
            due = await driven.settle()
        return due

    async def _finish(self, driven: DrivenTime) -> None:
        """Let what is due within a moment be done, so that nothing is half-way."""
        due = await driven.settle()
        while due is not None and due <= self.system.now + _MOMENT:
            await self._move(driven, due)
            due = await driven.settle()

    async def _move(self, driven: DrivenTime, now: datetime) -> None:
        await driven.set(now)
        self.system.now = now

    async def _check(self, driven: DrivenTime) -> list[Check]:
        system = self.system
        wiring = system.wiring
        bootstrap, prefix = wiring.servers.kafka_bootstrap, wiring.topic_prefix
        facts = await read_facts(bootstrap, prefix)
        async with self.connection() as connection:
            checks = await check_all(
                facts,
                system.ledger,
                connection,
                system.poison,
                self.people.arrivals(),
                resends_allowed=system.resends,
            )
            stale = await differences(connection, system.expected, system.names)
            checks.append(Check("state", "the last that was accepted is in force", tuple(stale[:5])))
            checks.append(Check("order", "each key's events came in order, none missing", tuple(_disorder(facts)[:5])))
            if self.checked_replays:
                await connection.execute(f"DROP DATABASE IF EXISTS {wiring.database}_replay WITH (FORCE)")
        if self.checked_replays:

            async def count() -> Mapping[str, int]:
                return {topic.name: len(await read_records(bootstrap, prefix, topic.name)) for topic in TOPICS}

            ends = {topic: len(records) for topic, records in facts.records.items()}
            checks.append(await check_replays(wiring, driven, ends, count))
        return checks

    @contextlib.asynccontextmanager
    async def _time(self) -> AsyncIterator[DrivenTime]:
        """The driven clock, by a connection of this moment: the database may have been away in between."""
        async with set_clock(self.system.wiring) as clock:
            driven = DrivenTime(clock, _Addresses(self.system))
            try:
                yield driven
            finally:
                await driven.close()


def _disorder(facts: Facts) -> list[str]:
    """Where a key's events, without repeats, are not numbered one after the other.

    Two processes that decided over one program at once would have drawn numbers of events that nobody published, or
    published them crosswise.
    """
    found = []
    for topic in TOPICS:
        if topic.compacted:
            continue
        last: dict[tuple[str, str], SequenceNumber] = {}
        for event in facts.events[topic.name]:
            name = event.source, event.key
            before = last.get(name)
            if event.sequence is None:
                continue
            restored = before is not None and event.sequence.incarnation > before.incarnation
            if before is not None and not restored and event.sequence != before._replace(number=before.number + 1):
                found.append(f"{topic.name} {name}: {event.sequence} follows {before}")
            last[name] = event.sequence
    return found
