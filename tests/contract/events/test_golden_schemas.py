"""What was published stays what the models say, and generated documents stay current."""

from __future__ import annotations

from pathlib import Path

import pytest

from mentorstream_events import CONTRACTS
from mentorstream_events.__main__ import main
from mentorstream_events.generate import artifacts
from mentorstream_events.generate.schemas import current_schemas, golden_schemas
from mentorstream_events.partner import REQUESTS

RUN = f"run `{artifacts.REGENERATE}` and commit what it writes"


def test_no_model_breaks_a_reader_of_its_published_schema() -> None:
    assert artifacts.published_incompatibilities() == [], (
        f"a published version only grows by optional fields: add a new version of the type instead; see `{RUN}`"
    )


def test_generated_files_are_current() -> None:
    stale = artifacts.stale_files(artifacts.repository() / "docs/events")
    assert stale == [], f"not current: {', '.join(path.name for path in stale)}; {RUN}"


def test_every_contract_and_request_has_a_golden_schema_and_no_schema_is_left_over() -> None:
    expected = {f"{contract.name}.json" for contract in CONTRACTS} | {f"partner/{name}.json" for name in REQUESTS}
    assert set(golden_schemas()) == expected, RUN


def test_check_names_the_stale_file_and_the_command_that_mends_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _checkout(monkeypatch, tmp_path)
    assert main(["check"]) == 1
    message = capsys.readouterr().err
    assert "docs/events/reference.md" in message
    assert f"Run: {artifacts.REGENERATE}" in message

    assert main(["regenerate"]) == 0
    assert main(["check"]) == 0


@pytest.mark.parametrize("command", ["regenerate", "check"])
def test_an_incompatible_change_is_refused_and_nothing_is_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    _checkout(monkeypatch, tmp_path)
    assert main(["regenerate"]) == 0
    golden = tmp_path / "schemas/mentorstream.match.end.v1.json"
    published = golden.read_text().replace('"reason"', '"cause"')
    golden.write_text(published)
    capsys.readouterr()

    assert main([command]) == 1
    message = capsys.readouterr().err
    assert "mentorstream.match.end.v1.json: cause: the field was removed or renamed" in message
    assert "mentorstream.match.end.v1.json: reason: old events lack it" in message
    assert "add a new version" in message
    assert golden.read_text() == published


def test_a_contract_that_disappears_is_a_violation() -> None:
    golden = current_schemas()
    current = {name: schema for name, schema in golden.items() if "match.end." not in name}
    assert artifacts.incompatibilities(golden, current) == [
        "mentorstream.match.end.v1.json: the contract is gone, topics may still hold its events"
    ]


def test_without_a_checkout_there_is_nothing_to_write(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        artifacts, "__file__", str(tmp_path / "site-packages/mentorstream_events/generate/artifacts.py")
    )
    assert main(["check"]) == 1
    assert "not in a checkout" in capsys.readouterr().err


def _checkout(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    """Point the generators at an empty checkout."""
    monkeypatch.setattr(artifacts, "repository", lambda: root)
    monkeypatch.setattr(artifacts, "DIRECTORY", root / "schemas")
    monkeypatch.setattr(artifacts, "golden_schemas", lambda: golden_schemas(root / "schemas"))
