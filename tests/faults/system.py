"""The whole system as processes that may be killed, frozen, doubled, cut off and brought back, on servers of its own.

Only brings about what a test asks for and says how things are. It injects nothing by itself and judges nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families
from tests.faults.proxy import TcpProxy

from mentorstream_local.broker import Broker, BrokerSettings
from mentorstream_local.daemons import Daemon, free_port
from mentorstream_local.demo.driver import set_clock
from mentorstream_local.demo.partners import Ledger
from mentorstream_local.loops import run_apart
from mentorstream_local.migrations import database_url, migrate
from mentorstream_local.postgres import Postgres, PostgresSettings
from mentorstream_local.services import SERVICES, ServiceProcess
from mentorstream_local.stack import Servers, new_ephemeral_stack
from mentorstream_local.system import LocalSystem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tests.faults.driver import Partner
    from tests.faults.expectations import Expected

    from mentorstream_local.demo.data import PoisonRecord
    from mentorstream_local.services import Wiring
    from mentorstream_local.stack import Stack

# A Monday in the three weeks in which America has summer time and Europe has not: both changes lie ahead or behind.
STARTS_AT = datetime.fromisoformat("2026-03-09T08:00:00+00:00")
ROOT = Path(__file__).resolve().parents[2]
# What every start says: it would hide what is asked for.
_QUIET = ('"partition_claimed"', "Connection reset by peer")
_EXTRA: dict[str, dict[str, str]] = {
    # The tests that share a system move its time on by more than a month, and what was accepted is checked to the end.
    "intake": {"MENTORSTREAM_ACCEPTED_DAYS": "365"},
    "notifications": {
        # Mails go at once, so that a fault finds some under way; and nobody wants to watch retries.
        "MENTORSTREAM_MAIL_HOLD_SECONDS": "0",
        "MENTORSTREAM_RETRY_BASE_SECONDS": "0.2",
    },
}


@dataclass(frozen=True, slots=True)
class Proxies:
    """Which proxies a service is to use in place of the servers themselves."""

    broker: TcpProxy | None = None
    postgres: TcpProxy | None = None


class FaultService(ServiceProcess):
    """One process of one service. What is set here holds from its next start on.

    `through`: reach the servers by these proxies. `point`: what happens at a fault point (see `pointed`). `variables`:
    on top of everything else; one that `pointed` reads makes it the launcher. `sources`: directories that its code is
    imported from, before the installed packages.
    """

    def __init__(
        self,
        service: str,
        directory: Path,
        *,
        mode: Literal["api", "worker", "all"],
        name: str,
        variables: Mapping[str, str],
    ) -> None:
        super().__init__(service, directory, mode=mode, name=name)
        self.through = Proxies()
        self.point: str | None = None
        self.variables: dict[str, str] = dict(variables)
        self.sources: tuple[Path, ...] = ()

    def _command(self, ports: Mapping[str, int]) -> tuple[list[str], dict[str, str]]:
        direct = self.wiring
        assert direct is not None, f"{self.name} was not told its wiring"
        self.wiring = replace(direct, servers=self._servers(direct))
        try:
            command, environment = super()._command(ports)
        finally:
            self.wiring = direct
        told = {**environment, **self.variables}
        path = [str(source) for source in self.sources]
        if self.point is not None:
            told["MENTORSTREAM_FAULT_POINT"] = self.point
        if any(name.startswith("MENTORSTREAM_FAULT_") for name in told):
            at = command.index("-m") + 1
            command = [*command[:at], "tests.faults.pointed", *command[at:]]
            path.append(str(ROOT))
        if path:
            told["PYTHONPATH"] = os.pathsep.join([*path, told.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        return list(command), told

    def _servers(self, direct: Wiring) -> Servers:
        servers = direct.servers
        if self.through.broker is not None:
            servers = replace(servers, kafka_bootstrap=f"127.0.0.1:{self.through.broker.port}")
        if self.through.postgres is not None:
            host, _, rest = servers.postgres_admin_url.rpartition(":")
            _, _, path = rest.partition("/")
            servers = replace(servers, postgres_admin_url=f"{host}:{self.through.postgres.port}/{path}")
        return servers

    def kill_now(self) -> None:
        """SIGKILL, and return at once: for killing several at one moment. Follow it by `kill`."""
        process = self.process()
        if process is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


class FaultSystem:
    """Broker, database, mail sink and services of one system, and what was done to it so far."""

    def __init__(self, stack: Stack, *, extra: Mapping[str, Mapping[str, str]] | None = None) -> None:
        assert stack.broker is not None
        assert stack.postgres is not None
        self.stack = stack
        self.broker: Broker = stack.broker
        self.postgres: Postgres = stack.postgres
        self._extra = {name: {**_EXTRA.get(name, {}), **(extra or {}).get(name, {})} for name in SERVICES}
        self._local = LocalSystem(stack, topic_prefix="faults.", clock="driven", mails_kept=1_000_000)
        self.services: dict[str, FaultService] = {name: self._service(name, name, "all") for name in SERVICES}
        self._local.services = self.services  # type: ignore[assignment] # ours are ServiceProcesses, too
        self.mail = self._local.mail
        self._proxies: list[TcpProxy] = []
        # The broker tells its clients where to connect, so the way around by a proxy is a listener of its own.
        self._behind_proxy, self._proxied = free_port(), free_port()
        self.broker.settings = replace(
            self.broker.settings, overrides={**self.broker.settings.overrides, **self._listeners()}
        )
        self.now = STARTS_AT
        self.ledger = Ledger()
        self.partners: dict[str, Partner] = {}
        self.expected: dict[tuple[str, str, str], Expected] = {}
        self.names: dict[tuple[str, str], str] = {}
        self.poison: list[PoisonRecord] = []
        self.resends = 0
        self.loads = 0
        self.is_used_up = False  # no later test may build on it
        self.mails_seen: dict[str, str] = {}

    def up(self) -> None:
        """Start everything, with the clock set before any service asks for the time."""
        servers = self.stack.up()
        wiring = self._local.wiring()
        migrate(servers.postgres_admin_url, wiring.database, role_secret=wiring.role_secret)
        run_apart(self._set_clock(wiring))
        self._local.up()

    def down(self) -> None:
        """Stop everything at once: nobody reads its data again."""
        self._each(self._kill, self.services.values())
        self._kill(self.mail)
        for proxy in self._proxies:
            proxy.close()
        self.stack.down()

    @property
    def wiring(self) -> Wiring:
        """How the services are wired."""
        return self._local.wiring()

    @property
    def admin_url(self) -> str:
        """The superuser's address of the services' database: for looking, and for harm on purpose."""
        wiring = self.wiring
        return database_url(wiring.servers.postgres_admin_url, wiring.database)

    @property
    def mailbox(self) -> Path:
        """Where the mail sink keeps what it got."""
        return self.mail.directory / "mails"

    def broker_proxy(self) -> TcpProxy:
        """The proxy that leads to the broker and that the broker's listener behind it advertises."""
        for proxy in self._proxies:
            if proxy.port == self._proxied:
                return proxy
        return self._kept(TcpProxy(self._behind_proxy, port=self._proxied))

    def postgres_proxy(self) -> TcpProxy:
        """A new proxy that leads to the database."""
        return self._kept(TcpProxy(self.postgres.ports["port"]))

    def add_worker(
        self,
        service: str,
        *,
        through: Proxies | None = None,
        variables: Mapping[str, str] | None = None,
        sources: tuple[Path, ...] = (),
        mode: Literal["worker", "all"] = "worker",
    ) -> FaultService:
        """Start one more process of a service, and return it once it is ready."""
        name = next(name for number in range(2, 100) if (name := f"{service}-{number}") not in self.services)
        added = self._service(service, name, mode)
        added.variables |= variables or {}
        added.through, added.sources = through or Proxies(), sources
        added.wiring = self.wiring
        self.services[name] = added
        added.start()
        return added

    def remove(self, name: str, *, kill: bool = False) -> int | None:
        """Stop a further process and forget it; returns its exit code. With `kill` by SIGKILL."""
        removed = self.services.pop(name)
        removed.kill() if kill else removed.stop()
        return removed.exit_code

    def of(self, service: str) -> list[FaultService]:
        """All processes of a service."""
        return [process for process in self.services.values() if process.service == service]

    def kill_all(self) -> None:
        """SIGKILL to every service's processes, all at one moment."""
        for service in self.services.values():
            service.kill_now()
        self._each(self._kill, self.services.values())

    def start_all(self) -> None:
        """Start what does not run, all at once, and wait until each is ready."""
        self._each(self._start, self.services.values())

    def restore_health(self) -> None:
        """Bring back what a test left dead, frozen, cut off or doubled."""
        for proxy in self._proxies:
            proxy.heal()
        for daemon in [self.broker, self.postgres, self.mail, *self.services.values()]:
            process = daemon.process()
            if process is None and isinstance(daemon, Broker | Postgres):
                daemon.restart()
            elif process is not None and process.status() == psutil.STATUS_STOPPED:
                daemon.thaw()
        self.mail.start()
        for name in [name for name, process in self.services.items() if name != process.service]:
            self.remove(name)
        for service in self.services.values():
            changed = service.through != Proxies() or service.point is not None or service.sources
            if changed or service.variables != self._extra[service.service]:
                service.through, service.point, service.sources = Proxies(), None, ()
                service.variables = dict(self._extra[service.service])
                service.stop()
        self.start_all()

    def metric(self, name: str, metric: str, **labels: str) -> float:
        """The sum of a metric's samples with these labels at one process now; 0 where there is none."""
        with httpx.Client(trust_env=False, timeout=10) as client:
            text = client.get(f"{self.services[name].metrics_url}/metrics").text
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == metric and labels.items() <= sample.labels.items()
        )

    def said(self, name: str, event: str) -> list[dict[str, Any]]:
        """The lines with this event that a process wrote since its last start."""
        lines = self.services[name].last_lines(100_000).splitlines()
        found = [json.loads(line) for line in lines if f'"event": "{event}"' in line and line.endswith("}")]
        return [line for line in found if line["event"] == event]

    def told(self, lines: int = 12) -> str:
        """How each process is and the end of its log: what to show when a test fails."""
        parts = []
        for daemon in [self.broker, self.postgres, self.mail, *self.services.values()]:
            process = daemon.process()
            state = "gone" if process is None else process.status()
            said = [line for line in daemon.last_lines(200).splitlines() if not any(quiet in line for quiet in _QUIET)]
            parts += [f"--- {daemon.name}: {state}, exit code {daemon.exit_code}", *said[-lines:]]
        return "\n".join(parts)

    def _service(self, service: str, name: str, mode: Literal["api", "worker", "all"]) -> FaultService:
        directory = self.stack.directory / "services" / name
        return FaultService(service, directory, mode=mode, name=name, variables=self._extra[service])

    def _listeners(self) -> dict[str, str]:
        ports = self.broker.reserve_ports()
        broker, controller = f"127.0.0.1:{ports['port']}", f"127.0.0.1:{ports['controller_port']}"
        return {
            "listeners": f"PLAINTEXT://{broker},PROXIED://127.0.0.1:{self._behind_proxy},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{broker},PROXIED://127.0.0.1:{self._proxied}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
        }

    def _kept(self, proxy: TcpProxy) -> TcpProxy:
        self._proxies.append(proxy)
        return proxy

    async def _set_clock(self, wiring: Wiring) -> None:
        async with set_clock(wiring) as connection:
            await connection.execute(
                "INSERT INTO clock.business_time (now) VALUES ($1) ON CONFLICT (only_row) DO UPDATE SET now = $1",
                self.now,
            )

    @staticmethod
    def _each(work: Callable[[Any], object], daemons: Iterable[Daemon]) -> None:
        chosen = list(daemons)
        with ThreadPoolExecutor(len(chosen), thread_name_prefix="faults") as pool:
            for _ in pool.map(work, chosen):
                pass

    @staticmethod
    def _kill(daemon: Daemon) -> None:
        daemon.kill()

    @staticmethod
    def _start(daemon: Daemon) -> None:
        daemon.start()


@contextlib.contextmanager
def own_system(
    *,
    postgres_settings: PostgresSettings | None = None,
    broker_settings: BrokerSettings | None = None,
    extra: Mapping[str, Mapping[str, str]] | None = None,
    prepare: Callable[[Stack], None] | None = None,
) -> Iterator[FaultSystem]:
    """A running system on servers of its own, gone at the end. `prepare` may change the stack before it starts."""
    stack = new_ephemeral_stack(own_servers=True, broker_settings=broker_settings, postgres_settings=postgres_settings)
    if prepare is not None:
        prepare(stack)
    system = FaultSystem(stack, extra=extra)
    try:
        system.up()
        yield system
    finally:
        system.down()
