"""The fixtures give each test what they promise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from mentorstream_events.topics import TOPICS

if TYPE_CHECKING:
    from aiokafka.admin import AIOKafkaAdminClient
    from tests.support.shared_servers import Database


@pytest.mark.parametrize("_again", [1, 2])
async def test_each_test_has_an_empty_database_of_its_own(database: Database, _again: int) -> None:
    connection = await asyncpg.connect(database.url("mentorstream_matching_worker"))
    try:
        assert await connection.fetchval("SELECT count(*) FROM outbox") == 0
        await connection.execute("INSERT INTO outbox_sequence (topic, key, number) VALUES ('matches', 'p', 1)")
        assert await connection.fetchval("SELECT current_setting('search_path')") == "matching, public"
    finally:
        await connection.close()


async def test_a_role_reaches_its_own_schema_only(database: Database) -> None:
    connection = await asyncpg.connect(database.url("mentorstream_matching_worker"))
    try:
        for statement in (
            "SELECT * FROM intake.outbox",
            "CREATE TABLE matching.mine ()",
            "CREATE TABLE public.mine ()",
            "UPDATE clock.business_time SET now = now()",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize("topic_partitions", [3])
async def test_topics_are_there_under_the_prefix(topic_prefix: str, broker_admin: AIOKafkaAdminClient) -> None:
    described = await broker_admin.describe_topics([topic_prefix + topic.name for topic in TOPICS])
    assert [len(topic["partitions"]) for topic in described] == [3] * len(TOPICS)
