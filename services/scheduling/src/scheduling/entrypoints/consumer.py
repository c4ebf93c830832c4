"""Reads `matches`: which event goes to which function, and what a batch loads and writes. Decides nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from uuid import UUID

from mentorstream_events import Event, Value
from mentorstream_events.matches import MatchChanged, MatchConfirmed, MatchEnded
from mentorstream_runtime.clock import Clock
from mentorstream_runtime.outbox import Outgoing
from scheduling import metrics
from scheduling.adapters.postgres import load_schedule, save_schedule
from scheduling.handlers.matches import on_match_changed, on_match_confirmed, on_match_decided, on_match_ended
from scheduling.handlers.schedule import Schedule

if TYPE_CHECKING:
    from mentorstream_runtime.database import Connection

Routes: TypeAlias = Mapping[type[Value], Callable[[Event[Any], Schedule], list[Outgoing]]]
ROUTES: Final[Routes] = MappingProxyType(
    {
        MatchConfirmed: on_match_confirmed,
        MatchChanged: on_match_changed,
        MatchEnded: on_match_ended,
    }
)
# Once series and meetings of a lost state were taken over. What ended has no active series then, so nothing is told.
DECIDED: Final[Routes] = MappingProxyType(
    {
        MatchConfirmed: on_match_decided,
        MatchChanged: on_match_decided,
        MatchEnded: on_match_ended,
    }
)


class MatchesHandler:
    """Handles the matches of one partition. Keeps nothing between batches: bookings change under other programs."""

    handles = frozenset(ROUTES)

    def __init__(self, clock: Clock, routes: Routes = ROUTES) -> None:
        self._clock = clock
        self._routes = routes
        self._schedule: Schedule | None = None

    async def load(self, connection: Connection, events: Sequence[Event[Value]]) -> None:
        """Lock the programs and everybody concerned, then load.

        An event may be late by days. It is decided at its own time, but nothing is booked before the clock's.
        """
        persons: set[UUID] = set()
        programs: set[UUID] = set()
        matches: set[UUID] = set()
        for event in events:
            data: Any = event.data
            programs.add(data.program_id)
            matches.add(data.match_id)
            if not isinstance(data, MatchEnded):
                persons.update(member.person_id for member in (data.mentor, *data.mentees))
        self._schedule = await load_schedule(
            connection, programs=programs, matches=matches, persons=persons, not_before=await self._clock.now()
        )

    def decide(self, event: Event[Value]) -> Sequence[Outgoing]:
        """Hand the event to its function. Raises Rejected before anything changed."""
        return self._routes[type(event.data)](event, self._loaded)

    async def flush(self, connection: Connection) -> None:
        """Write what was decided."""
        await save_schedule(connection, self._loaded)

    def settled(self, *, committed: bool) -> None:
        """Forget the batch."""
        if committed:
            metrics.MOVED.inc(self._loaded.moved)
            metrics.SKIPPED.inc(self._loaded.skipped)
        self._schedule = None

    @property
    def _loaded(self) -> Schedule:
        if self._schedule is None:
            raise LookupError("no batch is loaded")
        return self._schedule
