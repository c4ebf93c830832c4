"""A service's process: what it is made of, how it starts, how it tells its state, how it ends.

`main` is all that a service's `__main__` calls; `Process` is the same thing inside a test. SIGTERM stops taking work,
finishes what is under way, publishes the outbox and exits 0.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Generic, Literal, TypeVar, cast, get_args

import stamina
import structlog
from fastapi import FastAPI

from . import metrics
from .clock import Clock, DatabaseClock, DrivenClock
from .command import run_command
from .consumer import Consumer
from .database import Connection, Pool, open_pool, transaction
from .dead_letters import delete_expired
from .errors import is_infrastructure
from .health import ProcessHealth, health_app
from .host_clock import watch_host_clock
from .links import Links
from .loop_delay import watch_loop
from .outbox import Outgoing, forget_published, write_outbox
from .own_records import OwnRecords, keep_marks
from .ownership import HandlerFactory
from .relay import Relay
from .replay import replay_topics
from .restore import Restorer, republish, restore
from .serving import HttpServer
from .settings import RuntimeSettings
from .timers import Timer, Timers
from .wakeups import Wakeups

log = structlog.get_logger(__name__)
SettingsT = TypeVar("SettingsT", bound=RuntimeSettings)
Mode = Literal["api", "worker", "all", "replay", "restore", "republish"]
_HOUR_SECONDS: Final = 3600.0
_CHECK_SECONDS: Final = 5.0
_MODES: Final = (
    "api: HTTP only; worker: topics, timers, relay; all (default): both; replay: read the topics from where the"
    " database stands to their ends, publish nothing, exit; restore: after the database went back, take over what is on"
    " this service's own topics, exit; republish: publish what the database holds to another broker, exit"
)


@dataclass(frozen=True, slots=True)
class Runtime(Generic[SettingsT]):
    """What a service is built from."""

    name: str
    settings: SettingsT
    pool: Pool
    api_pool: Pool
    clock: Clock
    links: Links
    wakeups: Wakeups
    checked: asyncio.Event

    async def write(self, connection: Connection, events: Sequence[Outgoing]) -> None:
        """Put events into the outbox, in the caller's transaction. Call `wake` after the commit.

        Raises ConnectionError, which HTTP answers with 503, until the database was held against its topics: what a
        restored one numbers would be taken for repeats.
        """
        if not self.checked.is_set():
            raise ConnectionError("the outbox was not held against its topics yet")
        await write_outbox(connection, self.name, events, limit_bytes=self.settings.event_limit_bytes)

    def wake(self) -> None:
        """Tell the relays that there is something in the outbox."""
        self.wakeups.wake()


@dataclass(frozen=True, slots=True)
class Parts:
    """What a service consists of: a handler for each topic it reads, timers, an API.

    `rereaders` are for topics whose events are handled otherwise in a restore, once their decisions were taken over.
    `closing` is called after the drain, while the database is still there: to give back what the parts hold open.
    """

    readers: Mapping[str, HandlerFactory] = field(default_factory=dict)
    timers: Sequence[Timer] = ()
    api: FastAPI | None = None
    restorer: Restorer = field(default_factory=Restorer)
    rereaders: Mapping[str, HandlerFactory] = field(default_factory=dict)
    closing: Sequence[Callable[[], Awaitable[None]]] = ()


class Process(Generic[SettingsT]):
    """One running process of a service. `async with` starts it and, at the end, drains and stops it."""

    def __init__(
        self, name: str, settings: SettingsT, build: Callable[[Runtime[SettingsT]], Parts], *, mode: Mode = "all"
    ) -> None:
        self._name = name
        self._settings = settings
        self._build = build
        self._mode = mode
        self._stack = contextlib.AsyncExitStack()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._servers: list[HttpServer] = []
        self._runtime: Runtime[SettingsT] | None = None
        self._health: HttpServer | None = None
        self.draining = False
        self.consumer: Consumer | None = None
        self.relay: Relay | None = None
        self.timers: Timers | None = None
        self.replayed = 0
        self.finished = asyncio.Event()
        self.failed = asyncio.Event()
        self.http_url = ""
        self.metrics_url = ""

    @property
    def runtime(self) -> Runtime[SettingsT]:
        """What the parts were built from. Raises RuntimeError before the start."""
        if self._runtime is None:
            raise RuntimeError("the process has not started")
        return self._runtime

    @property
    def started(self) -> bool:
        """Whether it has its database, so that there is a `runtime`."""
        return self._runtime is not None

    @property
    def replaying(self) -> bool:
        """Whether it only reads: a replay writes nothing to the outbox."""
        return self._mode == "replay"

    async def __aenter__(self) -> Process[SettingsT]:
        try:
            await self._start()
        except BaseException:
            await self.drain()
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.drain()
        await self._stack.aclose()

    async def _start(self) -> None:
        settings = self._settings
        # Health first, so that an orchestrator sees a live process while it waits for its database.
        self.metrics_url = await self._serve(
            health_app(ProcessHealth(self)), settings.metrics_host, settings.metrics_port, "metrics"
        )
        self._spawn("loop", watch_loop())
        pool = await self._pool(settings.database_url.get_secret_value(), settings.worker_pool_size, "worker")
        self._spawn("host_clock", watch_host_clock(pool))
        api_pool = pool
        if self._mode in ("api", "all"):
            api_pool = await self._pool(settings.api_database_url.get_secret_value(), settings.api_pool_size, "api")
        wakeups = Wakeups(settings.database_url.get_secret_value(), self._name)
        wakeups.start()
        self._stack.push_async_callback(wakeups.stop)
        clock: Clock = DatabaseClock(pool) if settings.clock == "database" else DrivenClock(pool)
        links = Links(settings.link_secrets)
        relay = Relay(self._name, settings, pool, wakeups)
        self._runtime = Runtime(self._name, settings, pool, api_pool, clock, links, wakeups, relay.checked)
        parts = self._build(self._runtime)
        for close in parts.closing:
            self._stack.push_async_callback(close)
        if self._mode == "replay":
            self._spawn("replay", self._replay(self._runtime, parts))
        if self._mode in ("restore", "republish"):
            self._spawn(self._mode, self._recover(self._runtime, parts))
        if self._mode in ("worker", "all"):
            self._start_worker(self._runtime, parts, relay)
        if self._mode == "api":
            self._spawn("check", relay.run(check_only=True))
        if self._mode in ("api", "all") and parts.api is not None:
            # A moment, rather than a 503 to the first callers. Without a broker it listens all the same.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(relay.checked.wait(), _CHECK_SECONDS)
            self.http_url = await self._serve(parts.api, settings.http_host, settings.http_port, "api")
        log.info("started", mode=self._mode, http=self.http_url, metrics=self.metrics_url)

    def _start_worker(self, runtime: Runtime[SettingsT], parts: Parts, relay: Relay) -> None:
        settings, pool, wakeups = runtime.settings, runtime.pool, runtime.wakeups
        self.relay = relay
        self._spawn("relay", self.relay.run())
        if parts.readers:
            self.consumer = Consumer(self._name, settings, pool, wakeups, parts.readers)
            self._spawn("consumer", self._when_checked(self.relay, self.consumer.run))
            self._spawn("watchdog", self._watch(self.consumer))
        self.timers = Timers(settings, runtime.clock, wakeups, parts.timers)
        self._spawn("timers", self._when_checked(self.relay, self.timers.run))
        self._spawn("housekeeping", self._keep_house(pool))
        self._spawn("marks", self._when_checked(self.relay, lambda: self._keep_marks(runtime, parts)))

    async def _when_checked(self, relay: Relay, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Decide nothing on a restored database: what it numbers would be taken for repeats."""
        await relay.checked.wait()
        await run()

    async def _replay(self, runtime: Runtime[SettingsT], parts: Parts) -> None:
        self.replayed = await replay_topics(self._name, runtime.settings, runtime.pool, parts.readers)
        self.finished.set()

    async def _recover(self, runtime: Runtime[SettingsT], parts: Parts) -> None:
        if self._mode == "restore":
            self.replayed = await restore(
                self._name, runtime.settings, runtime.pool, parts.readers, parts.restorer, parts.rereaders
            )
        else:
            self.replayed = await republish(self._name, runtime.settings, runtime.pool, parts.restorer)
        self.finished.set()

    async def _keep_marks(self, runtime: Runtime[SettingsT], parts: Parts) -> None:
        async def reissue(keys: Sequence[str]) -> None:
            async with transaction(runtime.pool) as connection:
                await runtime.write(connection, await parts.restorer.reissue(connection, keys))
            runtime.wake()

        await keep_marks(OwnRecords(self._name, runtime.settings, runtime.pool), runtime.pool, reissue)

    async def drain(self) -> None:
        """Stop taking work, finish what is under way, publish the outbox; at most `drain_seconds`."""
        self.draining = True
        deadline = time.monotonic() + self._settings.drain_seconds
        for server in self._servers:
            server.should_exit = server is not self._health  # health answers to the end
        for name in ("watchdog", "housekeeping", "marks", "host_clock", "loop"):
            if name in self._tasks:
                self._tasks.pop(name).cancel()
        # Consumers and timers first: they are who fills the outbox that the relay then empties.
        for part, names in ((self.consumer, ["consumer"]), (self.timers, ["timers"]), (self.relay, ["relay", "api"])):
            if part is not None:
                part.stop()
            if self.relay is not None and not self.relay.checked.is_set() and part is not self.relay:
                await _cancel([self._tasks.pop(name) for name in names if name in self._tasks])  # never began
            tasks = [self._tasks.pop(name) for name in names if name in self._tasks]
            if tasks:
                _, late = await asyncio.wait(tasks, timeout=max(0.2, deadline - time.monotonic()))
                for task in late:
                    log.warning("not_drained", task=task.get_name())
                await _cancel(late)
        for server in self._servers:
            server.should_exit = True
        rest = list(self._tasks.values())
        if rest:
            _, late = await asyncio.wait(rest, timeout=0.5)
            await _cancel(late)
        self._tasks.clear()

    async def _pool(self, url: str, size: int, role: str) -> Pool:
        async for attempt in stamina.retry_context(
            on=is_infrastructure, attempts=None, timeout=None, wait_initial=0.2, wait_max=5.0
        ):
            with attempt:
                pool = await open_pool(url, size=size, application_name=f"mentorstream-{self._name}-{role}")

        async def close() -> None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    await pool.close()
                return
            pool.terminate()

        self._stack.push_async_callback(close)
        return pool

    async def _serve(self, app: FastAPI, host: str, port: int, name: str) -> str:
        server = HttpServer(app, host, port)
        self._servers.append(server)
        if name == "metrics":
            self._health = server
        self._spawn(name, server.run_until_told())
        self._stack.callback(server.close)
        return server.url

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._on_done)
        self._tasks[name] = task

    def _on_done(self, task: asyncio.Task[None]) -> None:
        """A part that ends by itself, other than by halting, is a failure of the process, whatever ended it."""
        if self.draining:
            return
        if task.cancelled():
            log.error("task_failed", task=task.get_name(), error="cancelled")
        elif task.exception() is not None:
            log.error("task_failed", task=task.get_name(), exc_info=task.exception())
        else:
            return
        self.failed.set()

    async def _watch(self, consumer: Consumer) -> None:
        """Fail the process when it has lag and makes no progress, unless something it needs is away."""
        limit = self._settings.stalled_after_seconds
        while True:
            await asyncio.sleep(min(1.0, limit / 4))
            if self.stalled_seconds > 2 * limit:
                log.error("stalled", seconds=round(self.stalled_seconds), lag=consumer.lag)
                self.failed.set()
                return

    @property
    def stalled_seconds(self) -> float:
        """How long there has been lag without progress; 0 while there is none or an operator is waited for."""
        consumer = self.consumer
        if consumer is None or consumer.halted is not None or consumer.infrastructure_away or consumer.lag == 0:
            return 0.0
        return time.monotonic() - consumer.last_progress

    async def _keep_house(self, pool: Pool) -> None:
        while True:
            try:
                async with transaction(pool) as connection:
                    await delete_expired(connection)
                    await forget_published(connection)
            except Exception as error:  # dead letters hold what people were called: that they stay has to be seen
                metrics.TIMER_FAILURES.labels("housekeeping", type(error).__name__).inc()
                log.error("housekeeping_failed", error=repr(error), exc_info=not is_infrastructure(error))
            await asyncio.sleep(_HOUR_SECONDS)


async def _cancel(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait until they are gone, but not for one that cannot let go."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=0.5)


def main(
    name: str,
    settings_class: type[SettingsT],
    build: Callable[[Runtime[SettingsT]], Parts],
    argv: Sequence[str] | None = None,
) -> None:
    """`python -m <service> api|worker|all|replay [--print-settings]`. Exits the process; see `run_command`."""

    def make(settings: SettingsT, mode: str) -> Process[SettingsT]:
        return Process(name, settings, build, mode=cast("Mode", mode))

    description = sys.modules[build.__module__].__doc__
    run_command(name, settings_class, make, modes=get_args(Mode), modes_help=_MODES, description=description, argv=argv)
