"""The two servers of a local stack, started and stopped together, and the secrets that belong to them.

A stack is a directory: `kafka/`, `postgres/`, later `services/`, and `secrets.json`. A named one lies in `.local/` and
keeps its data; an ephemeral one lies in the temporary directory, belongs to one process, and is removed with its data.
If that process dies without cleaning up, the next ephemeral stack to start ends what it left behind.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mentorstream_local.broker import Broker, BrokerSettings
from mentorstream_local.daemons import Daemon, ProcessMark, kill_recorded
from mentorstream_local.paths import local_directory
from mentorstream_local.postgres import Postgres, PostgresSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Progress = Callable[[str], None]

STALE = "was not running; its state file named a process that is gone, or a pid that is now another's"
_OWNER_FILE = "owner.json"


@dataclass(frozen=True)
class Servers:
    """Where the two servers of a stack are reached."""

    kafka_bootstrap: str
    postgres_admin_url: str


@dataclass(frozen=True)
class StackSecrets:
    """What a stack makes up once and keeps. Of link secrets the last one signs, of Fernet keys the
    first one encrypts; all are accepted."""

    postgres_password: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    role_secret: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    link_secrets: tuple[str, ...] = field(default_factory=lambda: (secrets.token_urlsafe(32),), repr=False)
    encryption_keys: tuple[str, ...] = field(default_factory=lambda: (_fernet_key(),), repr=False)

    @classmethod
    def load_or_create(cls, path: Path) -> StackSecrets:
        """Read them, or make them up and write them, readable by the owner only."""
        with contextlib.suppress(FileNotFoundError):
            stored = json.loads(path.read_text())
            return cls(
                stored["postgres_password"],
                stored["role_secret"],
                tuple(stored["link_secrets"]),
                tuple(stored["encryption_keys"]),
            )
        made_up = cls()
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:  # noqa: PTH123
            json.dump(asdict(made_up), handle)
        partial.replace(path)
        return made_up

    def named_by(self, environment: Mapping[str, str]) -> StackSecrets:
        """With what the environment names in place of ours: a server that is not ours has roles and rows of its own.

        Raises `ValueError` when MENTORSTREAM_ENCRYPTION_KEYS is no JSON list.
        """
        keys = json.loads(environment.get("MENTORSTREAM_ENCRYPTION_KEYS", "null"))
        if not isinstance(keys, list | None):
            raise ValueError("MENTORSTREAM_ENCRYPTION_KEYS is no JSON list")  # noqa: TRY004 - the text is what is wrong
        return replace(
            self,
            role_secret=environment.get("MENTORSTREAM_ROLE_SECRET", self.role_secret),
            encryption_keys=self.encryption_keys if keys is None else tuple(keys),
        )


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


class Stack:
    """One broker and one PostgreSQL server in a directory.

    A server that MENTORSTREAM_KAFKA_BOOTSTRAP or MENTORSTREAM_POSTGRES_URL (a superuser's DSN) names is used in place
    of one of ours, unless `own_servers` is set; its handle is then None, and `down` leaves it alone.

    Servers of a `disposable` one do not wait for the disk, and end without putting anything in order: its directory
    stays, but nobody starts them on it again. An `ephemeral` one's directory goes, too.
    """

    def __init__(
        self,
        directory: Path,
        *,
        ephemeral: bool = False,
        disposable: bool = False,
        own_servers: bool = False,
        broker_settings: BrokerSettings | None = None,
        postgres_settings: PostgresSettings | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.directory = directory
        self.ephemeral = ephemeral
        disposable = disposable or ephemeral
        self.secrets = StackSecrets.load_or_create(directory / "secrets.json")
        self._progress = progress or (lambda _line: None)
        kafka, postgres = (
            (None, None)
            if own_servers
            else (os.environ.get("MENTORSTREAM_KAFKA_BOOTSTRAP"), os.environ.get("MENTORSTREAM_POSTGRES_URL"))
        )
        self._external_kafka, self._external_postgres = kafka, postgres
        if postgres:
            self.secrets = self.secrets.named_by(os.environ)
        self.broker = None if kafka else Broker(directory / "kafka", broker_settings, ephemeral=disposable)
        self.postgres = (
            None
            if postgres
            else Postgres(
                directory / "postgres", self.secrets.postgres_password, postgres_settings, ephemeral=disposable
            )
        )

    @classmethod
    def named(cls, name: str = "default", *, progress: Progress | None = None) -> Stack:
        """The stack `.local/<name>`, which keeps its data."""
        return cls(local_directory() / name, progress=progress)

    @property
    def daemons(self) -> tuple[Daemon, ...]:
        """Our own servers."""
        return tuple(daemon for daemon in (self.broker, self.postgres) if daemon is not None)

    @property
    def servers(self) -> Servers:
        """Where they are, or were last. Raises `RuntimeError` if one never started."""
        return Servers(
            self.broker.bootstrap if self.broker else str(self._external_kafka),
            self.postgres.admin_url if self.postgres else str(self._external_postgres),
        )

    @property
    def running(self) -> bool:
        """Whether all our own servers run."""
        return all(daemon.process() is not None for daemon in self.daemons)

    def up(self) -> Servers:
        """Start what does not run yet, both at once. On error whatever this call started is stopped again.

        Raises `StartError`.
        """
        absent = [daemon for daemon in self.daemons if daemon.process() is None]
        with ThreadPoolExecutor(2, thread_name_prefix="stack") as pool:
            starts = {daemon: pool.submit(self._start, daemon) for daemon in absent}
        failed = [error for start in starts.values() if (error := start.exception()) is not None]
        if failed:
            for daemon in absent:
                daemon.kill()
            raise failed[0]
        for name, address in (("kafka", self._external_kafka), ("postgres", self._external_postgres)):
            if address:
                self._progress(f"{name}: using the server named by the environment")
        return self.servers

    def _start(self, daemon: Daemon) -> None:
        if daemon.state() == "stale":
            self._progress(f"{daemon.name}: {STALE}")
        started = time.monotonic()
        daemon.start()
        self._progress(f"{daemon.name}: ready on port {daemon.ports['port']} ({time.monotonic() - started:.1f} s)")

    def down(self) -> None:
        """Stop our servers, both at once; of an ephemeral stack the directory goes, too."""
        with ThreadPoolExecutor(2, thread_name_prefix="stack") as pool:
            for _ in pool.map(self._stop, self.daemons):
                pass
        if self.ephemeral and self.directory.exists():  # whoever ran a system on it may have stopped it already
            shutil.rmtree(self.directory)

    def _stop(self, daemon: Daemon) -> None:
        was = daemon.state()
        daemon.stop()
        if was == "running":
            self._progress(f"{daemon.name}: stopped")
        elif was == "stale":
            self._progress(f"{daemon.name}: {STALE}")


def new_ephemeral_stack(
    owner_pid: int | None = None,
    *,
    own_servers: bool = False,
    broker_settings: BrokerSettings | None = None,
    postgres_settings: PostgresSettings | None = None,
    progress: Progress | None = None,
) -> Stack:
    """A stack in the temporary directory, not started yet, that belongs to the process `owner_pid` (else ours)."""
    home = _ephemeral_home()
    end_abandoned_stacks()
    directory = Path(tempfile.mkdtemp(dir=home))
    directory.chmod(0o711)  # PostgreSQL may run as another user; what is secret inside is closed file by file
    mark = ProcessMark.of(owner_pid or os.getpid())
    (directory / _OWNER_FILE).write_text(json.dumps(asdict(mark)))
    return Stack(
        directory,
        ephemeral=True,
        own_servers=own_servers,
        broker_settings=broker_settings,
        postgres_settings=postgres_settings,
        progress=progress,
    )


@contextlib.contextmanager
def ephemeral_stack(
    *,
    own_servers: bool = False,
    broker_settings: BrokerSettings | None = None,
    postgres_settings: PostgresSettings | None = None,
    progress: Progress | None = None,
) -> Iterator[Stack]:
    """A running stack that is gone, with its data, when the block ends."""
    stack = new_ephemeral_stack(
        own_servers=own_servers,
        broker_settings=broker_settings,
        postgres_settings=postgres_settings,
        progress=progress,
    )
    try:
        stack.up()
        yield stack
    finally:
        stack.down()


def end_abandoned_stacks() -> int:
    """End what ephemeral stacks left behind whose owner died without stopping them; returns how many there were."""
    ended = 0
    for directory in _ephemeral_home().iterdir():
        try:
            owner = ProcessMark(**json.loads((directory / _OWNER_FILE).read_text()))
        except (FileNotFoundError, NotADirectoryError, ValueError):
            continue  # just being made, or being removed
        if owner.find() is None:
            with contextlib.suppress(FileNotFoundError):  # another process may be at the same
                kill_recorded(directory)
                Stack(directory, ephemeral=True, own_servers=True).down()
            ended += 1
    return ended


def _ephemeral_home() -> Path:
    home = Path(tempfile.gettempdir()) / f"mentorstream-{os.getuid()}"
    home.mkdir(mode=0o711, exist_ok=True)
    if home.stat().st_uid != os.getuid():
        raise PermissionError(f"{home} belongs to another user")
    return home
