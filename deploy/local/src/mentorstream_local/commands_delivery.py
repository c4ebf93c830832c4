"""`mentorstream deadletters list|show|redrive` and `mentorstream replay`: what operators do about delivery."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar
from uuid import UUID

import asyncpg
import typer
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from rich.table import Table

from mentorstream_local.commands_topics import Bootstrap, Prefix
from mentorstream_local.loops import run_apart
from mentorstream_local.migrations import (
    SERVICES_WITH_DATABASE,
    MigrationError,
    worker_role,
)
from mentorstream_local.rebuilding import RebuildError, rebuild
from mentorstream_local.records import Unreadable, read_after
from mentorstream_local.system import DATABASE, LocalSystem
from mentorstream_local.terminal import (
    AsJson,
    ExitCode,
    StackName,
    console,
    messages,
    plain_errors,
    print_json,
    progress,
    running_stack,
    worker_url,
)
from mentorstream_runtime import dead_letters, positions
from mentorstream_runtime.dead_letters import DeadLetter, Later
from mentorstream_runtime.outbox import LIMIT_BYTES

app = typer.Typer(help="Look at dead letters and publish them again.", no_args_is_help=True)
_T = TypeVar("_T")
_MOST_RECORDS = 2_000_000
_TELL_EVERY_RECORDS = 200_000

ServiceName = Annotated[str, typer.Argument(help="Whose: intake, matching, scheduling, feedback or notifications.")]
DatabaseName = Annotated[str, typer.Option(envvar="MENTORSTREAM_DATABASE", help="Database name.")]
WorkerUrl = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        envvar="MENTORSTREAM_DATABASE_URL",
        help="DSN of the service's worker role; that of the local stack when left out.",
    ),
]


def register(index: typer.Typer) -> None:
    """Add the commands to the index."""
    index.add_typer(app, name="deadletters")
    index.command()(replay)


@app.command(name="list")
def list_letters(
    service: ServiceName,
    stack: StackName = "default",
    database: DatabaseName = DATABASE,
    url: WorkerUrl = None,
    reason: Annotated[str | None, typer.Option(help="Only those with this reason.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the newest first.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List a service's dead letters, the newest first."""
    letters = _with(
        service, stack, database, url, lambda c: dead_letters.list_dead_letters(c, limit=limit, reason=reason)
    )
    if as_json:
        print_json([_summary(letter) for letter in letters])
        return
    table = Table("id", "topic", "place", "reason", "detail", "since", "redriven")
    for letter in letters:
        place = f"{letter.partition}/{letter.record_offset}"
        redriven = letter.redriven_at.isoformat(timespec="seconds") if letter.redriven_at else ""
        since = letter.created_at.isoformat(timespec="seconds")
        table.add_row(str(letter.id), letter.topic, place, letter.reason, letter.detail, since, redriven)
    console.print(table)


@app.command()
def show(
    service: ServiceName,
    letter_id: Annotated[UUID, typer.Argument(help="Its id, as listed.")],
    stack: StackName = "default",
    database: DatabaseName = DATABASE,
    url: WorkerUrl = None,
) -> None:
    """Show one dead letter whole, as JSON: headers, key and value as text. Exits with 1 when there is none."""
    letter = _with(service, stack, database, url, lambda c: dead_letters.read_dead_letter(c, letter_id))
    if letter is None:
        messages.print(f"{service} has no dead letter {letter_id}", markup=False)
        raise typer.Exit(ExitCode.FAILED)
    print_json(
        {
            **_summary(letter),
            "headers": {name: _text(value) for name, value in letter.headers},
            "key": _text(letter.key),
            "value": _text(letter.value),
        }
    )


