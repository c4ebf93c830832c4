"""A machine that lacks something is told what, in words that mend it, and the command fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.chromium import ChromiumMissingError, chromium_executable

_ROOT = Path(__file__).parents[3]


def _command(path: Path, content: str) -> str:
    path.write_text(f"#!/bin/sh\n{content}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def bare_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing on it but what a shell script cannot do without."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for name in ("sh", "dirname", "cat"):
        found = shutil.which(name)
        assert found is not None
        (directory / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(directory))
    monkeypatch.delenv("MENTORSTREAM_CHROMIUM", raising=False)
    monkeypatch.delenv("PYTHON", raising=False)
    return directory


def _bootstrap(*variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **dict(variable.split("=", 1) for variable in variables)}
    return subprocess.run(  # noqa: S603 - our own script
        ["/bin/sh", str(_ROOT / "deploy" / "bootstrap.sh")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_python_the_setup_says_what_to_install(bare_path: Path) -> None:
    outcome = _bootstrap()
    assert outcome.returncode == 1
    assert "apt-get install python3" in outcome.stderr


def test_a_python_that_is_too_old_or_does_not_run_is_passed_over(bare_path: Path) -> None:
    _command(bare_path / "python3.13", "echo 'pyenv: python3.13: command not found' >&2; exit 127")
    _command(bare_path / "python3", "exit 1")  # what the version check of an old Python comes to
    outcome = _bootstrap()
    assert outcome.returncode == 1
    assert "No Python 3.11, 3.12 or 3.13 was found" in outcome.stderr


def test_a_named_python_is_used_or_refused_but_not_replaced(bare_path: Path) -> None:
    _command(bare_path / "python3", f'exec {sys.executable} "$@"')
    outcome = _bootstrap(f"PYTHON={_command(bare_path / 'mine', 'exit 1')}")
    assert outcome.returncode == 1
    assert "PYTHON=" in outcome.stderr


def test_a_browser_that_only_has_the_name_is_passed_over(bare_path: Path) -> None:
    _command(bare_path / "chromium-browser", "echo 'requires the chromium snap to be installed' >&2; exit 1")
    working = _command(bare_path / "google-chrome", "echo 'Google Chrome 150'")
    assert chromium_executable() == working


def test_without_a_browser_the_advice_is_a_command(bare_path: Path) -> None:
    with pytest.raises(ChromiumMissingError, match="apt-get install --yes chromium"):
        chromium_executable()


def test_a_named_browser_that_does_not_run_is_not_replaced(bare_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _command(bare_path / "chromium", "echo 'Chromium 150'")
    monkeypatch.setenv("MENTORSTREAM_CHROMIUM", "/nowhere/chromium")
    with pytest.raises(ChromiumMissingError, match="/nowhere/chromium does not run"):
        chromium_executable()
