"""One broker and one PostgreSQL server for a whole test session, shared by its worker processes.

The process that runs pytest owns them; whichever test process needs them first starts them, under a file lock. So a
run without such tests starts nothing, and it makes no difference whether xdist is used. The owner stops them at the
end; if it dies before, the next session does (see `end_abandoned_stacks`).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from mentorstream_local.loops import run_apart
from mentorstream_local.migrations import database_url, grant_database, migrate, role_url
from mentorstream_local.stack import Servers, Stack, new_ephemeral_stack
from mentorstream_local.topics import create_topics, delete_topics

if TYPE_CHECKING:
    from collections.abc import Iterator

ROLE_SECRET = "only for tests"


@dataclass(frozen=True)
class Database:
    """A migrated database of one test. `admin_url` is the superuser's: for looking at what happened, not for acting."""

    name: str
    admin_url: str

    def url(self, role: str) -> str:
        """The DSN of one of the roles, for example `mentorstream_matching_worker`."""
        return role_url(self.admin_url, self.name, role, ROLE_SECRET)


class SharedServers:
    """The session's servers, seen from any of its processes. `home` is a directory that all of them know."""

    def __init__(self, home: Path, owner_pid: int) -> None:
        self._home = home
        self._owner_pid = owner_pid

    def servers(self) -> Servers:
        """Their addresses; started if nobody did so before."""
        addresses = self._home / "servers.json"
        with self._locked():
            if not addresses.exists():
                stack = new_ephemeral_stack(self._owner_pid)
                # Written before the start, so that the owner can stop what a killed worker had begun.
                (self._home / "stack-directory").write_text(str(stack.directory))
                addresses.write_text(json.dumps(asdict(stack.up())))
            return Servers(**json.loads(addresses.read_text()))

    def template(self) -> str:
        """The name of the migrated database that tests get copies of."""
        admin_url = self.servers().postgres_admin_url
        name_file = self._home / "template-name"
        with self._locked():
            if not name_file.exists():
                name = f"template_{secrets.token_hex(6)}"
                name_file.write_text(name)
                migrate(admin_url, name, role_secret=ROLE_SECRET)
                run_apart(_execute(admin_url, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
            return name_file.read_text()

    def close(self) -> None:
        """Stop what was started. On a server that is not ours, remove the template."""
        directory_file, name_file = self._home / "stack-directory", self._home / "template-name"
        if not directory_file.exists():
            return
        stack = Stack(Path(directory_file.read_text()), ephemeral=True)
        if stack.postgres is None and name_file.exists():
            run_apart(_execute(stack.servers.postgres_admin_url, f"DROP DATABASE IF EXISTS {name_file.read_text()}"))
        stack.down()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._home / "lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


@contextlib.contextmanager
def copied_database(admin_url: str, template: str) -> Iterator[Database]:
    """A copy of the template, dropped afterwards together with whatever connections a test left open."""
    name = f"test_{secrets.token_hex(8)}"
    run_apart(_copy(admin_url, template, name))
    try:
        yield Database(name, database_url(admin_url, name))
    finally:
        run_apart(_execute(admin_url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))


@contextlib.contextmanager
def migrated_database(admin_url: str) -> Iterator[Database]:
    """A database migrated from nothing, on a server that is thrown away afterwards."""
    name = f"test_{secrets.token_hex(8)}"
    migrate(admin_url, name, role_secret=ROLE_SECRET)
    yield Database(name, database_url(admin_url, name))


@contextlib.contextmanager
def prefixed_topics(bootstrap: str, partitions: int) -> Iterator[str]:
    """All declared topics under a prefix of their own, deleted afterwards."""
    prefix = f"t{secrets.token_hex(6)}."
    create_topics(bootstrap, prefix, partitions=partitions)
    try:
        yield prefix
    finally:
        delete_topics(bootstrap, prefix)


async def _copy(admin_url: str, template: str, name: str) -> None:
    connection = await asyncpg.connect(admin_url)
    try:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        await grant_database(connection, name)
    finally:
        await connection.close()


async def _execute(admin_url: str, statement: str) -> None:
    connection = await asyncpg.connect(admin_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
