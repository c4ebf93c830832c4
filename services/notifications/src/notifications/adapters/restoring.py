"""Notifications after its database went back: what was carried is known from its own facts, and not carried again.

Publishes nothing to another broker: nobody decides by what was carried.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from mentorstream_events import Event
from mentorstream_events.notifications import NotificationFailed
from mentorstream_runtime.restore import Restorer

from .postgres import QUERIES

if TYPE_CHECKING:
    from mentorstream_runtime.database import Connection


class MailRestorer(Restorer):
    """Facts into rows, rows into facts."""

    decides_again = False

    def __init__(self, domain: str) -> None:
        self._domain = domain

    async def take_over(self, connection: Connection, events: Sequence[Event[Any]]) -> None:
        """How mails ended, whether they are planned already or will be when their causes are read again."""
        for event in events:
            data = event.data
            status, reason = ("failed", data.reason) if isinstance(data, NotificationFailed) else ("sent", None)
            # As the first try gave it; one that failed before any try has none, and nobody asks for it.
            message_id = f"<{data.notification_id}@{self._domain}>"
            await connection.execute(QUERIES["settle_known"], data.notification_id, status, reason, message_id)
            await connection.execute(
                QUERIES["settle_before"], data.notification_id, data.program_id, status, reason, message_id
            )

    async def keep_people(self, connection: Connection, known: Collection[UUID]) -> None:
        """Erase whoever is not on the topic of people."""
        rows = await connection.fetch(QUERIES["people_not_among"], list(known))
        await connection.execute(QUERIES["erase_people"], [row["person_id"] for row in rows])
