"""`mentorstream up`, `down`, `status`, `logs`, `migrate`: the local system as a whole."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import asyncpg
import typer
from rich.table import Table

from mentorstream_local import migrations
from mentorstream_local.daemons import StartError
from mentorstream_local.migrations import MigrationError
from mentorstream_local.paths import local_directory
from mentorstream_local.services import SERVICES
from mentorstream_local.stack import Stack
from mentorstream_local.system import DATABASE, LocalSystem, PartStatus
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
)
from mentorstream_local.topics import TopicsError

_FOLLOW_SECONDS = 0.3


def register(app: typer.Typer) -> None:
    """Add the commands to the index."""
    for command in (up, down, status, logs, migrate):
        app.command()(command)


def up(
    stack: StackName = "default",
    service: Annotated[list[str] | None, typer.Option(help="Start only this service; may be repeated.")] = None,
    servers_only: Annotated[bool, typer.Option("--servers-only", help="Start Kafka and PostgreSQL, no more.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start Kafka, PostgreSQL, the mail sink and the services, migrate, and create the topics.

    What runs already is left alone. Data is kept in .local/<stack>.
    """
    unknown = set(service or ()) - set(SERVICES)
    if unknown:
        raise typer.BadParameter(f"no such service: {', '.join(sorted(unknown))}")
    local = Stack.named(stack, progress=progress)
    system = LocalSystem(local, progress=progress)
    with plain_errors(StartError, MigrationError, TopicsError, OSError, asyncpg.PostgresError):
        if servers_only:
            local.up()
        else:
            system.up(service or SERVICES)
    _show(stack, system.status(), as_json=as_json)


def down(stack: StackName = "default") -> None:
    """Stop everything of the stack; its data stays. Nothing that another program started is touched."""
    if not (local_directory() / stack).is_dir():
        messages.print(f"there is no stack {stack}", markup=False)
        raise typer.Exit(ExitCode.NOT_RUNNING)
    system = LocalSystem(Stack.named(stack, progress=progress), progress=progress)
    if all(part.state == "stopped" for part in system.status()):
        messages.print("nothing was running")
        raise typer.Exit(ExitCode.NOT_RUNNING)
    system.down()


def status(stack: StackName = "default", as_json: AsJson = False) -> None:
    """Show what runs, where, and whether it is ready. Exits with 3 when nothing runs, 1 when not all is ready."""
    known = (local_directory() / stack).is_dir()
    parts = LocalSystem(Stack.named(stack)).status() if known else []
    _show(stack, parts, as_json=as_json)
    if not any(part.state == "running" for part in parts):
        raise typer.Exit(ExitCode.NOT_RUNNING)
    if not all(part.ready for part in parts):
        raise typer.Exit(ExitCode.FAILED)


def logs(
    part: Annotated[str | None, typer.Argument(help="kafka, postgres, mail or a service; all when left out.")] = None,
    stack: StackName = "default",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines are written.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 50,
) -> None:
    """Show the end of the logs."""
    directory = local_directory() / stack
    files = {path.stem: path for path in sorted([*directory.glob("*/*.log"), *directory.glob("services/*/*.log")])}
    if part is not None:
        if part not in files:
            messages.print(f"no log of {part}; there are: {', '.join(files) or 'none'}", markup=False)
            raise typer.Exit(ExitCode.NOT_RUNNING)
        files = {part: files[part]}
    prefixed = len(files) > 1
    try:
        for name, line in _log_lines(files, lines, follow=follow):
            typer.echo(f"{name:<14}{line}" if prefixed else line)
    except KeyboardInterrupt:
        pass


def migrate(
    stack: StackName = "default",
    admin_url: Annotated[
        str | None,
        typer.Option(envvar="MENTORSTREAM_POSTGRES_URL", help="Superuser's DSN; the local stack's when left out."),
    ] = None,
    database: Annotated[str, typer.Option(envvar="MENTORSTREAM_DATABASE", help="Database name.")] = DATABASE,
    service: Annotated[list[str] | None, typer.Option(help="Migrate only this service; may be repeated.")] = None,
) -> None:
    """Create the database, its roles and schemas where missing, and apply the migrations that it lacks.

    Role passwords derive from MENTORSTREAM_ROLE_SECRET, or from the stack's own secret.
    """
    unknown = set(service or ()) - set(migrations.SERVICES_WITH_DATABASE)
    if unknown:
        raise typer.BadParameter(f"these have no database: {', '.join(sorted(unknown))}")
    secret = os.environ.get("MENTORSTREAM_ROLE_SECRET")
    if admin_url is None or secret is None:
        local = running_stack(stack)
        admin_url, secret = admin_url or local.servers.postgres_admin_url, secret or local.secrets.role_secret
    with plain_errors(MigrationError, OSError, asyncpg.PostgresError):
        migrations.migrate(admin_url, database, service, role_secret=secret)
    progress(f"database {database} is up to date")


def _show(stack: str, parts: list[PartStatus], *, as_json: bool) -> None:
    if as_json:
        print_json({"stack": stack, "parts": [asdict(part) for part in parts]})
        return
    table = Table("part", "state", "pid", "addresses", title=f"stack {stack}", title_justify="left")
    for part in parts:
        state = "not ready" if part.state == "running" and not part.ready else part.state
        addresses = "\n".join(f"{name:<9}{address}" for name, address in part.addresses.items())
        table.add_row(part.name, state, str(part.pid or ""), addresses)
    console.print(table)


def _log_lines(files: dict[str, Path], count: int, *, follow: bool) -> Iterator[tuple[str, str]]:
    positions = {}
    for name, path in files.items():
        content = path.read_text(errors="replace")
        positions[name] = path.stat().st_size
        shown = content.splitlines()[-count:] if count else []
        yield from zip(itertools.repeat(name), shown, strict=False)
    while follow:
        time.sleep(_FOLLOW_SECONDS)
        for name, path in files.items():
            with path.open("rb") as handle:
                handle.seek(positions[name])
                # A line that is still being written waits for its end.
                fresh, newline, _rest = handle.read().rpartition(b"\n")
            positions[name] += len(fresh) + len(newline)
            for line in fresh.decode(errors="replace").splitlines():
                yield name, line
