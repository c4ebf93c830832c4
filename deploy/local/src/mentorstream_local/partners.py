"""`mentorstream partners add|rotate|revoke|list`: organisations and the credentials they send with.

A secret is shown once, by the command that made it; it is not stored in a form in which it could be shown again.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import asyncpg
import typer
from rich.table import Table
from uuid_utils.compat import uuid7

from intake.adapters.postgres_partners import PostgresPartners
from intake.handlers.credentials import Sealer
from intake.handlers.partners import (
    ListedCredential,
    Partner,
    PartnerError,
    add_partner,
    list_partners,
    revoke_credentials,
    rotate_credentials,
)
from mentorstream_local.loops import run_apart
from mentorstream_local.system import DATABASE
from mentorstream_local.terminal import (
    AsJson,
    StackName,
    console,
    plain_errors,
    print_json,
    progress,
    running_stack,
    worker_url,
)
from mentorstream_runtime.database import open_pool

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ResultT = TypeVar("ResultT")
Credential = Literal["key", "signing", "both"]

app = typer.Typer(help="Add, re-key and shut out partner organisations.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The organisation's short name: lower-case letters, digits, hyphens.")]
Kind = Annotated[
    Credential,
    typer.Option("--credential", help="An API key, a secret for signatures (Standard Webhooks), or both."),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        envvar="MENTORSTREAM_DATABASE_URL",
        help="Database address of intake's worker; the local stack's when left out. With it the encryption keys come"
        " from MENTORSTREAM_ENCRYPTION_KEYS, as for the service.",
        show_default=False,
    ),
]
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def _grace(text: str) -> timedelta:
    number, unit = text[:-1], text[-1:]
    if text == "0":
        return timedelta(0)
    if unit not in _UNITS or not number.isdigit():
        raise typer.BadParameter(f"{text!r} is no length of time: expected 0, or a number with m, h or d, such as 24h")
    return timedelta(**{_UNITS[unit]: int(number)})


@app.command()
def add(
    name: Name,
    title: Annotated[str | None, typer.Option(help="Its full name; the short one when left out.")] = None,
    credential: Kind = "key",
    stack: StackName = "default",
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Create an organisation, and show its credentials once."""
    partner = _run(
        stack, database_url, lambda store, sealer: add_partner(store, sealer, uuid7(), name, title or name, credential)
    )
    _show_new(partner, as_json=as_json)


@app.command()
def rotate(
    name: Name,
    credential: Kind = "key",
    grace: Annotated[
        timedelta | None,
        typer.Option(
            parser=_grace,
            metavar="TIME",
            help="The older ones of the same kind end after it (0, 30m, 24h, 7d); left out: they work until revoked.",
        ),
    ] = None,
    stack: StackName = "default",
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make a new credential beside the older ones, and show it once."""
    partner = _run(
        stack, database_url, lambda store, sealer: rotate_credentials(store, sealer, name, credential, grace)
    )
    _show_new(partner, as_json=as_json)


@app.command()
def revoke(
    name: Name,
    credential_id: Annotated[str | None, typer.Argument(help="Its id, as `partners list` shows it.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All credentials of the organisation.")] = False,
    stack: StackName = "default",
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Shut a credential out, from the next request on."""
    if (credential_id is None) != everything:
        raise typer.BadParameter("name one credential, or say --all")
    revoked = _run(stack, database_url, lambda store, _sealer: revoke_credentials(store, name, credential_id))
    if as_json:
        print_json({"name": name, "revoked": list(revoked)})
    else:
        progress(f"{name}: revoked {', '.join(revoked)}")


@app.command(name="list")
def list_all(stack: StackName = "default", database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Show organisations and their credentials, without secrets."""
    partners = _run(stack, database_url, lambda store, _sealer: list_partners(store))
    if as_json:
        print_json([asdict(partner) for partner in partners])
        return
    table = Table("organisation", "title", "credential", "kind", "created", "state")
    for partner in partners:
        for credential in partner.credentials or (None,):
            table.add_row(partner.name, partner.title, *_cells(credential))
    console.print(table)


def _cells(credential: ListedCredential | None) -> tuple[str, str, str, str]:
    if credential is None:
        return ("none", "", "", "")
    if credential.revoked_at:
        state = f"revoked {credential.revoked_at:%Y-%m-%d %H:%M}"
    elif credential.expires_at:
        state = f"works until {credential.expires_at:%Y-%m-%d %H:%M} UTC"
    else:
        state = "works"
    return (credential.lookup, credential.kind, f"{credential.created_at:%Y-%m-%d %H:%M}", state)


def _show_new(partner: Partner, *, as_json: bool) -> None:
    credentials = [{"kind": each.kind, "id": each.lookup, "secret": each.secret} for each in partner.credentials]
    if as_json:
        print_json({"name": partner.name, "organisation_id": str(partner.organisation_id), "credentials": credentials})
        return
    console.print(f"{partner.name} ({partner.organisation_id})", markup=False)
    for each in credentials:
        # Not in a table: a secret must be copied whole, however narrow the terminal.
        use = "Authorization: Bearer" if each["kind"] == "key" else f"mentorstream-key: {each['id']}, sign with"
        console.print(f"  {use} {each['secret']}", markup=False, soft_wrap=True)
    progress("Secrets are shown this once only.")


def _run(
    stack: str,
    database_url: str | None,
    action: Callable[[PostgresPartners, Sealer], Awaitable[ResultT]],
) -> ResultT:
    with plain_errors(PartnerError, asyncpg.PostgresError, OSError, ValueError):
        address, keys = (database_url, _keys_of_environment()) if database_url is not None else _of_stack(stack)
        return run_apart(_act(address, Sealer(keys), action))


async def _act(
    address: str, sealer: Sealer, action: Callable[[PostgresPartners, Sealer], Awaitable[ResultT]]
) -> ResultT:
    async with await open_pool(address, size=1, application_name="mentorstream-partners") as pool:
        return await action(PostgresPartners(pool), sealer)


def _of_stack(name: str) -> tuple[str, list[str]]:
    stack = running_stack(name)
    return worker_url(stack, "intake", DATABASE), list(stack.secrets.encryption_keys)


def _keys_of_environment() -> list[str]:
    keys: Any = json.loads(os.environ.get("MENTORSTREAM_ENCRYPTION_KEYS", "[]"))
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise ValueError("MENTORSTREAM_ENCRYPTION_KEYS is no JSON list of Fernet keys")
    return keys
