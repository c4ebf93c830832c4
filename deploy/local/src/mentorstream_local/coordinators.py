"""`mentorstream coordinators add|revoke|list`: keys of those who coordinate programs, for matching's API and page.

A key is shown once, by the command that made it; it is not stored in a form in which it could be shown again.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar
from uuid import UUID

import asyncpg
import typer
from rich.table import Table

import matching
from matching.adapters.coordinator_keys import KeyRefused, ListedKey, add_key, list_keys, revoke_key
from mentorstream_local.loops import run_apart
from mentorstream_local.system import DATABASE
from mentorstream_local.terminal import (
    AsJson,
    MatchingDatabaseUrl,
    StackName,
    console,
    plain_errors,
    print_json,
    progress,
    running_stack,
    worker_url,
)
from mentorstream_runtime.database import load_queries, open_pool

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from mentorstream_runtime.database import Pool

ResultT = TypeVar("ResultT")

app = typer.Typer(help="Give keys to those who coordinate programs, and take them back.", no_args_is_help=True)


@app.command()
def add(
    organisation: Annotated[
        str, typer.Argument(help="The organisation's id, as `partners list` shows it; on a local stack also its name.")
    ],
    label: Annotated[str, typer.Option(help="What to call the key in lists, such as whose it is.")],
    role: Annotated[
        Literal["viewer", "coordinator"], typer.Option(help="A viewer reads; a coordinator also acts.")
    ] = "viewer",
    stack: StackName = "default",
    database_url: MatchingDatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make a key for an organisation, and show it once."""
    with plain_errors(KeyRefused, asyncpg.PostgresError, OSError):
        organisation_id = _organisation(organisation, stack, database_url)
        made = _run(stack, database_url, lambda pool, queries: add_key(pool, queries, organisation_id, role, label))
    if as_json:
        print_json({"id": made.lookup, "organisation_id": str(organisation_id), "role": role, "key": made.key})
        return
    console.print(f"{organisation} ({organisation_id}), {role}", markup=False)
    # Not in a table: a key must be copied whole, however narrow the terminal.
    console.print(f"  Authorization: Bearer {made.key}", markup=False, soft_wrap=True)
    progress("The key is shown this once only. The page of coordinators asks for it, too.")


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="Its id, as `coordinators list` shows it.")],
    stack: StackName = "default",
    database_url: MatchingDatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Shut a key out, from the next request on; who is logged in with it is logged out."""
    with plain_errors(KeyRefused, asyncpg.PostgresError, OSError):
        _run(stack, database_url, lambda pool, queries: revoke_key(pool, queries, key_id))
    if as_json:
        print_json({"revoked": key_id})
    else:
        progress(f"revoked {key_id}")


@app.command(name="list")
def list_all(stack: StackName = "default", database_url: MatchingDatabaseUrl = None, as_json: AsJson = False) -> None:
    """Show all keys, without secrets."""
    with plain_errors(asyncpg.PostgresError, OSError):
        keys = _run(stack, database_url, list_keys)
    if as_json:
        print_json([asdict(key) for key in keys])
        return
    table = Table("organisation", "key", "role", "label", "created", "last used", "state")
    for key in keys:
        table.add_row(str(key.organisation_id), key.lookup, key.role, key.label, *_times(key))
    console.print(table)


def _times(key: ListedKey) -> tuple[str, str, str]:
    used = f"{key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never"
    state = f"revoked {key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else "works"
    return (f"{key.created_at:%Y-%m-%d %H:%M}", used, state)


def _organisation(named: str, stack: str, database_url: str | None) -> UUID:
    try:
        return UUID(named)
    except ValueError:
        if database_url is not None:
            raise KeyRefused(f"{named!r} is no id of an organisation; see: partners list") from None
    found = run_apart(_find_by_name(_of_stack(stack, "intake"), named))
    if found is None:
        raise KeyRefused(f"there is no organisation {named!r}; see: partners list")
    return found


async def _find_by_name(address: str, name: str) -> UUID | None:
    async with await _open(address) as pool:
        found: UUID | None = await pool.fetchval("SELECT organisation_id FROM organisation WHERE name = $1", name)
        return found


def _run(
    stack: str, database_url: str | None, action: Callable[[Pool, Mapping[str, str]], Awaitable[ResultT]]
) -> ResultT:
    return run_apart(_act(database_url or _of_stack(stack, "matching"), action))


async def _act(address: str, action: Callable[[Pool, Mapping[str, str]], Awaitable[ResultT]]) -> ResultT:
    async with await _open(address) as pool:
        return await action(pool, load_queries(str(matching.__file__)))


async def _open(address: str) -> Pool:
    return await open_pool(address, size=1, application_name="mentorstream-coordinators")


def _of_stack(name: str, service: str) -> str:
    return worker_url(running_stack(name), service, DATABASE)
