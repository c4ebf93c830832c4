"""What all commands share at the terminal: the option --stack, progress lines, errors in one line, exit codes."""

from __future__ import annotations

import contextlib
import json
from enum import IntEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from mentorstream_local.migrations import role_url, worker_role
from mentorstream_local.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

console = Console(highlight=False)
if not console.is_terminal:
    console.width = 140  # a file or a pipe has no width of its own, and truncated names help nobody
messages = Console(stderr=True, highlight=False)  # standard output is for results only

StackName = Annotated[str, typer.Option("--stack", envvar="MENTORSTREAM_STACK", help="Name of the local stack.")]
MatchingDatabaseUrl = Annotated[
    str | None,
    typer.Option(
        envvar="MENTORSTREAM_DATABASE_URL",
        help="Database address of matching's worker; the local stack's when left out.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Write the result as JSON.")]


class ExitCode(IntEnum):
    """What scripts can rely on. 2 is typer's own, for wrong usage."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_RUNNING = 3


def progress(line: str) -> None:
    """One line on what was just done."""
    messages.print(line, markup=False, soft_wrap=True)


def running_stack(name: str) -> Stack:
    """The named stack. Exits with 3 when its servers do not run."""
    stack = Stack.named(name, progress=progress)
    if not stack.running:
        messages.print(f"stack {name} is not running: mentorstream up", markup=False)
        raise typer.Exit(ExitCode.NOT_RUNNING)
    return stack


def worker_url(stack: Stack, service: str, database: str) -> str:
    """The database address of a service's worker on a stack that runs."""
    return role_url(stack.servers.postgres_admin_url, database, worker_role(service), stack.secrets.role_secret)


def print_json(value: Any) -> None:
    """A result for scripts."""
    typer.echo(json.dumps(value, indent=2, default=str))


@contextlib.contextmanager
def plain_errors(*kinds: type[Exception]) -> Iterator[None]:
    """Tell the expected kinds of failure in plain words, without a traceback, and exit with 1."""
    try:
        yield
    except kinds as error:
        messages.print(f"[red]failed:[/red] {type(error).__name__}")
        messages.print(str(error), markup=False, soft_wrap=True)
        raise typer.Exit(ExitCode.FAILED) from None
