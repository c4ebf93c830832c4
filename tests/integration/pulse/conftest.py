"""A running pulse on real topics."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.support.records import eventually

from pulse.bootstrap import PulseProcess
from pulse.settings import PulseSettings

if TYPE_CHECKING:
    from mentorstream_local.stack import Servers


@dataclass
class RunningPulse:
    """A process and what tests ask it."""

    process: PulseProcess
    client: httpx.AsyncClient

    async def metrics(self) -> str:
        """The scrape."""
        return (await self.client.get(self.process.metrics_url + "/metrics")).text

    async def quiescence(self) -> dict[str, Any]:
        """What the driven clock asks."""
        answer: dict[str, Any] = (await self.client.get(self.process.metrics_url + "/quiescence")).json()
        return answer

    async def is_ready(self) -> bool:
        """What an orchestrator asks."""
        return (await self.client.get(self.process.metrics_url + "/health/ready")).status_code == 200

    async def figures(self, **query: str) -> dict[str, Any]:
        """The figures, once pulse is ready and has read everything."""
        await eventually(self._idle, what="pulse is ready and has no lag")
        answer = await self.client.get(self.process.http_url + "/v1/pulse", params=query)
        assert answer.status_code == 200, answer.text
        figures: dict[str, Any] = answer.json()
        return figures

    async def _idle(self) -> bool:
        return await self.is_ready() and (await self.quiescence())["lag"] == 0


RunPulse = Callable[[], AbstractAsyncContextManager[RunningPulse]]


@pytest.fixture
def pulse_settings(servers: Servers, topic_prefix: str) -> PulseSettings:
    """Free ports, and the newest event's time: the examples' times are not today's."""
    return PulseSettings(
        kafka_bootstrap=servers.kafka_bootstrap,
        topic_prefix=topic_prefix,
        topic_partitions=0,
        http_port=0,
        metrics_port=0,
        clock="driven",
        window_days=90,
    )


@pytest.fixture
def run_pulse(pulse_settings: PulseSettings) -> RunPulse:
    """Starts pulse; stops it at the end of the block."""

    @contextlib.asynccontextmanager
    async def run() -> AsyncIterator[RunningPulse]:
        async with PulseProcess(pulse_settings) as process, httpx.AsyncClient(timeout=20) as client:
            yield RunningPulse(process, client)

    return run
