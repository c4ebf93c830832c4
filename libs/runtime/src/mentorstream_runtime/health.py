"""Health, metrics and quiescence, on a port of their own.

`/health/live`: the event loop answers and nothing has failed for good. `/health/ready`: this process can do its work
now. `/quiescence`: what is still to be done, for drains and for the driven clock.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from . import metrics

if TYPE_CHECKING:
    from .database import Pool
    from .process import Process

_CHECK_SECONDS = 2.0


class Observed(Protocol):
    """What can tell of a process's state."""

    def failure(self) -> bool:
        """Whether a part of the process failed for good."""
        ...

    async def problems(self) -> dict[str, str]:
        """What keeps the process from doing its work, by part; empty when nothing does."""
        ...

    async def quiescence(self) -> dict[str, Any]:
        """What is still to be done. Raises whatever asking for it raises."""
        ...

    async def refresh_metrics(self) -> None:
        """Set the gauges that are not set as things happen."""
        ...


def health_app(observed: Observed) -> FastAPI:
    """The application that tells this process's state."""
    app = FastAPI(title="Health and metrics", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/health/live")
    async def live() -> JSONResponse:
        return _answer({"failed": "a part of the process failed"} if observed.failure() else {})

    @app.get("/health/ready")
    async def ready() -> JSONResponse:
        problems = await observed.problems()
        metrics.READY.set(0 if problems else 1)
        return _answer(problems)

    @app.get("/metrics")
    async def show_metrics() -> Response:
        await observed.refresh_metrics()
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/quiescence")
    async def quiescence() -> JSONResponse:
        try:
            async with asyncio.timeout(10.0):
                return JSONResponse(await observed.quiescence())
        except Exception as error:
            return JSONResponse({"unknown": type(error).__name__}, status_code=503)

    return app


class ProcessHealth:
    """The state of a process that has a database, a consumer, a relay and timers."""

    def __init__(self, process: Process[Any]) -> None:
        self._process = process

    def failure(self) -> bool:
        """Whether a part of the process failed for good."""
        return self._process.failed.is_set()

    async def problems(self) -> dict[str, str]:
        """What keeps the process from doing its work, by part; empty when nothing does."""
        process = self._process
        if not process.started:
            return {"process": "starting: it waits for its database"}
        runtime = process.runtime
        problems = await _unreachable({"database": runtime.pool, "database as the API's role": runtime.api_pool})
        if process.relay is None and not runtime.checked.is_set() and not process.replaying:
            problems["outbox"] = "not held against its topics yet"
        if process.failed.is_set():
            problems["process"] = "a part of the process failed"
        elif process.draining:
            problems["process"] = "stopping"
        if process.relay is not None:
            if process.relay.halted is not None:
                problems["relay"] = str(process.relay.halted)
            elif not process.relay.healthy:
                problems["relay"] = "not publishing"
        consumer = process.consumer
        if consumer is not None:
            if consumer.halted is not None:
                problems["consumer"] = str(consumer.halted)
            elif not consumer.ready:
                problems["consumer"] = "not all assigned partitions are claimed, or something it needs is away"
            elif process.stalled_seconds > process.runtime.settings.stalled_after_seconds:
                problems["consumer"] = f"lag without progress for {process.stalled_seconds:.0f} s"
        return problems

    async def quiescence(self) -> dict[str, Any]:
        """Nothing is to be done, when lag, outbox and due are 0 twice with the same counters between."""
        process, runtime = self._process, self._process.runtime
        now = await runtime.clock.now()
        next_due = await process.timers.next_due() if process.timers is not None else None
        return {
            "service": runtime.name,
            "now": now.isoformat(),
            "processed": process.consumer.processed if process.consumer is not None else 0,
            "taken": process.timers.taken if process.timers is not None else 0,
            "lag": await process.consumer.unread() if process.consumer is not None else 0,
            "outbox": await process.relay.depth() if process.relay is not None else 0,
            "due": int(next_due is not None and next_due <= now),
            "next_due": None if next_due is None else next_due.isoformat(),
        }

    async def refresh_metrics(self) -> None:
        """Lag, and what waits in the outbox."""
        if self._process.consumer is not None:
            self._process.consumer.show_lag()
        if self._process.relay is not None:
            try:
                async with asyncio.timeout(_CHECK_SECONDS):
                    await self._process.relay.depth()
            except Exception:
                metrics.OUTBOX_DEPTH.set(float("nan"))  # unknown, while the database is away


async def _unreachable(pools: dict[str, Pool]) -> dict[str, str]:
    """Which of the pools give no answer, and why. A process with one role only has the same pool twice."""
    problems = {}
    for pool, name in {pool: name for name, pool in reversed(pools.items())}.items():
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await pool.fetchval("SELECT 1")
        except Exception as error:
            problems[name] = type(error).__name__
    return problems


def _answer(problems: dict[str, str]) -> JSONResponse:
    return JSONResponse(
        {"status": "failing" if problems else "ok", "problems": problems}, status_code=503 if problems else 200
    )
