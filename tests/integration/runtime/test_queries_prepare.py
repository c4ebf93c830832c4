"""Every named query of every service is valid on the real schema, for the role that runs it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import asyncpg
import pytest

from mentorstream_local.migrations import SERVICES_WITH_DATABASE, api_role, worker_role
from mentorstream_runtime.database import load_queries

if TYPE_CHECKING:
    from tests.support.shared_servers import Database


@pytest.mark.parametrize("service", SERVICES_WITH_DATABASE)
async def test_every_query_can_be_prepared(service: str, database: Database) -> None:
    package = importlib.import_module(service)
    assert package.__file__ is not None
    connections = [await asyncpg.connect(database.url(role)) for role in (worker_role(service), api_role(service))]
    try:
        for name, text in load_queries(package.__file__).items():
            refusals = []
            for connection in connections:
                try:
                    await connection.prepare(text)
                except asyncpg.PostgresError as error:
                    refusals.append(repr(error))
            assert len(refusals) < len(connections), (name, refusals)
    finally:
        for connection in connections:
            await connection.close()
