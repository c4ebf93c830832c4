"""The six services and the mail sink as processes of a local system, and the environment that wires them together.

`service_environment` is the only place that says which variables a service gets; the stack, the demo and the tests all
use it. It knows nothing of what the services do.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from mentorstream_local.daemons import Daemon
from mentorstream_local.migrations import SERVICES_WITH_DATABASE, api_role, role_url, worker_role

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mentorstream_local.stack import Servers

SERVICES = ("intake", "matching", "scheduling", "feedback", "notifications", "pulse")
# The pages that signed links in mails lead to.
_LINKED_SERVICES = ("matching", "scheduling", "feedback", "notifications")


@dataclass(frozen=True)
class Wiring:
    """What all services of one system share. `urls` are base URLs by service, as people's browsers reach them."""

    servers: Servers
    database: str
    role_secret: str = field(repr=False)
    link_secrets: tuple[str, ...] = field(repr=False)
    encryption_keys: tuple[str, ...] = field(repr=False)
    topic_prefix: str = ""
    smtp_host: str = "127.0.0.1"
    smtp_port: int = 25
    urls: Mapping[str, str] = field(default_factory=dict)
    clock: Literal["database", "driven"] = "database"


def service_environment(service: str, wiring: Wiring, *, http_port: int, metrics_port: int) -> dict[str, str]:
    """The environment of one service: ours on top of this process's own.

    Each service gets what it needs and no more: encryption keys go to intake, the mail server and base URLs to
    notifications, and to pulse no database.
    """
    environment = {
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        "MENTORSTREAM_KAFKA_BOOTSTRAP": wiring.servers.kafka_bootstrap,
        "MENTORSTREAM_TOPIC_PREFIX": wiring.topic_prefix,
        "MENTORSTREAM_HTTP_PORT": str(http_port),
        "MENTORSTREAM_METRICS_PORT": str(metrics_port),
        "MENTORSTREAM_CLOCK": wiring.clock,
    }
    for not_for_services in ("MENTORSTREAM_POSTGRES_URL", "MENTORSTREAM_ROLE_SECRET"):
        environment.pop(not_for_services, None)
    if service in SERVICES_WITH_DATABASE:
        admin_url = wiring.servers.postgres_admin_url
        for variable, role in (("DATABASE_URL", worker_role(service)), ("API_DATABASE_URL", api_role(service))):
            environment[f"MENTORSTREAM_{variable}"] = role_url(admin_url, wiring.database, role, wiring.role_secret)
        environment["MENTORSTREAM_LINK_SECRETS"] = json.dumps(wiring.link_secrets)
    if service == "intake":
        environment["MENTORSTREAM_ENCRYPTION_KEYS"] = json.dumps(wiring.encryption_keys)
    if service == "notifications":
        environment["MENTORSTREAM_SMTP_HOST"] = wiring.smtp_host
        environment["MENTORSTREAM_SMTP_PORT"] = str(wiring.smtp_port)
        for linked in _LINKED_SERVICES:
            if linked in wiring.urls:
                environment[f"MENTORSTREAM_{linked.upper()}_URL"] = wiring.urls[linked]
    return environment


class ServiceProcess(Daemon):
    """One process of one service. Ready when its /health/ready says so.

    `extra` wins over the wiring's environment. Several processes of one service differ in `name` and directory. To
    look at it, or to stop it, no wiring is needed; to start it, it must be there.
    """

    port_names = ("port", "metrics_port")
    may_move = False

    def __init__(
        self,
        service: str,
        directory: Path,
        wiring: Wiring | None = None,
        *,
        mode: Literal["api", "worker", "all"] = "all",
        name: str | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(name or service, directory)
        self.service = service
        self.wiring = wiring
        self._mode = mode
        self._extra = extra or {}

    @property
    def addresses(self) -> dict[str, str]:
        """The API, and health with metrics."""
        return {"api": self.url, "metrics": f"{self.metrics_url}/metrics"}

    @property
    def url(self) -> str:
        """Base URL of its API."""
        return f"http://127.0.0.1:{self.ports['port']}"

    @property
    def metrics_url(self) -> str:
        """Base URL of its health endpoints and metrics."""
        return f"http://127.0.0.1:{self.ports['metrics_port']}"

    def is_ready(self) -> bool:
        """What /health/ready says now; False when it does not answer."""
        return _answers_ok(f"{self.metrics_url}/health/ready")

    def _prepare(self, ports: Mapping[str, int]) -> None:
        pass

    def _command(self, ports: Mapping[str, int]) -> tuple[Sequence[str], Mapping[str, str]]:
        if self.wiring is None:
            raise RuntimeError(f"{self.name} was not told its wiring")
        environment = service_environment(
            self.service, self.wiring, http_port=ports["port"], metrics_port=ports["metrics_port"]
        )
        # A name that outlives the process: after a crash its successor gets partitions and lanes back at once.
        environment |= {"MENTORSTREAM_INSTANCE": self.name, "MENTORSTREAM_STATIC_MEMBERSHIP": "true"}
        # -P: the caller's directory is no place to import from.
        return [sys.executable, "-P", "-m", self.service, self._mode], {**environment, **self._extra}

    def _is_ready(self, pid: int, ports: Mapping[str, int]) -> bool:
        return self.is_ready()


class MailSinkProcess(Daemon):
    """`mentorstream_local.smtp_sink` as a process: `port` is SMTP's, `http_port` that of the page."""

    port_names = ("port", "http_port")
    may_move = False

    def __init__(self, directory: Path, *, kept: int = 2000) -> None:
        super().__init__("mail", directory)
        self._kept = kept

    @property
    def addresses(self) -> dict[str, str]:
        """The page, and where mail is sent to."""
        return {"mails": self.url, "smtp": f"127.0.0.1:{self.ports['port']}"}

    @property
    def url(self) -> str:
        """The page that lists the mails."""
        return f"http://127.0.0.1:{self.ports['http_port']}"

    def _prepare(self, ports: Mapping[str, int]) -> None:
        pass

    def _command(self, ports: Mapping[str, int]) -> tuple[Sequence[str], Mapping[str, str]]:
        options = {
            "--directory": self.directory / "mails",
            "--smtp-port": ports["port"],
            "--http-port": ports["http_port"],
            "--kept": self._kept,
        }
        arguments = [str(part) for option in options.items() for part in option]
        return [sys.executable, "-P", "-m", "mentorstream_local.smtp_sink", *arguments], os.environ

    def _is_ready(self, pid: int, ports: Mapping[str, int]) -> bool:
        return _answers_ok(f"{self.url}/health/ready")


def _answers_ok(url: str) -> bool:
    # Asked fifty times a second while services start, so by the lightest client there is; no proxy plays a part.
    place = urlsplit(url)
    connection = HTTPConnection(str(place.hostname), place.port, timeout=2)
    try:
        connection.request("GET", place.path)
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
