"""`mentorstream demo`: the whole system at work on the committed input, on a stack of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import shutil
import signal
import time
from pathlib import Path
from typing import Annotated, Final
from uuid import UUID

import asyncpg
import typer
from aiokafka.errors import KafkaError

from mentorstream_local.broker import BrokerSettings
from mentorstream_local.daemons import StartError
from mentorstream_local.demo.clock import NotSettledError
from mentorstream_local.demo.data import STARTS_AT, load
from mentorstream_local.demo.driver import DemoResult, run_demo, set_clock
from mentorstream_local.demo.invariants import DATABASES
from mentorstream_local.demo.partners import DemoRequestError
from mentorstream_local.demo.report import counts_of, report_of, show, show_addresses, show_files
from mentorstream_local.loops import run_apart
from mentorstream_local.migrations import MigrationError, database_url
from mentorstream_local.paths import local_directory
from mentorstream_local.postgres import PostgresSettings
from mentorstream_local.stack import Stack
from mentorstream_local.system import LocalSystem
from mentorstream_local.terminal import ExitCode, console, messages, plain_errors
from mentorstream_local.topics import TopicsError

STACK: Final = "demo"
BROKER_SETTINGS: Final = BrokerSettings(short_lived=True)
# Its tables fill from empty within seconds: plans made for empty ones should not be used for a minute.
POSTGRES_SETTINGS: Final = PostgresSettings(autovacuum_seconds=5)
_EXTRA: Final = {
    "notifications": {
        # Mails wait for the next step of time, so which of them are overtaken does not depend on the sender's speed.
        "MENTORSTREAM_MAIL_HOLD_SECONDS": "60",
        # Retries are in real time; nobody wants to watch them.
        "MENTORSTREAM_RETRY_BASE_SECONDS": "0.2",
    }
}


def register(app: typer.Typer) -> None:
    """Add the command to the index."""
    app.command()(demo)


def demo(
    report: Annotated[Path | None, typer.Option(help="Write the result as JSON to this file.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Stay up at the end, until Ctrl-C.")] = False,
) -> None:
    """Run the demo: twelve organisations and some eight hundred people, four weeks in some two minutes.

    It starts from nothing, in .local/demo. Exits with 1 when an invariant does not hold.
    """
    started = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what Ctrl-C does: stop everything, then end
    directory = local_directory() / STACK
    if directory.is_dir():
        LocalSystem(Stack.named(STACK)).down()
        shutil.rmtree(directory)

    def progress(line: str) -> None:
        messages.print(f"{time.monotonic() - started:6.1f} s  {line}", markup=False, soft_wrap=True)

    stack = Stack(
        directory,
        disposable=True,  # the next run starts from nothing
        broker_settings=BROKER_SETTINGS,
        postgres_settings=POSTGRES_SETTINGS,
        progress=progress,
    )
    system = demo_system(stack, progress)
    try:
        with plain_errors(
            StartError, MigrationError, TopicsError, NotSettledError, DemoRequestError, KafkaError, OSError,
            asyncpg.PostgresError,
        ):  # fmt: skip
            start_driven(system)
            # In this thread, so that Ctrl-C, or a SIGTERM, ends it at once.
            result = asyncio.run(run_demo(system, load(), progress))
            counts, names = asyncio.run(figures(system, result))
            show(console, result, counts, names)
            if report is not None:
                report.write_text(json.dumps(report_of(result, counts), indent=2) + "\n")
                progress(f"written: {report}")
        if keep:
            show_addresses(console, system)
            messages.print("It stays up until Ctrl-C.")
            _wait_for_interrupt()
        else:
            show_files(console, system)
    finally:
        system.down()
    if not result.passed:
        raise typer.Exit(ExitCode.FAILED)


def demo_system(stack: Stack, progress: object = None) -> LocalSystem:
    """A system with the driven clock. On servers of somebody else's it leaves everything but its own names alone."""
    name = secrets.token_hex(4)
    return LocalSystem(
        stack,
        database=f"mentorstream_demo_{name}",
        topic_prefix=f"demo-{name}.",
        clock="driven",
        progress=progress if callable(progress) else None,
        mails_kept=100_000,
        extra=_EXTRA,
    )


def start_driven(system: LocalSystem) -> None:
    """Bring everything up, with the clock set before any service asks for the time."""

    async def begin() -> None:
        async with set_clock(system.wiring()) as connection:
            await connection.execute(
                "INSERT INTO clock.business_time (now) VALUES ($1) ON CONFLICT (only_row) DO UPDATE SET now = $1",
                STARTS_AT,
            )

    system.up(prepare=lambda: run_apart(begin()))


async def figures(system: LocalSystem, result: DemoResult) -> tuple[dict[str, int], dict[UUID, str]]:
    """The counts, and organisations' names by id."""
    wiring = system.wiring()
    connection = await asyncpg.connect(database_url(wiring.servers.postgres_admin_url, wiring.database))
    try:
        dead = 0
        for service in DATABASES:
            dead += await connection.fetchval(f"SELECT count(*) FROM {service}.dead_letter")  # noqa: S608 - a constant
        rows = await connection.fetch("SELECT organisation_id, name FROM intake.organisation")
    finally:
        await connection.close()
    return counts_of(result, dead), {row["organisation_id"]: row["name"] for row in rows}


def _wait_for_interrupt() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(asyncio.Event().wait())
