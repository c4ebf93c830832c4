"""The servers of a stack come back with their data, and leave no process behind."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from mentorstream_local.stack import Stack, StackSecrets

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.shared_servers import Database

pytestmark = pytest.mark.serial


async def test_killed_servers_come_back_with_what_was_acknowledged(
    private_stack: Stack, private_database: Database, private_topic_prefix: str
) -> None:
    assert private_stack.broker is not None
    assert private_stack.postgres is not None
    servers, topic = private_stack.servers, f"{private_topic_prefix}matches"
    async with AIOKafkaProducer(bootstrap_servers=servers.kafka_bootstrap, acks="all") as producer:
        await producer.send_and_wait(topic, b"before", partition=0)
    await _write_sequence(private_database, 1)

    private_stack.broker.kill()
    private_stack.postgres.kill()
    assert not private_stack.running
    private_stack.broker.restart()
    private_stack.postgres.restart()

    assert private_stack.servers == servers
    async with AIOKafkaConsumer(bootstrap_servers=servers.kafka_bootstrap) as consumer:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        assert (await consumer.getone()).value == b"before"
    assert await _read_sequence(private_database) == 1


async def test_a_frozen_database_answers_again_once_thawed(private_stack: Stack, private_database: Database) -> None:
    assert private_stack.postgres is not None
    private_stack.postgres.freeze()
    with pytest.raises(TimeoutError):
        await asyncpg.connect(private_database.admin_url, timeout=0.5)
    private_stack.postgres.thaw()
    await _write_sequence(private_database, 7)
    assert await _read_sequence(private_database) == 7


def test_a_stack_goes_down_and_comes_up_again_with_its_secrets(tmp_path: Path) -> None:
    said: list[str] = []
    stack = Stack(tmp_path / "one", own_servers=True, progress=said.append)
    try:
        servers = stack.up()
        processes = [daemon.process() for daemon in stack.daemons]
        stack.up()  # no effect
        assert [daemon.process() for daemon in stack.daemons] == processes
        stack.down()
        assert [process.is_running() for process in processes if process is not None] == [False, False]
        assert Stack(tmp_path / "one", own_servers=True).up() == servers
    finally:
        stack.down()
    assert {line.split(":")[0] for line in said} == {"kafka", "postgres"}


def test_secrets_are_closed_to_others(tmp_path: Path) -> None:
    made = StackSecrets.load_or_create(tmp_path / "secrets.json")
    assert (tmp_path / "secrets.json").stat().st_mode & 0o077 == 0
    assert StackSecrets.load_or_create(tmp_path / "secrets.json") == made
    assert made.postgres_password not in repr(made)


def test_servers_that_the_environment_names_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MENTORSTREAM_KAFKA_BOOTSTRAP", "kafka.example.org:9092")
    monkeypatch.setenv("MENTORSTREAM_POSTGRES_URL", "postgresql://admin@db.example.org/postgres")
    stack = Stack(tmp_path)
    assert stack.daemons == ()
    assert stack.up().kafka_bootstrap == "kafka.example.org:9092"
    assert stack.servers.postgres_admin_url == "postgresql://admin@db.example.org/postgres"


def test_what_a_dead_owner_left_behind_is_ended_by_the_next(tmp_path: Path) -> None:
    dies = """
import os
from mentorstream_local.services import MailSinkProcess
from mentorstream_local.stack import new_ephemeral_stack
stack = new_ephemeral_stack(own_servers=True)
mail = MailSinkProcess(stack.directory / "mail")
for daemon in (stack.postgres, mail):
    daemon.start()
print(stack.directory, stack.postgres.mark().pid, mail.mark().pid, flush=True)
os._exit(1)
"""
    directory, *pids = _python(dies, tmp_path).split()
    assert "[True, True] 1 [False, False] False" in _python(
        f"""
import os, psutil
from mentorstream_local.stack import end_abandoned_stacks
pids = {[int(pid) for pid in pids]}
def alive(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
print(list(map(alive, pids)), end_abandoned_stacks(), list(map(alive, pids)), os.path.exists({directory!r}))
""",
        tmp_path,
    )


def _python(program: str, temporary: Path) -> str:
    return subprocess.run(  # noqa: S603 - the programs above
        [sys.executable, "-c", program],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    ).stdout


async def _write_sequence(database: Database, number: int) -> None:
    connection = await asyncpg.connect(database.url("mentorstream_matching_worker"))
    try:
        await connection.execute("INSERT INTO outbox_sequence (topic, key, number) VALUES ('m', 'p', $1)", number)
    finally:
        await connection.close()


async def _read_sequence(database: Database) -> int:
    connection = await asyncpg.connect(database.url("mentorstream_matching_worker"))
    try:
        return int(await connection.fetchval("SELECT number FROM outbox_sequence WHERE topic = 'm'"))
    finally:
        await connection.close()
