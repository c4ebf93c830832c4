"""The test bed: one broker and one PostgreSQL server, real and with fsync on, and the processes that are measured.

Each case gets a database and topics of its own. A worker is started, warmed with events of other programs, stopped by
SIGSTOP while the measured events are laid on the topic, and let go: so reading, deciding and publishing are measured,
and neither the start of a process nor the laying.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from types import MappingProxyType
from typing import IO, Any, Final

import asyncpg
import httpx
import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.partitioner import DefaultPartitioner

from mentorstream_local.broker import BrokerSettings
from mentorstream_local.migrations import database_url, grant_database, migrate, role_url, worker_role
from mentorstream_local.postgres import PostgresSettings
from mentorstream_local.records import TopicRecord, read_records
from mentorstream_local.services import Wiring, service_environment
from mentorstream_local.stack import Stack
from mentorstream_local.topics import create_topics, delete_topics

from .workload import START, Message

ROOT: Final = Path(__file__).resolve().parents[2]
PARTITIONS: Final = 12
_WAIT_SECONDS: Final = 900.0


@dataclass(frozen=True, slots=True)
class Cpu:
    """CPU seconds used, by part."""

    workers: float
    database: float
    broker: float

    @property
    def total(self) -> float:
        """Of all parts."""
        return self.workers + self.database + self.broker


@dataclass(frozen=True, slots=True)
class Timing:
    """One measured run: how many events, how long, what CPU, and the workers' memory at its end in MiB."""

    events: int
    seconds: float
    cpu: Cpu
    memory_mebibytes: float

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds


class Bed:
    """The servers of one run."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.servers = stack.servers
        self.template = f"template_{secrets.token_hex(4)}"
        self.environment = source_environment()

    async def migrate(self) -> None:
        """Make the database that cases get copies of. Business time stands at the workload's start: nothing expires."""
        admin_url = self.servers.postgres_admin_url
        migrate(admin_url, self.template, role_secret=self.stack.secrets.role_secret)
        connection = await asyncpg.connect(database_url(admin_url, self.template))
        await connection.execute("INSERT INTO clock.business_time (now) VALUES ($1)", START)
        await connection.close()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[Place]:
        """A database and topics for one case, gone afterwards."""
        name = f"bench_{secrets.token_hex(4)}"
        prefix = f"{name}."
        admin = await asyncpg.connect(self.servers.postgres_admin_url)
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE {self.template}")
        await grant_database(admin, name)
        create_topics(self.servers.kafka_bootstrap, prefix, partitions=PARTITIONS)
        connection = await asyncpg.connect(database_url(self.servers.postgres_admin_url, name))
        place = Place(self, name, prefix, connection)
        try:
            yield place
        finally:
            place.stop_workers()
            await connection.close()
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
            await admin.execute("CHECKPOINT")  # what one case wrote is not for the next one to flush
            await admin.close()
            delete_topics(self.servers.kafka_bootstrap, prefix)

    def cpu_of_servers(self) -> tuple[float, float]:
        """CPU seconds of the database (all its processes, also those that ended) and of the broker, so far."""
        assert self.stack.postgres is not None
        assert self.stack.broker is not None
        return _tree_seconds(self.stack.postgres.process()), _tree_seconds(self.stack.broker.process())


