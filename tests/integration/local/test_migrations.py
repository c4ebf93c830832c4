"""Databases are migrated once, by roles that own one schema each, however often and by however many it is asked."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import asyncpg
import pytest

from mentorstream_local.loops import run_apart
from mentorstream_local.migrations import (
    SERVICES_WITH_DATABASE,
    MigrationError,
    database_url,
    migrate,
    role_password,
    role_url,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.shared_servers import Database

    from mentorstream_local.stack import Servers

from tests.support.shared_servers import ROLE_SECRET


@pytest.fixture
def fresh_name(servers: Servers) -> Iterator[str]:
    """The name of a database that does not exist yet, with a character that must be quoted."""
    name = f"fresh-{secrets.token_hex(6)}"
    yield name
    run_apart(_execute(servers.postgres_admin_url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


def test_several_at_once_and_again_make_one_database(servers: Servers, fresh_name: str) -> None:
    def run(_number: int) -> None:
        migrate(servers.postgres_admin_url, fresh_name, role_secret=ROLE_SECRET)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(run, range(3)))
    run(4)
    url = database_url(servers.postgres_admin_url, fresh_name)
    tables = run_apart(_fetch(url, "SELECT schemaname FROM pg_tables WHERE tablename = 'outbox'"))
    assert {row["schemaname"] for row in tables} == set(SERVICES_WITH_DATABASE)


def test_only_the_services_asked_for_are_migrated(servers: Servers, fresh_name: str) -> None:
    migrate(servers.postgres_admin_url, fresh_name, ["matching"], role_secret=ROLE_SECRET)
    url = database_url(servers.postgres_admin_url, fresh_name)
    tables = run_apart(_fetch(url, "SELECT schemaname FROM pg_tables WHERE tablename = 'outbox'"))
    assert [row["schemaname"] for row in tables] == ["matching"]


def test_a_refused_migration_is_told_in_the_databases_words(
    servers: Servers, fresh_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "services" / "matching" / "migrations"
    directory.mkdir(parents=True)
    (directory / "20260101000000_wrong.sql").write_text(
        "-- migrate:up\nSELECT * FROM missing_table;\n-- migrate:down\n"
    )
    monkeypatch.setenv("MENTORSTREAM_MIGRATIONS_ROOT", str(tmp_path))
    with pytest.raises(MigrationError, match=r"migrations of matching: .*missing_table"):
        migrate(servers.postgres_admin_url, fresh_name, ["matching"], role_secret=ROLE_SECRET)


async def test_nobody_but_the_owner_owns_anything(database: Database) -> None:
    owned = await _fetch(
        database.admin_url,
        """
        SELECT DISTINCT n.nspname, r.rolname
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
        WHERE r.rolname LIKE 'mentorstream%' AND n.nspname <> 'pg_toast' ORDER BY 1
        """,
    )
    assert [tuple(row) for row in owned] == sorted(
        (service, f"mentorstream_{service}_owner") for service in SERVICES_WITH_DATABASE
    )


async def test_owners_may_use_exclusion_constraints_over_plain_types(database: Database) -> None:
    await _execute(
        database.url("mentorstream_scheduling_owner"),
        "CREATE TABLE probe (who uuid, during tstzrange, EXCLUDE USING gist (who WITH =, during WITH &&))",
    )


async def test_only_the_clocks_driver_moves_business_time(database: Database) -> None:
    moved = "INSERT INTO clock.business_time (now) VALUES ('2026-03-01 08:00+00')"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await _execute(database.url("mentorstream_feedback_worker"), moved)
    await _execute(database.url("mentorstream_clock"), moved)
    (row,) = await _fetch(database.url("mentorstream_feedback_api"), "SELECT now FROM clock.business_time")
    assert row["now"].isoformat() == "2026-03-01T08:00:00+00:00"


def test_role_urls_keep_server_and_options_and_derive_the_password() -> None:
    url = role_url("postgresql://admin:x@db:5433/postgres?sslmode=require", "main", "mentorstream_intake_api", "secret")
    password = role_password("mentorstream_intake_api", "secret")
    assert url == f"postgresql://mentorstream_intake_api:{password}@db:5433/main?sslmode=require"
    assert password != role_password("mentorstream_intake_worker", "secret")
    assert password != role_password("mentorstream_intake_api", "another secret")


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _fetch(url: str, query: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetch(query)
    finally:
        await connection.close()
