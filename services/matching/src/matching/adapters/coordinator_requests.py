"""What coordinators ask of `registrations`: a note that it was asked, and an outbox row, in one transaction.

No match, round or participant is changed here. The consumer decides when the request's turn comes, so a replay repeats
it; a request that makes no sense any more by then changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Literal
from uuid import UUID

import msgspec

from matching.adapters.requests import Write
from mentorstream_events import Value
from mentorstream_runtime.database import transaction
from mentorstream_runtime.outbox import Cause, emit

from .coordinator_keys import Coordinator

if TYPE_CHECKING:
    from mentorstream_runtime.database import Pool

Kind = Literal["end", "run", "publish", "discard", "request_mentors", "rematch"]


class CoordinatorRequests:
    """Asks for coordinators."""

    def __init__(self, pool: Pool, queries: Mapping[str, str], write: Write) -> None:
        self._pool = pool
        self._queries = queries
        self._write = write

    async def ask(
        self,
        coordinator: Coordinator,
        kind: Kind,
        program_id: UUID,
        subject_id: UUID,
        request: Value,
        *,
        request_id: UUID,
        now: datetime,
        traceparent: str | None,
    ) -> bool:
        """Ask once for each (kind, subject, request id). False if that was asked before."""
        cause = Cause(id=f"coordinator:{kind}:{subject_id}:{request_id}", traceparent=traceparent)
        event = emit(cause, request, time=now)
        async with transaction(self._pool) as connection:
            noted = await connection.fetchval(
                self._queries["ask_as_coordinator"],
                program_id,
                kind,
                subject_id,
                request_id,
                coordinator.organisation_id,
                coordinator.lookup,
                now,
                msgspec.to_builtins(request),
            )
            if noted is None:
                return False
            await self._write(connection, [event])
        return True
