"""`mentorstream coordinators`: what scripts get as JSON, and what people read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from mentorstream_local.coordinators import app

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.shared_servers import Database

ORGANISATION = "0195797f-1c1e-7b62-a3a5-60c2d5d1a001"


@pytest.fixture
def run(database: Database, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """Runs a sub-command as an operator would who points it at a database."""
    monkeypatch.setenv("MENTORSTREAM_DATABASE_URL", database.url("mentorstream_matching_worker"))
    runner = CliRunner()

    def invoke(*arguments: str) -> tuple[int, str]:
        result = runner.invoke(app, arguments)
        return result.exit_code, result.stdout

    return invoke


def test_json_for_scripts(run: Callable[..., tuple[int, str]]) -> None:
    def answer(*arguments: str) -> Any:
        code, output = run(*arguments, "--json")
        assert code == 0
        return json.loads(output)

    added = answer("add", ORGANISATION, "--label", "Ada", "--role", "coordinator")
    assert added["key"].startswith(f"msc_{added['id']}_")
    assert (added["organisation_id"], added["role"]) == (ORGANISATION, "coordinator")
    assert answer("revoke", added["id"]) == {"revoked": added["id"]}
    (listed,) = answer("list")
    assert (listed["lookup"], listed["label"], listed["last_used_at"]) == (added["id"], "Ada", None)
    assert listed["revoked_at"] is not None
    assert added["key"] not in json.dumps(listed)


def test_text_for_people(run: Callable[..., tuple[int, str]]) -> None:
    code, output = run("add", ORGANISATION, "--label", "the office")
    assert code == 0
    assert "Authorization: Bearer msc_" in output
    code, output = run("list")
    assert code == 0
    assert "viewer" in output
    assert "never" in output
    assert "Bearer" not in output


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["add", "nobody", "--label", "x"], 1),
        (["add", ORGANISATION, "--label", " "], 1),
        (["add", ORGANISATION], 2),
        (["add", ORGANISATION, "--label", "x", "--role", "king"], 2),
        (["revoke", "0000000000000000"], 1),
        (["revoke"], 2),
    ],
)
def test_exit_codes(run: Callable[..., tuple[int, str]], arguments: list[str], code: int) -> None:
    assert run(*arguments)[0] == code
