"""Pulse: turns the topics into live figures per program. It keeps them in memory and reads all topics at each start,
so the modes do not differ: every process reads, and every process serves the API."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self

import stamina
import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from prometheus_client import REGISTRY

from mentorstream_events import TOPICS
from mentorstream_runtime.errors import is_infrastructure
from mentorstream_runtime.health import health_app
from mentorstream_runtime.loop_delay import watch_loop
from mentorstream_runtime.serving import HttpServer
from pulse.adapters.backlog import forget_group, read_backlog
from pulse.adapters.log_ends import Bounds, LogEnds, open_log_ends
from pulse.domain.board import Board
from pulse.domain.program import Spans
from pulse.entrypoints.http import build_api
from pulse.entrypoints.prometheus import PulseCollector
from pulse.entrypoints.reader import SERVICE, Reader
from pulse.entrypoints.stream import Stream
from pulse.settings import PulseSettings

log = structlog.get_logger(__name__)
READ_TOPICS: Final = tuple(topic.name for topic in TOPICS if SERVICE in topic.readers)
_DAY_SECONDS: Final = 86_400.0
_CHECK_SECONDS: Final = 2.0
_STOP_SECONDS: Final = 3.0
_WATCH_SECONDS: Final = 5.0


class PulseProcess:
    """The running service. `async with` starts it, and stops it at the end. It implements `Observed` and `Runnable`."""

    def __init__(self, settings: PulseSettings) -> None:
        self._settings = settings
        self.board = Board(
            Spans(
                window_seconds=settings.window_days * _DAY_SECONDS,
                rate_seconds=settings.rate_minutes * 60.0,
                horizon_seconds=settings.horizon_days * _DAY_SECONDS,
            )
        )
        self.reader = Reader(self.board, self.now, settings.topic_prefix)
        self.stream: Stream | None = None
        self._ends: LogEnds | None = None
        self._stack = contextlib.AsyncExitStack()
        self._started = False
        self._stopping = False
        self.failed = asyncio.Event()
        self.finished = asyncio.Event()  # never: topics have no end
        self.http_url = ""
        self.metrics_url = ""

    def now(self) -> float:
        """Business time, in seconds since 1970: this host's, or where time is driven, that of the newest event."""
        return time.time() if self._settings.clock == "database" else self.board.newest_at

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping = True
        await self._stack.aclose()

    async def _start(self) -> None:
        settings = self._settings
        # Health first, so that an orchestrator sees a live process while it waits for its broker.
        self.metrics_url = await self._serve(HttpServer(health_app(self), settings.metrics_host, settings.metrics_port))
        await self._spawn("loop", watch_loop())
        ends = await self._open_ends()
        # Before the first record: what is there now is what has to be read to be ready.
        bounds = await ends.read()
        self.reader.expect(bounds)
        self._ends = ends
        collector = PulseCollector(
            self.board, self.now, self.reader.caught_up, program_limit=settings.exported_programs
        )
        REGISTRY.register(collector)
        self._stack.callback(REGISTRY.unregister, collector)
        self.stream = Stream(settings, READ_TOPICS, self.reader.take)
        self._stack.push_async_callback(self._stop, self.stream)
        await self._spawn("stream", self._read(self.stream, bounds))
        await self._spawn("watch", self._watch())
        api = build_api(settings, self.board, self.reader, self.now)
        self.http_url = await self._serve(HttpServer(api, settings.http_host, settings.http_port))
        self._started = True
        log.info("started", http=self.http_url, metrics=self.metrics_url)

    async def _open_ends(self) -> LogEnds:
        async for attempt in _until_there():
            with attempt:
                return await self._stack.enter_async_context(open_log_ends(self._settings, READ_TOPICS))
        raise AssertionError("attempts without end ended")

    async def _read(self, stream: Stream, bounds: Mapping[TopicPartition, Bounds]) -> None:
        ends = {partition: each.end for partition, each in bounds.items()}
        # Once more from the beginning, if it must be: what was read before is a repeat then.
        async for attempt in _until_there():
            with attempt:
                await read_backlog(self._settings, stream.group, ends, self.reader.take)
        log.info("backlog_read", records=self.reader.processed)
        await stream.start()
        await stream.run()

    async def _watch(self) -> None:
        """Fail the process when records wait and none is read, for twice as long as in `stalled_after_seconds`."""
        limit = 2 * self._settings.stalled_after_seconds
        processed, since = 0, time.monotonic()
        while time.monotonic() - since < limit:
            await asyncio.sleep(min(_WATCH_SECONDS, limit / 8))
            try:
                async with asyncio.timeout(_CHECK_SECONDS):
                    lag = await self._lag()
            except Exception:  # the broker is away
                lag = 0
            if not lag or self.reader.processed != processed:
                processed, since = self.reader.processed, time.monotonic()
        raise RuntimeError(f"nothing was read for {limit:.0f} s, and records wait")

    async def _stop(self, stream: Stream) -> None:
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await stream.stop()
                await forget_group(self._settings, stream.group)
        except (TimeoutError, KafkaError) as error:
            log.warning("not_stopped", part="stream", error=repr(error))

    async def _serve(self, server: HttpServer) -> str:
        self._stack.callback(server.close)
        task = await self._spawn("http", server.run_until_told())

        async def stop() -> None:
            server.should_exit = True
            await asyncio.wait([task], timeout=_STOP_SECONDS)

        self._stack.push_async_callback(stop)
        return server.url

    async def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a part until the process stops; it fails when the part ends before."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._on_done)

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self._stack.push_async_callback(end)
        return task

    def _on_done(self, task: asyncio.Task[None]) -> None:
        if self._stopping:
            return
        error = None if task.cancelled() else task.exception()
        log.error("task_failed", task=task.get_name(), exc_info=error)
        self.failed.set()

    def failure(self) -> bool:
        """Whether a part of the process failed for good."""
        return self.failed.is_set()

    async def problems(self) -> dict[str, str]:
        """Until all is read that the topics held at the start, and while the broker is away."""
        problems: dict[str, str] = {}
        if not self._started:
            problems["process"] = "not started yet"
        if self.failed.is_set():
            problems["process"] = "a part of the process failed"
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await self._lag()
        except Exception as error:
            problems["broker"] = type(error).__name__
        if not self.reader.caught_up():
            problems["reader"] = "the figures are being rebuilt from the topics"
        elif self.stream is not None and not self.stream.reads:
            problems["stream"] = "it was given no partitions yet"
        return problems

    async def quiescence(self) -> dict[str, Any]:
        """What is still to be read. Pulse publishes nothing and waits for no time. Raises KafkaError."""
        now = datetime.fromtimestamp(self.now(), UTC).isoformat()
        nothing: dict[str, Any] = {"taken": 0, "outbox": 0, "due": 0, "next_due": None}
        return {"service": SERVICE, "now": now, "lag": await self._lag(), "processed": self.reader.processed, **nothing}

    async def refresh_metrics(self) -> None:
        """Lag; it keeps its last value while the broker is away."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_CHECK_SECONDS):
                await self._lag()

    async def _lag(self) -> int:
        if self._ends is None:
            raise ConnectionError("the broker has not answered yet")
        return self.reader.lag(await self._ends.read())


def _until_there() -> AsyncIterator[stamina.Attempt]:
    """Attempts until the broker is there, however long that takes."""
    return stamina.retry_context(on=is_infrastructure, attempts=None, timeout=None, wait_initial=0.2, wait_max=5.0)
