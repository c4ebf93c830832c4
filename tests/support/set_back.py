"""A database that goes back to an earlier state, and the command that its runbook names."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import asyncpg

from mentorstream_local.migrations import grant_database

if TYPE_CHECKING:
    from tests.support.shared_servers import Database

    from mentorstream_local.stack import Servers
    from mentorstream_runtime.process import Process


@contextlib.asynccontextmanager
async def set_back(servers: Servers, database: Database) -> AsyncIterator[None]:
    """Afterwards the database is as it was before. Nobody may be connected, before and after."""
    name, kept = database.name, f"{database.name}_kept"
    admin = await asyncpg.connect(servers.postgres_admin_url)
    try:
        await admin.execute(f"CREATE DATABASE {kept} TEMPLATE {name}")
        yield
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.execute(f"ALTER DATABASE {kept} RENAME TO {name}")
        await grant_database(admin, name)
    finally:
        await admin.close()


async def run_to_end(process: Process[Any]) -> int:
    """Let a process do what its mode is for; returns what it counted."""
    async with process:
        await asyncio.wait_for(process.finished.wait(), 60)
        assert not process.failed.is_set()
        return process.replayed
