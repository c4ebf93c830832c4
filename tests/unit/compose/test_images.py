"""The Dockerfile: linted, fed with files that are there, installing what is locked and all that is imported."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Final

import pytest
from tests.support.compose import ROOT, tool

from mentorstream_local.services import SERVICES

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCKERFILE = ROOT / "deploy/docker/Dockerfile"
LOCKS = {
    "services": ["requirements.lock"],
    "operations": ["requirements.lock", "deploy/docker/operations.lock"],
}
# Run in a process of its own: imports modules with every distribution out of reach that the lock files do not name.
_IMPORT_WITH_LOCKED_ONLY: Final = """
import importlib, re, sys
from importlib.metadata import packages_distributions

def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()

allowed = set(sys.argv[1].split(","))
outside = {
    module for module, owners in packages_distributions().items()
    if not any(normal(owner) in allowed or normal(owner).startswith("mentorstream-") for owner in owners)
}

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in outside:
            raise ModuleNotFoundError(f"{name} is not in the lock files of the image", name=name)

sys.meta_path.insert(0, Absent())
for module in sys.argv[2:]:
    importlib.import_module(module)
"""


def _locked(*paths: str) -> dict[str, str]:
    """Version by name of what the lock files hold for this platform."""
    lines = "".join((ROOT / path).read_text() for path in paths)
    return dict(re.findall(r"^([a-z0-9][\w.-]*)==([^\s;]+)", lines, re.MULTILINE))


def test_hadolint_has_nothing_to_say() -> None:
    done = subprocess.run(  # noqa: S603 - our own arguments
        [tool("hadolint"), str(DOCKERFILE)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_what_is_copied_is_there_and_reaches_the_builder() -> None:
    sources = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE.read_text(), re.MULTILINE)
    assert sources
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignore
    let_through = [line[1:] for line in ignore if line.startswith("!")]
    for source in sources:
        for service in SERVICES:
            path = source.replace("${SERVICE}", service)
            assert (ROOT / path).exists(), path
            assert any(path == entry or path.startswith(f"{entry}/") for entry in let_through), path


def test_stages_are_the_ones_compose_asks_for() -> None:
    stages = re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert "operations" in stages
    assert stages[-1] == "service"  # built where no target is named


def test_the_label_has_the_version_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"ARG VERSION={project['version']}\n" in DOCKERFILE.read_text()


@pytest.mark.parametrize("name", ["operations", "build"])
def test_the_images_own_locks_agree_with_the_others(name: str) -> None:
    path = f"deploy/docker/{name}.lock"
    everything = _locked("requirements-dev.lock")
    command = f"uv pip compile --universal --python-version 3.11 --generate-hashes -c requirements-dev.lock \
deploy/docker/{name}.in -o {path}"
    assert {(k, v) for k, v in _locked(path).items() if everything[k] != v} == set(), f"run: {command}"
    wanted = re.findall(r"^[a-z].*$", (ROOT / f"deploy/docker/{name}.in").read_text(), re.MULTILINE)
    assert set(wanted) <= set(_locked(path)), f"run: {command}"


def test_the_services_run_on_the_packages_of_their_lock() -> None:
    _import_with_locked_only(LOCKS["services"], *(f"{service}.__main__" for service in SERVICES))


def test_the_command_runs_on_the_packages_of_the_operations_image() -> None:
    """No Java, no PostgreSQL server, no mail sink: commands that need those are for a checkout."""
    _import_with_locked_only(LOCKS["operations"], "mentorstream_local.cli")


def _import_with_locked_only(locks: list[str], *modules: str) -> None:
    allowed = ",".join(sorted(re.sub(r"[-_.]+", "-", name).lower() for name in _locked(*locks)))
    done = subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, "-c", _IMPORT_WITH_LOCKED_ONLY, allowed, *modules], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def health_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Live, and not ready."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/health/live" else 503)
            self.end_headers()
            self.wfile.write(b'{"problems": "told"}')

        def log_message(self, *_arguments: object) -> None:
            """Nothing: the test's output is the test's."""

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("MENTORSTREAM_METRICS_PORT", str(server.server_port))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    yield
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.usefixtures("health_server")
@pytest.mark.parametrize(("what", "code"), [("live", 0), ("ready", 1)])
def test_the_check_exits_as_the_service_answers_and_shows_why(
    what: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert runpy.run_path(str(ROOT / "deploy/docker/health.py"))["main"](what) == code
    assert "told" in capsys.readouterr().out


def test_the_check_fails_where_nobody_answers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MENTORSTREAM_METRICS_PORT", "1")
    assert runpy.run_path(str(ROOT / "deploy/docker/health.py"))["main"]("live") == 1
    assert "127.0.0.1:1/health/live" in capsys.readouterr().out