@dataclass
class Place:
    """A database and topics, and the worker processes on them."""

    bed: Bed
    database: str
    prefix: str
    admin: asyncpg.Connection[asyncpg.Record]
    workers: list[psutil.Popen] = field(default_factory=list)
    logs: list[IO[bytes]] = field(default_factory=list)

    @property
    def wiring(self) -> Wiring:
        """As services are told it."""
        stack_secrets = self.bed.stack.secrets
        return Wiring(
            servers=self.bed.servers,
            database=self.database,
            role_secret=stack_secrets.role_secret,
            link_secrets=stack_secrets.link_secrets,
            encryption_keys=stack_secrets.encryption_keys,
            topic_prefix=self.prefix,
            clock="driven",
        )

    def url(self, role: str) -> str:
        """The DSN of a role."""
        return role_url(self.bed.servers.postgres_admin_url, self.database, role, self.bed.stack.secrets.role_secret)

    def start(self, arguments: Sequence[str], environment: Mapping[str, str]) -> psutil.Popen:
        """Start a process of ours or of a peer; its output goes to a file in the stack's directory."""
        log = (self.bed.stack.directory / f"{self.database}-{len(self.workers)}.log").open("wb")
        self.logs.append(log)
        worker = psutil.Popen(
            [sys.executable, "-P", *arguments],
            env={**environment, **self.bed.environment},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        self.workers.append(worker)
        return worker

    async def start_service(
        self,
        service: str,
        *,
        mode: str = "worker",
        extra: Mapping[str, str] = MappingProxyType({}),
        ready_seconds: float = 180.0,
    ) -> str:
        """One process of a service, ready.

        Returns the URL of its API; raises RuntimeError if it is not ready in time.
        """
        port, metrics_port = free_port(), free_port()
        environment = service_environment(service, self.wiring, http_port=port, metrics_port=metrics_port)
        worker = self.start(
            ["-m", service, mode],
            {
                **environment,
                "MENTORSTREAM_SESSION_TIMEOUT_MS": "30000",  # it is stopped while events are laid
                "MENTORSTREAM_INSTANCE": f"{self.database}-{len(self.workers)}",
                "MENTORSTREAM_LOG_LEVEL": "warning",
                **extra,
            },
        )
        url, deadline = f"http://127.0.0.1:{metrics_port}/health/ready", time.monotonic() + ready_seconds
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            while time.monotonic() < deadline:
                if worker.poll() is not None:
                    raise RuntimeError(f"{service} ended: {self.output()}")
                try:
                    if (await client.get(url)).status_code == httpx.codes.OK:
                        return f"http://127.0.0.1:{port}"
                except httpx.HTTPError:
                    pass
                await asyncio.sleep(0.05)
        raise RuntimeError(f"{service} is not ready: {self.output()}")

    async def start_peer(self, module: str, environment: Mapping[str, str], *, arguments: Sequence[str] = ()) -> None:
        """A process of benchmarks/, ready once it wrote "ready" to its output."""
        worker = self.start(["-m", module, *arguments], {**os.environ, **environment})
        log = Path(self.logs[-1].name)
        while b"ready" not in log.read_bytes():
            if worker.poll() is not None:
                raise RuntimeError(f"{module} ended: {self.output()}")
            await asyncio.sleep(0.02)

    def output(self) -> str:
        """The end of what the processes wrote."""
        return "\n".join(Path(log.name).read_text(errors="replace")[-3000:] for log in self.logs)

    @contextmanager
    def held(self) -> Iterator[None]:
        """The workers do nothing meanwhile."""
        for worker in self.workers:
            worker.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for worker in self.workers:
                worker.send_signal(signal.SIGCONT)

    def stop_workers(self) -> None:
        """End what was started."""
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            try:
                worker.wait(15)
            except psutil.TimeoutExpired:
                worker.kill()
                worker.wait(5)
        self.workers.clear()
        for log in self.logs:
            log.close()
        self.logs.clear()

    async def lay(self, messages: Iterable[Message]) -> int:
        """Put records on their topics, in order for each key; returns how many."""
        return await lay(self.bed.servers.kafka_bootstrap, self.prefix, messages)

    async def measure(self, service: str, messages: Iterable[Message], topics: Sequence[str]) -> Timing:
        """Lay the records while the workers are held, let them go, and wait until all is decided and published."""
        with self.held():
            count = await self.lay(messages)
            ends = await self.ends(topics)
            before, started = self.cpu(), time.perf_counter()
        await self.until_done(service, ends)
        seconds = time.perf_counter() - started
        after = self.cpu()
        cpu = Cpu(*(after[part] - before[part] for part in range(3)))
        return Timing(count, seconds, cpu, self.memory())

    async def settle(self, service: str, topics: Sequence[str]) -> None:
        """Wait until all that lies on the topics is decided and published."""
        await self.until_done(service, await self.ends(topics))

    async def ends(self, topics: Sequence[str]) -> dict[tuple[str, int], int]:
        """Where the topics end, by topic (without prefix) and partition."""
        partitions = [TopicPartition(self.prefix + topic, number) for topic in topics for number in range(PARTITIONS)]
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bed.servers.kafka_bootstrap)
        await consumer.start()
        try:
            ends = await consumer.end_offsets(partitions)
        finally:
            await consumer.stop()
        return {(part.topic.removeprefix(self.prefix), part.partition): end for part, end in ends.items()}

    async def records(self, topic: str) -> list[TopicRecord]:
        """All that the topic has now, in order within each partition."""
        return await read_records(self.bed.servers.kafka_bootstrap, self.prefix, topic)

    async def until_done(self, service: str, ends: Mapping[tuple[str, int], int]) -> None:
        """Until the service's positions are at the ends and its outbox is empty."""
        wanted = {place: end for place, end in ends.items() if end}
        deadline = time.monotonic() + _WAIT_SECONDS
        while time.monotonic() < deadline:
            rows = await self.admin.fetch(f"SELECT topic, partition, next_offset FROM {service}.consumer_position")
            found = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
            if all(found.get(place, 0) >= end for place, end in wanted.items()) and not await self.admin.fetchval(
                f"SELECT EXISTS (SELECT FROM {service}.outbox)"
            ):
                return
            for worker in self.workers:
                if worker.poll() is not None:
                    raise RuntimeError(f"a worker ended: {self.output()}")
            await asyncio.sleep(0.02)
        raise TimeoutError(f"{service} did not finish: {found} of {wanted}: {self.output()}")

    def memory(self) -> float:
        """Resident memory of the workers together, in MiB."""
        return sum(worker.memory_info().rss for worker in self.workers) / 2**20

    def cpu(self) -> tuple[float, float, float]:
        """CPU seconds of workers, database and broker, so far."""
        return sum(map(_tree_seconds, self.workers)), *self.bed.cpu_of_servers()


