"""`python -m pulse`: its modes, its settings, how it ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, NamedTuple

import httpx
import pytest
from tests.support.records import eventually

from mentorstream_local.daemons import free_port

if TYPE_CHECKING:
    from mentorstream_local.stack import Servers, Stack


class Ports(NamedTuple):
    """Where a process listens."""

    http: int
    metrics: int


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, "-m", "pulse", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_says_that_the_modes_do_not_differ() -> None:
    answer = _run("--help")
    assert answer.returncode == 0
    assert "all three do the same" in " ".join(answer.stdout.split())


def test_settings_are_shown_and_there_is_no_database() -> None:
    answer = _run("worker", "--print-settings", MENTORSTREAM_RATE_MINUTES="5")
    shown = json.loads(answer.stdout)
    assert shown["rate_minutes"] == 5
    assert not [name for name in shown if "database" in name or "pool" in name]


def test_bad_settings_are_refused_by_name() -> None:
    answer = _run("all", MENTORSTREAM_WINDOW_DAYS="0")
    assert answer.returncode == 2
    assert "MENTORSTREAM_WINDOW_DAYS" in answer.stderr


@pytest.fixture
def ports() -> Ports:
    """Free ports of the API and of health."""
    return Ports(free_port(), free_port())


@contextlib.asynccontextmanager
async def _running(
    ports: Ports, bootstrap: str, topic_prefix: str, mode: str = "all"
) -> AsyncIterator[subprocess.Popen[str]]:
    """The process, from when it is ready."""
    environment = {
        **os.environ,
        "MENTORSTREAM_KAFKA_BOOTSTRAP": bootstrap,
        "MENTORSTREAM_TOPIC_PREFIX": topic_prefix,
        "MENTORSTREAM_TOPIC_PARTITIONS": "0",
        "MENTORSTREAM_HTTP_PORT": str(ports.http),
        "MENTORSTREAM_METRICS_PORT": str(ports.metrics),
    }
    with subprocess.Popen(  # noqa: ASYNC220, S603 - our own arguments; nothing else runs in this loop
        [sys.executable, "-W", "error", "-m", "pulse", mode], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:

        async def is_ready() -> bool:
            assert process.poll() is None
            try:
                return (await client.get(f"http://127.0.0.1:{ports.metrics}/health/ready")).status_code == 200
            except httpx.TransportError:
                return False

        try:
            async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
                await eventually(is_ready, what="pulse is ready")
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("mode", ["api", "worker"])
async def test_every_mode_serves_figures_and_a_signal_ends_it_well(
    servers: Servers, topic_prefix: str, mode: str, ports: Ports
) -> None:
    async with _running(ports, servers.kafka_bootstrap, topic_prefix, mode) as process:
        async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
            answer = await client.get(f"http://127.0.0.1:{ports.http}/v1/pulse")
        assert answer.status_code == 200
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0
    lines = [json.loads(line) for line in output.splitlines()]
    assert {"started", "stopped"} <= {line["event"] for line in lines}
    ours = [line for line in lines if line["logger"].startswith(("pulse", "mentorstream"))]
    assert [line for line in ours if line["level"] != "info"] == []


async def test_a_frozen_broker_does_not_hold_up_the_end(
    private_stack: Stack, private_topic_prefix: str, ports: Ports
) -> None:
    assert private_stack.broker is not None
    async with _running(ports, private_stack.servers.kafka_bootstrap, private_topic_prefix) as process:
        private_stack.broker.freeze()
        try:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
        finally:
            private_stack.broker.thaw()
        assert process.returncode == 0
