"""A running feedback service with a request to open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
from tests.support.feedback_service import FeedbackService, running_feedback

if TYPE_CHECKING:
    from tests.support.shared_servers import Database

    from mentorstream_local.stack import Servers


@pytest.fixture
async def service(servers: Servers, database: Database, topic_prefix: str) -> AsyncIterator[FeedbackService]:
    """The whole service in this process."""
    async with running_feedback(servers, database, topic_prefix) as running:
        yield running


@pytest.fixture
async def address(service: FeedbackService) -> str:
    """The link that one mentee got by mail."""
    _, mentee = await service.ask()
    return service.url(mentee)
