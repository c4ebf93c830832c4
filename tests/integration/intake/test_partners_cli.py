"""`mentorstream partners`: what scripts get as JSON, and what people read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from mentorstream_local.partners import app

from .conftest import ENCRYPTION_KEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.shared_servers import Database


@pytest.fixture
def run(database: Database, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """Runs a sub-command as an operator would who points it at a database."""
    monkeypatch.setenv("MENTORSTREAM_DATABASE_URL", database.url("mentorstream_intake_worker"))
    monkeypatch.setenv("MENTORSTREAM_ENCRYPTION_KEYS", json.dumps([ENCRYPTION_KEY]))
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

    added = answer("add", "acme", "--title", "Acme Works", "--credential", "both")
    assert [each["kind"] for each in added["credentials"]] == ["key", "signing"]
    assert added["credentials"][0]["secret"].startswith("msk_")
    assert added["credentials"][1]["secret"].startswith("whsec_")
    rotated = answer("rotate", "acme", "--grace", "24h")
    listed = answer("list")
    old, new = added["credentials"][0]["id"], rotated["credentials"][0]["id"]
    ends = {each["lookup"]: each["expires_at"] for each in listed[0]["credentials"]}
    assert (ends[old] is None, ends[new] is None) == (False, True)
    assert answer("revoke", "acme", old) == {"name": "acme", "revoked": [old]}
    assert len(answer("revoke", "acme", "--all")["revoked"]) == 2


def test_text_for_people(run: Callable[..., tuple[int, str]]) -> None:
    code, output = run("add", "acme", "--credential", "both")
    assert code == 0
    assert "Authorization: Bearer msk_" in output
    assert "sign with whsec_" in output
    code, output = run("list")
    assert code == 0
    assert "acme" in output
    assert "msk_" not in output
    assert run("revoke", "acme", "--all")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["add", "Bad Name"], 1),
        (["rotate", "nobody"], 1),
        (["revoke", "nobody", "--all"], 1),
        (["revoke", "nobody"], 2),
        (["revoke", "nobody", "x", "--all"], 2),
        (["rotate", "acme", "--grace", "soon"], 2),
        (["add"], 2),
    ],
)
def test_exit_codes(run: Callable[..., tuple[int, str]], arguments: list[str], code: int) -> None:
    assert run(*arguments)[0] == code


def test_without_encryption_keys_it_says_so(
    run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MENTORSTREAM_ENCRYPTION_KEYS")
    assert run("add", "acme")[0] == 1
