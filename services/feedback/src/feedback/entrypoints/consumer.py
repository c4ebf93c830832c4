"""What is done with the events of each topic: one route table for each, and the handler that follows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeAlias, TypeVar

from feedback.adapters.batches import MeetingBatch, PeopleBatch
from feedback.handlers.meetings import on_meeting_completed
from feedback.handlers.people import on_person_erased
from mentorstream_events import Event, Value
from mentorstream_events.meetings import MeetingCompleted
from mentorstream_events.people import PersonErased
from mentorstream_runtime.outbox import Outgoing

if TYPE_CHECKING:
    from mentorstream_runtime.database import Connection


class Batch(Protocol):
    """What a batch loads, changes in memory and writes."""

    async def load(self, connection: Connection, events: Sequence[Event[Any]]) -> None:
        """Lock and read what the events touch."""
        ...

    async def flush(self, connection: Connection) -> None:
        """Write what was decided."""
        ...

    def clear(self) -> None:
        """Drop everything."""
        ...


BatchT = TypeVar("BatchT", bound=Batch)
Routes: TypeAlias = Mapping[type[Value], Callable[[Event[Any], BatchT], Sequence[Outgoing]]]

MEETINGS: Final[Routes[MeetingBatch]] = {MeetingCompleted: on_meeting_completed}
PEOPLE: Final[Routes[PeopleBatch]] = {PersonErased: on_person_erased}


class TopicHandler(Generic[BatchT]):
    """Decides the events of one partition by a route table. A batch is dropped as soon as its transaction ends."""

    def __init__(self, routes: Routes[BatchT], batch: BatchT) -> None:
        self.handles = frozenset(routes)
        self._routes = routes
        self._batch = batch

    async def load(self, connection: Connection, events: Sequence[Event[Value]]) -> None:
        """Lock and read what the events touch."""
        await self._batch.load(connection, events)

    def decide(self, event: Event[Value]) -> Sequence[Outgoing]:
        """Follow the route of the event's type."""
        return self._routes[type(event.data)](event, self._batch)

    async def flush(self, connection: Connection) -> None:
        """Write what was decided."""
        await self._batch.flush(connection)

    def settled(self, *, committed: bool) -> None:
        """Keep nothing, however the transaction ended."""
        del committed
        self._batch.clear()
