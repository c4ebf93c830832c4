"""Rebuilds what a service decided, from its topics, in a database of its own; nothing is published.

It runs the service's own `replay` in a process, and knows nothing of what comes out of it.
"""

from __future__ import annotations

import subprocess
import sys

from mentorstream_local.migrations import migrate, role_url, worker_role
from mentorstream_local.services import Wiring, service_environment

_SHOWN_CHARACTERS = 500


class RebuildError(RuntimeError):
    """The replay did not reach its end. The message has the last that it said."""


def rebuild(service: str, wiring: Wiring, database: str) -> None:
    """Migrate the database, made if missing, and replay the service's topics into it.

    Raises `RebuildError`, `MigrationError`.
    """
    admin = wiring.servers.postgres_admin_url
    migrate(admin, database, [service], role_secret=wiring.role_secret)
    environment = service_environment(service, wiring, http_port=0, metrics_port=0)
    environment["MENTORSTREAM_DATABASE_URL"] = role_url(admin, database, worker_role(service), wiring.role_secret)
    outcome = subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, "-P", "-m", service, "replay"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if outcome.returncode != 0:
        said = outcome.stdout[-_SHOWN_CHARACTERS:].strip()
        raise RebuildError(f"the replay ended with exit code {outcome.returncode}: {said}")