@app.command()
def redrive(
    service: ServiceName,
    letter_id: Annotated[UUID, typer.Argument(help="Its id, as listed.")],
    stack: StackName = "default",
    database: DatabaseName = DATABASE,
    url: WorkerUrl = None,
    bootstrap: Bootstrap = None,
    prefix: Prefix = "",
    force: Annotated[
        bool, typer.Option("--force", help="Do not look at what came after it, and publish it in any case.")
    ] = False,
    limit_bytes: Annotated[
        int, typer.Option(envvar="MENTORSTREAM_EVENT_LIMIT_BYTES", help="Largest record; below what the broker takes.")
    ] = LIMIT_BYTES,
) -> None:
    """Publish a dead letter again, at the end of its topic, for this service alone.

    Reads what came after it on its partition first. Exits with 1 when that has newer events about the same, or cannot
    be told, when the letter was redriven before, and when it is larger than the limit.
    """
    _check(service)
    address = "" if force else bootstrap or running_stack(stack).servers.kafka_bootstrap

    async def publish(connection: asyncpg.Connection[Any]) -> str:
        letter = await dead_letters.read_dead_letter(connection, letter_id)
        if letter is None:
            raise LookupError(f"{service} has no dead letter {letter_id}")
        # Outside the transaction: reading may take longer than one is allowed to.
        later = [] if force else await _later(address, prefix, service, letter)
        async with connection.transaction():
            letter = await dead_letters.read_dead_letter(connection, letter_id, lock=True)
            if letter is None:
                raise LookupError(f"dead letter {letter_id} has expired meanwhile")
            return await dead_letters.redrive(connection, service, letter, later=later, limit_bytes=limit_bytes)

    with plain_errors(LookupError, ValueError, KafkaError):
        new_id = _with(service, stack, database, url, publish)
    progress(f"published again as event {new_id}, once a relay of {service} runs")


async def _later(bootstrap: str, prefix: str, service: str, letter: DeadLetter) -> list[Later]:
    """What came after a dead letter and is about the same."""
    about_the_same = dead_letters.same_subject(service, letter)
    partition = TopicPartition(prefix + letter.topic, letter.partition)
    found: list[Later] = []
    read, told = 0, 0
    async with contextlib.aclosing(read_after(bootstrap, partition, letter.record_offset)) as batches:
        async for batch in batches:
            found += [
                Later(record.offset, (dict(record.headers).get("ce_id") or b"").decode("utf-8", "replace"))
                for record in batch
                if about_the_same(record)
            ]
            read += len(batch)
            if read > _MOST_RECORDS:
                raise Unreadable(f"more than {_MOST_RECORDS:,} records came after it; what they changed is not known")
            if read >= told + _TELL_EVERY_RECORDS:
                told = read
                progress(f"{read:,} later records read")
    return found


def replay(
    service: ServiceName,
    stack: StackName = "default",
    database: DatabaseName = DATABASE,
    into: Annotated[
        str | None, typer.Option(help="Rebuild the service's state in this database, made if missing, instead.")
    ] = None,
    topic: Annotated[list[str] | None, typer.Option(help="Only this topic; may be repeated. Not with --into.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Read a service's topics again from their beginnings.

    Over its own database nothing changes: every event is a repeat and is dropped; only records that could not be
    decoded are looked at again. With --into, what it decided on its topics is decided again in another database, and
    nothing is published. That is all of matching's state; what came from timers, pages and mails is not on the topics
    that the other services read, and is not rebuilt.
    """
    _check(service)
    local = running_stack(stack)
    wiring = LocalSystem(local, database=database).wiring()
    if into is not None:
        if topic:
            raise typer.BadParameter("--topic does not go with --into: a rebuild needs every topic")
        with plain_errors(RebuildError, MigrationError, OSError, asyncpg.PostgresError):
            rebuild(service, wiring, into)
        progress(f"rebuilt in {into}")
        return
    if not yes:
        typer.confirm(f"Make {service} read {', '.join(topic) if topic else 'all its topics'} again?", abort=True)

    count = _with(service, stack, database, None, lambda connection: positions.rewind(connection, topic))
    progress(f"{count} partitions rewound; {service} reads them again when it runs")


def _with(service: str, stack: str, database: str, url: str | None, work: Callable[[Any], Awaitable[_T]]) -> _T:
    """Run work on a connection of the service's worker role."""
    _check(service)
    if url is None:
        url = worker_url(running_stack(stack), service, database)
    dsn = url

    async def connected() -> _T:
        connection = await asyncpg.connect(dsn, timeout=10)
        try:
            role = await connection.fetchval("SELECT current_user")
            if role != worker_role(service):
                # Every service has the same tables of delivery: another one's would be read without an error.
                raise typer.BadParameter(f"the DSN is that of {role}; {service} needs that of {worker_role(service)}")
            return await work(connection)
        finally:
            await connection.close()

    with plain_errors(OSError, asyncio.TimeoutError, asyncpg.PostgresError):
        return run_apart(connected())


def _check(service: str) -> None:
    if service not in SERVICES_WITH_DATABASE:
        raise typer.BadParameter(f"{service} is none of {', '.join(SERVICES_WITH_DATABASE)}")


def _summary(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.record_offset,
        "reason": letter.reason,
        "detail": letter.detail,
        "created_at": letter.created_at,
        "redriven_at": letter.redriven_at,
    }


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")
