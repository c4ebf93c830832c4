"""The whole system on one machine: a stack's servers, the migrated database, the topics, the mail sink, six services.

Everything lives in the stack's directory. Whatever runs already is left running, so `up` may be called again at any
time; what one call of `up` started is stopped again when that call fails.
"""

from __future__ import annotations

import contextlib
import fcntl
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mentorstream_local.migrations import migrate
from mentorstream_local.services import SERVICES, MailSinkProcess, ServiceProcess, Wiring
from mentorstream_local.stack import STALE
from mentorstream_local.topics import create_topics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mentorstream_local.daemons import Daemon, State
    from mentorstream_local.stack import Progress, Stack

DATABASE = "mentorstream"


@dataclass(frozen=True)
class PartStatus:
    """One process of the system. `ready` is None for what does not run."""

    name: str
    state: State
    pid: int | None
    ready: bool | None
    addresses: dict[str, str]


class LocalSystem:
    """A stack with everything on top. `services` holds the six processes by name, running or not.

    `extra` are variables of single services, on top of what `service_environment` gives them.
    """

    def __init__(
        self,
        stack: Stack,
        *,
        database: str = DATABASE,
        topic_prefix: str = "",
        clock: Literal["database", "driven"] = "database",
        progress: Progress | None = None,
        mails_kept: int = 2000,
        extra: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.stack = stack
        self.mail = MailSinkProcess(stack.directory / "mail", kept=mails_kept)
        self.services = {
            name: ServiceProcess(name, stack.directory / "services" / name, extra=(extra or {}).get(name))
            for name in SERVICES
        }
        self._database = database
        self._topic_prefix = topic_prefix
        self._clock: Literal["database", "driven"] = clock
        self._progress = progress or (lambda _line: None)

    @property
    def daemons(self) -> list[Daemon]:
        """Every process of the system, in the order of starting."""
        return [*self.stack.daemons, self.mail, *self.services.values()]

    def up(self, services: Sequence[str] = SERVICES, *, prepare: Callable[[], None] | None = None) -> None:
        """Bring up what does not run yet. On error whatever this call started is stopped again.

        `prepare` is called when the database is migrated and no service of this call has started.
        Raises `StartError`, `MigrationError` or `TopicsError`, and what `prepare` raises.
        """
        with self._one_at_a_time():
            absent = [daemon for daemon in self.daemons if daemon.process() is None]
            try:
                self._up(services, prepare)
            except BaseException:
                for daemon in reversed(absent):
                    daemon.kill()
                raise

    def down(self) -> None:
        """Stop everything: services first, so that they can hand over what they hold, then what they stand on."""
        with self._one_at_a_time():
            with ThreadPoolExecutor(len(self.services) + 1, thread_name_prefix="system") as pool:
                for _ in pool.map(self._stop, [*self.services.values(), self.mail]):
                    pass
            self.stack.down()

    def wiring(self) -> Wiring:
        """How the services of this system are wired; chooses ports where none were. The servers must run."""
        secrets = self.stack.secrets
        return Wiring(
            servers=self.stack.servers,
            database=self._database,
            topic_prefix=self._topic_prefix,
            role_secret=secrets.role_secret,
            link_secrets=secrets.link_secrets,
            encryption_keys=secrets.encryption_keys,
            smtp_port=self.mail.reserve_ports()["port"],
            urls={
                name: f"http://127.0.0.1:{service.reserve_ports()['port']}" for name, service in self.services.items()
            },
            clock=self._clock,
        )

    def status(self) -> list[PartStatus]:
        """How each process is now. What runs is asked whether it is ready."""
        return [self._status_of(daemon) for daemon in self.daemons]

    def _up(self, names: Sequence[str], prepare: Callable[[], None] | None) -> None:
        self.mail.reserve_ports()  # before it starts beside the servers, so that the wiring cannot name other ports
        with ThreadPoolExecutor(3, thread_name_prefix="system") as pool:
            servers = self.stack.up()
            wiring = self.wiring()  # reserves ports, so not while the mail sink starts on its own
            mail = pool.submit(self._start, self.mail)
            steps = [
                pool.submit(self._told, "migrations", "applied", self._migrate),
                pool.submit(
                    self._told, "topics", "checked", lambda: create_topics(servers.kafka_bootstrap, self._topic_prefix)
                ),
                mail,
            ]
        for step in steps:
            step.result()
        if prepare is not None:
            prepare()
        chosen = [self.services[name] for name in names]
        for service in chosen:
            service.wiring = wiring
        with ThreadPoolExecutor(len(chosen), thread_name_prefix="system") as pool:
            starts = [pool.submit(self._start, service) for service in chosen]
        for start in starts:
            start.result()

    def _migrate(self) -> None:
        migrate(self.stack.servers.postgres_admin_url, self._database, role_secret=self.stack.secrets.role_secret)

    def _start(self, daemon: Daemon) -> None:
        if daemon.process() is not None:
            self._progress(f"{daemon.name}: runs already")
            return
        self._told(daemon.name, "ready", daemon.start)

    def _stop(self, daemon: Daemon) -> None:
        was = daemon.state()
        daemon.stop()
        if was == "running":
            self._progress(f"{daemon.name}: stopped")
        elif was == "stale":
            self._progress(f"{daemon.name}: {STALE}")

    def _told(self, name: str, outcome: str, work: Callable[[], object]) -> None:
        started = time.monotonic()
        work()
        self._progress(f"{name}: {outcome} ({time.monotonic() - started:.1f} s)")

    def _status_of(self, daemon: Daemon) -> PartStatus:
        process = daemon.process()
        if process is None:
            return PartStatus(daemon.name, daemon.state(), None, None, {})
        ready = daemon.is_ready() if isinstance(daemon, ServiceProcess) else True
        return PartStatus(daemon.name, "running", process.pid, ready, daemon.addresses)

    @contextlib.contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """Two commands on one stack would start things twice, or stop what the other starts."""
        with (self.stack.directory / "lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
