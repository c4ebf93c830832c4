"""What the tests of the runtime share: a toy service on real servers, inside the test or as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from pydantic import SecretStr
from tests.integration.runtime import toy
from tests.support.records import event, eventually, publish, read_events, send_all
from tests.support.services import settings_for

from mentorstream_local.daemons import free_port
from mentorstream_runtime.process import Process
from mentorstream_runtime.settings import RuntimeSettings

if TYPE_CHECKING:
    from tests.support.shared_servers import Database

    from mentorstream_events import Event, Value
    from mentorstream_local.stack import Servers

ROOT = Path(__file__).parents[3]


class Bench:
    """One test's servers, and what is asked of them."""

    def __init__(self, servers: Servers, database: Database, prefix: str) -> None:
        self.servers, self.database, self.prefix = servers, database, prefix

    def settings(self, instance: str = "one", **overrides: Any) -> RuntimeSettings:
        return settings_for(
            RuntimeSettings,
            self.servers,
            self.database,
            self.prefix,
            service="matching",
            instance=instance,
            **overrides,
        )

    def environment(self, instance: str, **overrides: object) -> dict[str, str]:
        """For `python -m tests.integration.runtime.toy worker`: a process that can be killed."""
        settings = self.settings(instance, **overrides).model_dump()
        values = {
            name: value.get_secret_value() if isinstance(value, SecretStr) else value
            for name, value in settings.items()
            if value is not None and name != "link_secrets"
        }
        return {"PATH": os.defpath} | {f"MENTORSTREAM_{name.upper()}": str(value) for name, value in values.items()}

    @contextlib.asynccontextmanager
    async def spawned(
        self, instance: str = "one", **overrides: object
    ) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
        """The toy as an operating system's process, and the address of its health; killed at the end."""
        port = free_port()
        spawned = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.integration.runtime.toy",
            "worker",
            env=self.environment(instance, metrics_port=port, **overrides),
            cwd=ROOT,
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            yield spawned, f"http://127.0.0.1:{port}"
        finally:
            if spawned.returncode is None:
                spawned.kill()
                await spawned.wait()

    def process(self, instance: str = "one", **overrides: Any) -> Process[RuntimeSettings]:
        return Process("matching", self.settings(instance, **overrides), toy.build, mode="worker")

    async def fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.database.url("mentorstream_matching_worker"))
        try:
            return list(await connection.fetch(query, *arguments))
        finally:
            await connection.close()

    async def count(self, table: str) -> int:
        return int((await self.fetch(f"SELECT count(*) FROM {table}"))[0][0])

    async def publish(self, *items: Any) -> None:
        await publish(self.servers.kafka_bootstrap, self.prefix, items)

    async def publish_in_transaction(self, items: list[Event[Value]]) -> None:
        """Followed by a control record on each partition, which is there at the end."""
        async with (
            AIOKafkaProducer(bootstrap_servers=self.servers.kafka_bootstrap, transactional_id=self.prefix) as producer,
            producer.transaction(),
        ):
            sent = await send_all(producer, self.prefix, items)
        last: dict[TopicPartition, int] = {}
        for placed in [await each for each in sent]:
            last[placed.topic_partition] = max(placed.offset, last.get(placed.topic_partition, 0))
        async with AIOKafkaConsumer(bootstrap_servers=self.servers.kafka_bootstrap) as consumer:

            async def marked() -> bool:  # after the producer was answered
                ends = await consumer.end_offsets(list(last))
                return all(ends[partition] == offset + 2 for partition, offset in last.items())

            await eventually(marked, what="the transaction's markers are written")

    async def until_stored(self, expected: int) -> None:
        async def stored() -> bool:
            return await self.count("toy") >= expected and await self.count("outbox") == 0

        await eventually(stored, what=f"{expected} rows stored and the outbox empty")

    async def check_complete(self, programs: int, each: int) -> None:
        """Every registration once, in order, and its event published once, in order."""
        rows = await self.fetch("SELECT * FROM toy")
        places = {row["participant_id"]: row["place"] for row in rows}
        assert len(rows) == programs * each
        expected = {toy.registration(p, n).participant_id: n for p in range(programs) for n in range(1, each + 1)}
        assert places == expected
        published = await read_events(self.servers.kafka_bootstrap, self.prefix, "matches")
        by_key: dict[str, list[int]] = {}
        for item in published:
            assert item.sequence is not None
            by_key.setdefault(item.key, []).append(item.sequence.number)
        assert len(by_key) == programs
        for numbers in by_key.values():
            accepted: list[int] = []  # as a reader takes them: what is not above the last one is a repeat
            for number in numbers:
                if not accepted or number > accepted[-1]:
                    accepted.append(number)
            assert accepted == list(range(1, each + 1))


async def has_read_all(process: Process[RuntimeSettings]) -> bool:
    """Whether nothing is left on its topics."""
    assert process.consumer is not None
    return process.consumer.ready and await process.consumer.unread() == 0


def registrations(programs: int, each: int, start: int = 1) -> list[Any]:
    return [event(toy.registration(p, n), number=n) for n in range(start, start + each) for p in range(programs)]
