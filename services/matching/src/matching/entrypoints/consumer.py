"""What matching does with the events of `registrations`: the route table, and the handler that follows it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from uuid import UUID

from matching import metrics
from matching.adapters.postgres import StoredPools, flush_pools, load_pools
from matching.domain.values import Contradiction
from matching.handlers import registrations as handlers
from matching.handlers import rounds
from mentorstream_events import Event, Value
from mentorstream_events import registrations as events
from mentorstream_runtime.errors import Rejected
from mentorstream_runtime.outbox import Outgoing

if TYPE_CHECKING:
    from mentorstream_runtime.database import Connection

Routes: TypeAlias = Mapping[type[Value], Callable[[Any, Event[Any]], Sequence[Outgoing]]]

REGISTRATIONS: Final[Routes] = {
    events.ProgramConfigured: handlers.on_program_configured,
    events.VocabularyConfigured: handlers.on_vocabulary_configured,
    events.ParticipantRegistered: handlers.on_participant_registered,
    events.ParticipantUpdated: handlers.on_participant_updated,
    events.ParticipantWithdrawn: handlers.on_participant_withdrawn,
    events.RematchRequested: handlers.on_rematch_requested,
    events.ReportingLineChanged: handlers.on_reporting_line_changed,
    events.ProposalAccepted: handlers.on_proposal_accepted,
    events.ProposalDeclined: handlers.on_proposal_declined,
    events.ExpireProposal: handlers.expire_proposal,
    events.EndMatch: handlers.end_match,
    events.RequestMentors: handlers.request_mentors,
    events.RunRound: rounds.run_round,
    events.RoundSolved: rounds.on_round_solved,
    events.PublishRound: rounds.publish_round,
    events.DiscardRound: rounds.discard_round,
}
# These are decided over what a round was solved to.
_WITH_ANSWERS: Final = (events.RoundSolved, events.PublishRound)
# To time a decision takes as long as some decisions take, so a sample of them is timed.
_TIMED_EVERY: Final = 16


class RegistrationsHandler:
    """Decides the events of one partition over the pools of its programs, which it keeps while it lives."""

    handles = frozenset(REGISTRATIONS)

    def __init__(self, pools: StoredPools) -> None:
        self._pools = pools
        self._seconds = {model: metrics.DECISION_SECONDS.labels(model.__name__) for model in REGISTRATIONS}
        self._decided = 0

    async def load(self, connection: Connection, events: Sequence[Event[Value]]) -> None:
        """Lock the programs and load those that are not in memory."""
        await self.load_all(connection, [(self, events)])

    async def load_all(
        self, connection: Connection, parts: Sequence[tuple[RegistrationsHandler, Sequence[Event[Value]]]]
    ) -> None:
        """`load` of several partitions' handlers."""
        await load_pools(
            connection,
            [(handler._pools, {UUID(key) for key in {event.key for event in events}}) for handler, events in parts],
        )
        for handler, received in parts:
            answered = {event.data.round_id for event in received if isinstance(event.data, _WITH_ANSWERS)}
            if answered:
                await handler._pools.rounds.load(connection, answered)

    def decide(self, event: Event[Value]) -> Sequence[Outgoing]:
        """Follow the route of the event's type. Raises Rejected for what makes no sense in its program."""
        model = type(event.data)
        self._decided += 1
        started = 0.0 if self._decided % _TIMED_EVERY else time.perf_counter()
        try:
            return REGISTRATIONS[model](self._pools, event)
        except Contradiction as contradiction:
            raise Rejected(contradiction.reason, contradiction.detail) from contradiction
        finally:
            if started:
                self._seconds[model].observe(time.perf_counter() - started)

    async def flush(self, connection: Connection) -> None:
        """Store what changed."""
        await self.flush_all(connection, [self])

    async def flush_all(self, connection: Connection, handlers: Sequence[RegistrationsHandler]) -> None:
        """`flush` of several partitions' handlers."""
        await flush_pools(connection, [handler._pools for handler in handlers])

    def settled(self, *, committed: bool) -> None:
        """Keep what was decided, or forget it."""
        self._pools.settled(committed=committed)
