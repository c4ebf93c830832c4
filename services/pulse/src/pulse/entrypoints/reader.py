"""Takes the records of the topics, one by one, into the board, and knows how far it is. Never raises.

Drops repeats by sequence, as every reader does, so that topics may be read again from any place at any time. A record
that contradicts its contract is counted and skipped: the services that decide by it make the dead letter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol, cast
from uuid import UUID

import structlog
from aiokafka import TopicPartition

from mentorstream_events import Event, SequenceNumber, Undecodable, Value, decode
from mentorstream_runtime.metrics import LAG, RECORDS, SEQUENCE_GAPS
from pulse import metrics
from pulse.adapters.log_ends import Bounds
from pulse.domain.board import Board
from pulse.handlers.facts import ROUTES, Routes

log = structlog.get_logger(__name__)
SERVICE: Final = "pulse"


class Record(Protocol):
    """A record as aiokafka and Faust hand it over."""

    @property
    def topic(self) -> str: ...

    @property
    def partition(self) -> int: ...

    @property
    def offset(self) -> int: ...

    @property
    def key(self) -> bytes | None: ...

    @property
    def value(self) -> bytes | None: ...

    @property
    def headers(self) -> Iterable[tuple[str, bytes]]: ...


class _OfProgram(Protocol):
    """All events but those of `people`, which pulse does not read."""

    program_id: UUID


class Reader:
    """Counts records into a board. `clock` tells business time in seconds since 1970."""

    def __init__(self, board: Board, clock: Callable[[], float], topic_prefix: str, *, routes: Routes = ROUTES) -> None:
        self._routes = routes
        self._board = board
        self._clock = clock
        self._prefix = topic_prefix
        # One entry for each source, topic and program: grows with programs, never with events.
        self._seen: dict[tuple[str, str, str], SequenceNumber] = {}
        self._next_offsets: dict[TopicPartition, int] = {}
        self._goals: dict[TopicPartition, int] | None = None
        self.processed = 0

    def take(self, record: Record) -> None:
        """Count one record, whatever is in it. An agent that raised would lose its event without a word."""
        topic = record.topic.removeprefix(self._prefix)
        try:
            self._count(topic, record)
        except Undecodable as error:
            metrics.UNDECODABLE.labels(topic, error.reason).inc()
            where = {"topic": topic, "partition": record.partition, "offset": record.offset}
            log.warning("undecodable", reason=error.reason, detail=error.detail, **where)
        except Exception:
            metrics.FAILURES.labels(topic).inc()
            log.exception("not_counted", topic=topic, partition=record.partition, offset=record.offset)
        self.processed += 1
        partition = TopicPartition(record.topic, record.partition)
        after = record.offset + 1
        # After a lost session the group starts over at where it began: that is not a step back.
        if after > self._next_offsets.get(partition, 0):
            self._next_offsets[partition] = after
        if self._goals and after >= self._goals.get(partition, after + 1):
            del self._goals[partition]

    def expect(self, bounds: Mapping[TopicPartition, Bounds]) -> None:
        """What has to be read before the figures are whole: all that the topics hold now."""
        self._goals = {partition: each.end for partition, each in bounds.items() if each.end > each.start}

    def caught_up(self) -> bool:
        """Whether all was read that the topics held at the start."""
        return self._goals is not None and not self._goals

    def lag(self, bounds: Mapping[TopicPartition, Bounds]) -> int:
        """Records not yet read, given what the topics hold now. What was deleted meanwhile is not waited for."""
        total = 0
        for partition, each in bounds.items():
            behind = max(0, each.end - max(each.start, self._next_offsets.get(partition, 0)))
            LAG.labels(partition.topic.removeprefix(self._prefix), str(partition.partition)).set(behind)
            total += behind
            if self._goals and self._goals.get(partition, each.start + 1) <= each.start:
                del self._goals[partition]
        return total

    def _count(self, topic: str, record: Record) -> None:
        event = decode(topic, record.key, record.value, record.headers)
        if self._is_repeat(topic, event):
            RECORDS.labels(topic, "repeated").inc()
            return
        if event.redrive_for is not None and event.redrive_for != SERVICE:
            RECORDS.labels(topic, "skipped").inc()
            return
        at = event.time.timestamp()
        program_id = cast("_OfProgram", event.data).program_id
        program = self._board.note(program_id, (topic, event.type), at, self._clock())
        route = self._routes.get(type(event.data))
        if program is None or route is None:
            RECORDS.labels(topic, "skipped").inc()
            return
        route(program, event.data, at)
        RECORDS.labels(topic, "handled").inc()

    def _is_repeat(self, topic: str, event: Event[Value]) -> bool:
        if event.sequence is None:
            return False
        name = (event.source, topic, event.key)
        missing = event.sequence.missing_since(self._seen.get(name))
        if missing is None:
            return True
        if missing:
            SEQUENCE_GAPS.labels(topic, event.source).inc(missing)
            log.warning("sequence_gap", topic=topic, source=event.source, missing=missing)
        self._seen[name] = event.sequence
        return False
