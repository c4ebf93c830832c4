"""`python -m pulse`: its modes, its settings, how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.support.records import eventually

if TYPE_CHECKING:
    from mentorstream_local.stack import Servers


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


@pytest.mark.parametrize("mode", ["api", "worker"])
async def test_every_mode_serves_figures_and_a_signal_ends_it_well(
    servers: Servers, topic_prefix: str, mode: str, unused_tcp_port_factory: object
) -> None:
    assert callable(unused_tcp_port_factory)
    http_port, metrics_port = unused_tcp_port_factory(), unused_tcp_port_factory()
    environment = {
        **os.environ,
        "MENTORSTREAM_KAFKA_BOOTSTRAP": servers.kafka_bootstrap,
        "MENTORSTREAM_TOPIC_PREFIX": topic_prefix,
        "MENTORSTREAM_TOPIC_PARTITIONS": "0",
        "MENTORSTREAM_HTTP_PORT": str(http_port),
        "MENTORSTREAM_METRICS_PORT": str(metrics_port),
    }
    with subprocess.Popen(  # noqa: ASYNC220, S603 - our own arguments; nothing else runs in this loop
        [sys.executable, "-W", "error", "-m", "pulse", mode], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            async with httpx.AsyncClient(timeout=5, trust_env=False) as client:

                async def is_ready() -> bool:
                    assert process.poll() is None
                    try:
                        answer = await client.get(f"http://127.0.0.1:{metrics_port}/health/ready")
                    except httpx.TransportError:
                        return False
                    return answer.status_code == 200

                await eventually(is_ready, what="pulse is ready", seconds=60)
                answer = await client.get(f"http://127.0.0.1:{http_port}/v1/pulse")
                assert answer.status_code == 200
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0
    lines = [json.loads(line) for line in output.splitlines()]
    assert {"started", "stopped"} <= {line["event"] for line in lines}
    ours = [line for line in lines if line["logger"].startswith(("pulse", "mentorstream"))]
    assert {line["level"] for line in ours} == {"info"}
