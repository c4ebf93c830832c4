"""The bench on the session's servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.integration.runtime import toy
from tests.integration.runtime.bench import Bench

if TYPE_CHECKING:
    from tests.support.shared_servers import Database

    from mentorstream_local.stack import Servers


@pytest.fixture
async def bench(servers: Servers, database: Database, topic_prefix: str) -> Bench:
    """A toy service with a database and topics of this test alone."""
    await toy.create_table(database.url("mentorstream_matching_owner"))
    return Bench(servers, database, topic_prefix)
