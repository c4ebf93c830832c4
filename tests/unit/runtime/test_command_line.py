"""The command line: settings are shown with secrets masked, and refused without quoting what was given."""

from __future__ import annotations

import json

import pytest

from mentorstream_runtime.process import Parts, Runtime, main
from mentorstream_runtime.settings import RuntimeSettings

SECRET = "postgresql://somebody:hunter2@db/mentorstream"


def build(_runtime: Runtime[RuntimeSettings]) -> Parts:
    """Never called."""
    raise AssertionError


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main("toy", RuntimeSettings, build, arguments)
    code = ended.value.code
    assert isinstance(code, int)
    return code


def test_printed_settings_mask_secrets(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MENTORSTREAM_DATABASE_URL", SECRET)
    monkeypatch.setenv("MENTORSTREAM_LINK_SECRETS", '["open sesame"]')
    monkeypatch.setenv("MENTORSTREAM_BATCH_RECORDS", "17")
    assert run("worker", "--print-settings") == 0
    printed = capsys.readouterr().out
    settings = json.loads(printed)
    assert settings["batch_records"] == 17
    assert settings["database_url"] == "**********"
    assert settings["link_secrets"] == ["**********"]
    assert "hunter2" not in printed
    assert "open sesame" not in printed


def test_bad_settings_are_named_and_not_quoted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MENTORSTREAM_HTTP_PORT", "hunter2")
    assert run("api") == 2
    refused = capsys.readouterr().err
    assert "MENTORSTREAM_HTTP_PORT" in refused
    assert "hunter2" not in refused


def test_an_unknown_mode_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("everything") == 2
    assert "invalid choice" in capsys.readouterr().err
