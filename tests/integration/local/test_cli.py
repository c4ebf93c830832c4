"""The command's exit codes and JSON are what scripts rely on."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from mentorstream_events.topics import TOPICS
from mentorstream_local.cli import app
from mentorstream_local.daemons import ProcessMark

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.shared_servers import Database

    from mentorstream_local.stack import Servers

from tests.support.shared_servers import ROLE_SECRET

_runner = CliRunner()


@pytest.fixture
def no_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for stacks where there is none."""
    for variable in ("KAFKA_BOOTSTRAP", "POSTGRES_URL", "ROLE_SECRET", "TOPIC_PREFIX", "STACK"):
        monkeypatch.delenv(f"MENTORSTREAM_{variable}", raising=False)
    monkeypatch.setenv("MENTORSTREAM_LOCAL_DIR", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    "command", [["status"], ["down"], ["topics", "check"], ["topics", "create"], ["migrate"], ["logs", "kafka"]]
)
def test_what_needs_a_running_stack_exits_with_3(no_stack: Path, command: list[str]) -> None:
    assert _runner.invoke(app, command).exit_code == 3


@pytest.mark.parametrize("command", [["up", "--service", "nonsense"], ["migrate", "--service", "pulse"], ["nonsense"]])
def test_wrong_usage_exits_with_2(no_stack: Path, command: list[str]) -> None:
    assert _runner.invoke(app, command).exit_code == 2


def test_every_command_has_help_and_the_index_tells_exit_codes() -> None:
    for command in ("up", "down", "status", "logs", "migrate", "topics"):
        assert _runner.invoke(app, [command, "--help"]).exit_code == 0
    assert "3 not running" in " ".join(_runner.invoke(app, ["--help"]).output.split())


def test_status_tells_a_foreign_process_apart(no_stack: Path) -> None:
    kafka = no_stack / "default" / "kafka"
    kafka.mkdir(parents=True)
    mark = ProcessMark(os.getpid(), 0.0)
    (kafka / "process.json").write_text(
        json.dumps({"ports": {"port": 20_000, "controller_port": 20_001}, "mark": vars(mark)})
    )
    outcome = _runner.invoke(app, ["status", "--json"])
    assert outcome.exit_code == 3
    states = {part["name"]: part["state"] for part in json.loads(outcome.stdout)["parts"]}
    assert states["kafka"] == "stale"
    assert set(states.values()) == {"stale", "stopped"}
    down = _runner.invoke(app, ["down"])
    assert down.exit_code == 0
    assert "another's" in " ".join(down.output.split())


def test_topics_check_as_json(no_stack: Path, servers: Servers, topic_prefix: str) -> None:
    where = ["--bootstrap", servers.kafka_bootstrap, "--prefix", topic_prefix]
    checked = _runner.invoke(app, ["topics", "check", "--json", *where])
    assert checked.exit_code == 1  # the fixture's topics have fewer partitions than declared
    assert [state["name"] for state in json.loads(checked.stdout)] == [topic_prefix + topic.name for topic in TOPICS]
    assert _runner.invoke(app, ["topics", "list", *where]).exit_code == 0


def test_migrate_on_a_server_of_ones_own(
    no_stack: Path, servers: Servers, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MENTORSTREAM_ROLE_SECRET", ROLE_SECRET)
    options = ["--admin-url", servers.postgres_admin_url, "--database", database.name]
    assert _runner.invoke(app, ["migrate", *options]).exit_code == 0


def test_logs_shows_the_last_lines(no_stack: Path) -> None:
    directory = no_stack / "default" / "services" / "intake"
    directory.mkdir(parents=True)
    (directory / "intake.log").write_text("one\ntwo\nthree\n")
    assert _runner.invoke(app, ["logs", "intake", "--lines", "2"]).stdout == "two\nthree\n"