@asynccontextmanager
async def open_bed(progress: Any = None) -> AsyncIterator[Bed]:
    """Servers with their data in the temporary directory, removed afterwards. They wait for the disk, as real ones."""
    directory = Path(mkdtemp(prefix="mentorstream-bench-"))
    directory.chmod(0o711)
    stack = Stack(
        directory,
        own_servers=True,
        broker_settings=BrokerSettings(heap_megabytes=1024),
        postgres_settings=PostgresSettings(shared_buffers_megabytes=512),
        progress=progress,
    )
    try:
        stack.up()
        bed = Bed(stack)
        await bed.migrate()
        yield bed
    finally:
        stack.down()
        subprocess.run(["rm", "-rf", str(directory)], check=False)  # noqa: S603, S607 - our own directory


async def lay(bootstrap: str, prefix: str, messages: Iterable[Message]) -> int:
    """Put records on their topics as whole batches, in order for each partition; returns how many."""
    partition_of = DefaultPartitioner()
    everything = list(range(PARTITIONS))
    count = 0
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, max_batch_size=512 * 1024) as producer:
        builders: dict[TopicPartition, Any] = {}
        for each in messages:
            target = TopicPartition(prefix + each.topic, partition_of(each.key, everything, everything))
            record = {"timestamp": None, "key": each.key, "value": each.value, "headers": each.headers}
            builder = builders.get(target)
            if builder is None or builder.append(**record) is None:
                if builder is not None:
                    builder.close()
                    await producer.send_batch(builder, target.topic, partition=target.partition)
                builders[target] = producer.create_batch()
                builders[target].append(**record)
            count += 1
        for target, builder in builders.items():
            builder.close()
            await producer.send_batch(builder, target.topic, partition=target.partition)
        await producer.flush()
    return count


def source_environment() -> dict[str, str]:
    """This checkout's own sources come first, wherever the packages are installed from."""
    sources = [*ROOT.glob("libs/*/src"), *ROOT.glob("services/*/src"), ROOT / "deploy" / "local" / "src", ROOT]
    return {"PYTHONPATH": os.pathsep.join(map(str, sources)), "PYTHONUNBUFFERED": "1"}


def free_port() -> int:
    """A port that nobody listens on."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def worker_url(place: Place, service: str) -> str:
    """The DSN of a service's worker role."""
    return place.url(worker_role(service))


def _tree_seconds(process: psutil.Process | None) -> float:
    if process is None:
        return 0.0
    total = 0.0
    for each in (process, *process.children(recursive=True)):
        try:
            times = each.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
        if each == process:
            total += times.children_user + times.children_system
    return total
