"""Installed from its wheel, a package finds its queries, templates and other files, and needs no checkout.

The wheels are built offline with the locked build backend and unpacked; the checkout's own packages are out of reach.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import zipfile
from typing import TYPE_CHECKING, Final

import pytest
from tests.support.compose import ROOT

from mentorstream_local.migrations import SERVICES_WITH_DATABASE
from mentorstream_local.services import SERVICES
from mentorstream_runtime.database import load_queries

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = {
    "mentorstream_events": "libs/events",
    "mentorstream_runtime": "libs/runtime",
    "mentorstream_local": "deploy/local",
    **{service: f"services/{service}" for service in SERVICES},
}
# -S leaves out the .pth files of the editable installs, so only what is on this path can be imported.
_CHECK: Final = """
import importlib, json, sys
sys.path[:0] = sys.argv[1:3]
from mentorstream_runtime.database import load_queries
found = {}
for service in sys.argv[3:]:
    importlib.import_module(service + ".bootstrap")
    package = importlib.import_module(service).__file__
    found[service] = [package, sorted(load_queries(package))]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with all our wheels unpacked, as pip would."""
    wheels, site = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("site")
    for directory in PACKAGES.values():
        subprocess.run(  # noqa: S603 - our own arguments
            [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(wheels)],
            cwd=ROOT / directory,
            check=True,
            capture_output=True,
        )
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
    return site


@pytest.mark.parametrize("package", PACKAGES)
def test_the_wheel_has_every_file_of_the_package(package: str, site: Path) -> None:
    source = ROOT / PACKAGES[package] / "src" / package
    wanted = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()}
    wanted |= {f"queries/{path.name}" for path in (ROOT / PACKAGES[package] / "queries").glob("*.sql")}
    built = {str(path.relative_to(site / package)) for path in (site / package).rglob("*") if path.is_file()}
    assert {path for path in wanted if "__pycache__" not in path} == built


def test_services_load_their_queries_from_the_wheels(site: Path) -> None:
    arguments = [str(site), sysconfig.get_path("purelib"), *SERVICES_WITH_DATABASE]
    done = subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, "-I", "-S", "-B", "-c", _CHECK, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for service in SERVICES_WITH_DATABASE:
        source = ROOT / PACKAGES[service] / "src" / service / "__init__.py"
        assert found[service] == [str(site / service / "__init__.py"), sorted(load_queries(str(source)))]
