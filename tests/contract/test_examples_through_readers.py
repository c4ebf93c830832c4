"""Every published example runs through every reader: real topics, the real consumer, and not one dead letter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from tests.support.records import eventually, publish
from tests.support.services import settings_for

import feedback.bootstrap
import feedback.settings
import matching.bootstrap
import matching.settings
import notifications.bootstrap
import notifications.settings
import scheduling.bootstrap
import scheduling.settings
from mentorstream_events import TOPICS
from mentorstream_events.examples import examples_for
from mentorstream_runtime.process import Process

if TYPE_CHECKING:
    from tests.support.shared_servers import Database

    from mentorstream_local.stack import Servers

READERS: dict[str, tuple[Any, Any]] = {
    "matching": (matching.settings.MatchingSettings, matching.bootstrap.build),
    "scheduling": (scheduling.settings.SchedulingSettings, scheduling.bootstrap.build),
    "feedback": (feedback.settings.FeedbackSettings, feedback.bootstrap.build),
    "notifications": (notifications.settings.NotificationsSettings, notifications.bootstrap.build),
}


def test_every_reader_with_a_database_is_here() -> None:
    # pulse, the only other reader, keeps nothing and makes no dead letters; its own tests feed it the examples.
    assert {reader for topic in TOPICS for reader in topic.readers} == {*READERS, "pulse"}


@pytest.mark.parametrize("service", READERS)
async def test_every_example_is_handled(service: str, servers: Servers, database: Database, topic_prefix: str) -> None:
    settings_class, build = READERS[service]
    # Port 1 of this host refuses connections: mails are planned and wait.
    extra = {"smtp_host": "127.0.0.1", "smtp_port": 1} if service == "notifications" else {}
    settings = settings_for(settings_class, servers, database, topic_prefix, service=service, **extra)
    examples = examples_for(service)
    assert examples
    async with Process(service, settings, build, mode="worker") as process:
        consumer, relay = process.consumer, process.relay
        assert consumer is not None
        assert relay is not None

        async def started() -> bool:
            return consumer.ready and relay.healthy

        async def all_read() -> bool:
            return consumer.ready and consumer.processed >= len(examples) and await consumer.unread() == 0

        # Not before: some examples are the service's own, which on a topic of a new database speak of a restored one.
        await eventually(started, what=f"{service} has started")
        await publish(servers.kafka_bootstrap, topic_prefix, [example.event for example in examples])
        await eventually(all_read, what=f"{service} has read {len(examples)} examples")
        assert consumer.halted is None
    connection = await asyncpg.connect(database.url(f"mentorstream_{service}_worker"))
    try:
        dead = await connection.fetch("SELECT topic, reason, detail FROM dead_letter")
        seen = await connection.fetchval("SELECT count(*) FROM sequence_seen")
    finally:
        await connection.close()
    assert [tuple(letter) for letter in dead] == []
    assert seen > 0
