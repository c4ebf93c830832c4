"""A running matching service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
from tests.integration.matching.running import MatchingService, running_matching

if TYPE_CHECKING:
    from tests.support.shared_servers import Database

    from mentorstream_local.stack import Servers


@pytest.fixture
async def service(servers: Servers, database: Database, topic_prefix: str) -> AsyncIterator[MatchingService]:
    """The whole service in this process, on servers of its own prefix and database."""
    async with running_matching(servers, database, topic_prefix) as running:
        yield running
