"""Feedback after its database went back, or after the broker was replaced: facts into rows, and rows into facts.

Answers come by HTTP and are on no topic that feedback reads, so a restored database takes them over from feedback's own
facts, without their texts. Asks nobody anything.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from mentorstream_events import Event
from mentorstream_events.feedback import FeedbackRequested, FeedbackSubmitted, MatchAtRisk
from mentorstream_events.registrations import RematchRequested
from mentorstream_events.values import Terms
from mentorstream_runtime.outbox import Cause, Outgoing, emit
from mentorstream_runtime.restore import Restorer

if TYPE_CHECKING:
    from mentorstream_runtime.database import Connection


class FeedbackRestorer(Restorer):
    """Facts into rows, rows into facts."""

    decides_again = False

    def __init__(self, queries: Mapping[str, str]) -> None:
        self._queries = queries

    async def take_over(self, connection: Connection, events: Sequence[Event[Any]]) -> None:
        """Requests, answers, signals and wishes as these facts tell them."""
        for event in events:
            data, run = event.data, connection.execute
            if isinstance(data, FeedbackRequested):
                # An answer is given at the clock's time and leaves that of the program as it is.
                await run(self._queries["take_over_program"], data.program_id, event.time)
                await self._ask(connection, data)
            elif isinstance(data, FeedbackSubmitted):
                await run(
                    self._queries["take_over_response"], data.request_id, data.took_place, data.rating, event.time
                )
                await run(self._queries["take_over_answered"], data.request_id, event.time)
            elif isinstance(data, MatchAtRisk):
                await run(self._queries["take_over_signal"], data.meeting_id, data.signal, data.match_id, event.time)
            elif isinstance(data, RematchRequested):
                await run(self._queries["take_over_rematch"], data.match_id, data.participant_id, event.time)

    async def keep_people(self, connection: Connection, known: Collection[UUID]) -> None:
        """Treat whoever is not on the topic of people as erased, as the tombstone would have had it."""
        rows = await connection.fetch(self._queries["people_not_among"], list(known))
        gone = [row["person_id"] for row in rows]
        await connection.execute(self._queries["erase_persons"], gone)
        await connection.execute(self._queries["delete_texts_of_persons"], gone)

    async def current_facts(self, connection: Connection) -> AsyncIterator[Sequence[Outgoing]]:
        """Requests that wait for an answer, and who asked for another match."""
        incarnation = await connection.fetchval("SELECT incarnation FROM outbox_incarnation")
        cause = Cause(id=f"republished:{incarnation}")
        requests = [dict(row) for row in await connection.fetch(self._queries["current_requests"])]
        yield [
            emit(cause, FeedbackRequested(**row), time=now, name=row["request_id"])
            for row, now in ((row, row.pop("now")) for row in requests)
        ]
        wishes = [dict(row) for row in await connection.fetch(self._queries["current_rematches"])]
        yield [
            emit(cause, RematchRequested(**row), time=now, name=(row["match_id"], row["participant_id"]))
            for row, now in ((row, row.pop("now")) for row in wishes)
        ]

    async def _ask(self, connection: Connection, data: FeedbackRequested) -> None:
        await connection.execute(self._queries["take_over_match"], data.match_id, data.program_id, Terms().low_rating)
        await connection.execute(self._queries["keep_match_organisations"], [data.match_id], [data.organisation_id])
        await connection.execute(self._queries["add_persons"], [data.person_id])
        await connection.execute(
            self._queries["take_over_request"],
            data.request_id,
            data.program_id,
            data.match_id,
            data.meeting_id,
            data.participant_id,
            data.person_id,
            data.organisation_id,
            data.role,
            data.meeting_ended_at,
            data.expires_at,
        )
