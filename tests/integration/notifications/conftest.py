"""A running notifications service and where its mails arrive."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
from tests.support.notifications_service import NotificationsService, running_notifications

if TYPE_CHECKING:
    from tests.support.shared_servers import Database

    from mentorstream_local.smtp_sink import SmtpSink
    from mentorstream_local.stack import Servers


@pytest.fixture
async def service(
    servers: Servers, database: Database, topic_prefix: str, smtp_sink: SmtpSink
) -> AsyncIterator[NotificationsService]:
    """The whole service in this process, on a database and topics of its own."""
    async with running_notifications(servers, database, topic_prefix, smtp_port=smtp_sink.port) as running:
        yield running
