"""A running matching service with a program under review, and a coordinator's key."""

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
    """The whole service in this process; a first comparison compiles, which takes longer than people should wait."""
    async with running_matching(servers, database, topic_prefix, request_timeout_seconds=120) as running:
        yield running
