"""One batch: load, decide, flush, in one transaction with its position, outbox and dead letters.

It is of one partition, or of several where each has little: most of what a small batch takes is waiting for the
database, statement by statement. What a service does with its events is a `Handler`; everything else about a batch is
here. A batch either happens whole or not at all, so handling it again is always right.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, runtime_checkable

import structlog
from aiokafka import ConsumerRecord

from mentorstream_events import TOPIC, Event, SequenceNumber, Undecodable, Value, decode

from . import metrics, points, positions
from .database import columns_of, transaction
from .dead_letters import Burial, bury
from .errors import Rejected, Unprepared
from .log_place import describe
from .outbox import Outgoing, write_outbox

if TYPE_CHECKING:
    from .database import Connection, Pool

log = structlog.get_logger(__name__)
Record: TypeAlias = "ConsumerRecord[bytes | None, bytes | None]"
_SEEN_LIMIT: Final = 200_000

_LOAD_SEEN: Final = """
    SELECT topic, source, key, incarnation, number FROM sequence_seen
    JOIN unnest($1::text[], $2::text[], $3::text[]) AS wanted (topic, source, key) USING (topic, source, key)
"""


class Handler(Protocol):
    """What a service does with the events of one partition while it owns it."""

    handles: frozenset[type[Value]]

    async def load(self, connection: Connection, events: Sequence[Event[Value]]) -> None:
        """Lock the touched programs' rows, then persons' rows, each in id order; fetch in bulk."""
        ...

    def decide(self, event: Event[Value]) -> Sequence[Outgoing]:
        """Decide one event over what was loaded. Raises Rejected before changing anything."""
        ...

    async def flush(self, connection: Connection) -> None:
        """Write what was decided, set by set."""
        ...

    def settled(self, *, committed: bool) -> None:
        """The transaction ended: memory may change only after a commit, and is dropped otherwise."""
        ...


@runtime_checkable
class JointHandler(Handler, Protocol):
    """A handler that can load and flush several of its kind, each of another partition, by the same statements."""

    async def load_all(self, connection: Connection, parts: Sequence[tuple[Any, Sequence[Event[Value]]]]) -> None:
        """`load` of each of these handlers for its events; this one is among them."""
        ...

    async def flush_all(self, connection: Connection, handlers: Sequence[Any]) -> None:
        """`flush` of each of these handlers; this one is among them."""
        ...


@dataclass(slots=True)
class Owned:
    """A partition that this process owns: its epoch and what is known of it while it is owned."""

    topic: str
    partition: int
    handler: Handler
    epoch: int
    next_offset: int
    one_by_one: bool = False
    # Where reading was asked to go on, since it was claimed: what was read ahead of an earlier claim may still come.
    sought: int | None = None
    # The record whose decision is under way, or raised, and how long all decisions of the last batch took.
    deciding: Record | None = None
    decide_seconds: float = 0.0
    # How often the record that is next was decided for too long.
    overlong: int = 0
    seen: dict[tuple[str, str], SequenceNumber] = field(default_factory=dict)

    @property
    def place(self) -> positions.Place:
        """Topic and partition."""
        return self.topic, self.partition

    def remember(self, seen: Mapping[tuple[str, str], SequenceNumber]) -> None:
        """What was seen, now that it is committed."""
        self.seen.update(seen)
        if len(self.seen) > _SEEN_LIMIT:
            self.seen.clear()

    def forget(self) -> None:
        """Drop what an aborted batch may have changed."""
        self.handler.settled(committed=False)
        self.seen.clear()


@dataclass(slots=True)
class _Outcome:
    """What became of the records of a batch, for figures after the commit."""

    handled: int = 0
    skipped: int = 0
    repeated: int = 0
    burials: list[Burial] = field(default_factory=list)
    gaps: list[tuple[str, int]] = field(default_factory=list)
    fresh: dict[tuple[str, str], SequenceNumber] = field(default_factory=dict)


@dataclass(slots=True, repr=False)  # its text would be all of its records, over and over in a traceback with locals
class _Part:
    """What a batch has of one partition: records that are not done yet, and what becomes of them."""

    owned: Owned
    fresh: list[Record]
    decoded: Sequence[tuple[Record, Event[Value]]] = ()
    outcome: _Outcome = field(default_factory=_Outcome)
    events: list[tuple[Record, Event[Value]]] = field(default_factory=list)


async def handle_batch(
    pool: Pool,
    service: str,
    batch: Sequence[tuple[Owned, Sequence[Record]]],
    *,
    limit_bytes: int,
    publish: bool = True,
) -> tuple[int, int, bool]:
    """Handle records of a partition, or of several, in one transaction.

    Returns (records, dead letters, whether events went out). Several must be of one topic whose handler is a
    `JointHandler`. With `publish` false nothing reaches the outbox: a replay decides again what was published long ago.
    What a decision needs first and takes long is prepared between two attempts.

    Raises Fenced when another process owns a partition, and whatever load, decide or flush raise; the transaction is
    rolled back then and the caller must call `forget()` of everything owned.
    """
    while True:
        try:
            return await _attempt(pool, service, batch, limit_bytes, publish)
        except Unprepared as unprepared:
            for owned, _ in batch:
                owned.forget()
            log.info("preparing", what=str(unprepared))
            await unprepared.prepare()


async def _attempt(
    pool: Pool, service: str, batch: Sequence[tuple[Owned, Sequence[Record]]], limit_bytes: int, publish: bool
) -> tuple[int, int, bool]:
    started = time.perf_counter()
    outgoing: list[Outgoing] = []
    for owned, _ in batch:
        owned.deciding, owned.decide_seconds = None, 0.0
    async with transaction(pool) as connection:
        next_offsets = await positions.lock(connection, {owned.place: owned.epoch for owned, _ in batch})
        parts = _parts(batch, next_offsets)
        if not parts:
            return 0, 0, False
        for part in parts:
            part.decoded = _decode(part.owned.topic, service, part.fresh, part.outcome)
        await _load_seen(connection, parts)
        for part in parts:
            part.events = _unseen(part.owned, service, part.decoded, part.outcome)
        eventful = [part for part in parts if part.events]
        if eventful:
            await _load(connection, eventful)
            for part in eventful:
                _decide(part, outgoing)
            await _flush(connection, eventful)
            if publish:
                await write_outbox(connection, service, outgoing, limit_bytes=limit_bytes)
        for part in parts:
            if part.outcome.burials:
                await bury(connection, part.owned.topic, part.outcome.burials)
        await positions.advance(
            connection, {part.owned.place: part.fresh[-1].offset + 1 for part in parts}, _seen_last(parts)
        )
        points.reach("before_commit")
    points.reach("after_commit")
    for part in parts:
        part.owned.next_offset = part.fresh[-1].offset + 1
        part.owned.remember(part.outcome.fresh)
        if part.events:
            part.owned.handler.settled(committed=True)
        _report(part.owned.topic, len(part.fresh), part.outcome, time.perf_counter() - started)
    dead = sum(len(part.outcome.burials) for part in parts)
    return sum(len(part.fresh) for part in parts), dead, bool(outgoing)


def _parts(batch: Sequence[tuple[Owned, Sequence[Record]]], next_offsets: Mapping[positions.Place, int]) -> list[_Part]:
    """What is not done yet. Below a partition's offset it is: the commit before a crash, or a replayed fetch."""
    parts: list[_Part] = []
    for owned, records in batch:
        fresh = [record for record in records if record.offset >= next_offsets[owned.place]]
        if fresh:
            parts.append(_Part(owned, fresh))
        else:
            owned.next_offset = max(next_offsets[owned.place], owned.next_offset)
    return parts


async def _load(connection: Connection, parts: Sequence[_Part]) -> None:
    wanted = [(part.owned.handler, [event for _, event in part.events]) for part in parts]
    first, events = wanted[0]
    if len(wanted) == 1:
        await first.load(connection, events)
    else:
        assert isinstance(first, JointHandler)  # noqa: S101 - no other is given several
        await first.load_all(connection, wanted)


def _decide(part: _Part, outgoing: list[Outgoing]) -> None:
    owned, outcome, began = part.owned, part.outcome, time.perf_counter()
    for record, event in part.events:
        owned.deciding = record
        try:
            outgoing.extend(owned.handler.decide(event))
        except Rejected as rejected:
            outcome.burials.append(Burial(record, rejected.reason, rejected.detail))
    owned.deciding, owned.decide_seconds = None, time.perf_counter() - began
    outcome.handled = len(part.events)


async def _flush(connection: Connection, parts: Sequence[_Part]) -> None:
    handlers = [part.owned.handler for part in parts]
    first = handlers[0]
    if len(handlers) == 1:
        await first.flush(connection)
    else:
        assert isinstance(first, JointHandler)  # noqa: S101 - no other is given several
        await first.flush_all(connection, handlers)


async def bury_record(pool: Pool, owned: Owned, record: Record, reason: str, detail: str) -> None:
    """Put one record aside without handling it, and move on."""
    part = _Part(owned, [record])
    async with transaction(pool) as connection:
        await positions.lock(connection, {owned.place: owned.epoch})
        await bury(connection, owned.topic, [Burial(record, reason, detail)])
        # It was an event, so the next one of its key is no gap. What cannot be decoded is not believed about its place.
        part.decoded = _decode(owned.topic, "", [record], part.outcome)
        await _load_seen(connection, [part])
        _unseen(owned, "", part.decoded, part.outcome)
        await positions.advance(connection, {owned.place: record.offset + 1}, _seen_last([part]))
    owned.next_offset = record.offset + 1
    owned.remember(part.outcome.fresh)
    metrics.RECORDS.labels(owned.topic, "dead").inc()
    _tell_burial(owned.topic, Burial(record, reason, detail))


def _decode(
    topic: str, service: str, records: Sequence[Record], outcome: _Outcome
) -> list[tuple[Record, Event[Value]]]:
    decoded: list[tuple[Record, Event[Value]]] = []
    for record in records:
        try:
            decoded.append((record, decode(topic, record.key, record.value, record.headers)))
        except Undecodable as error:
            if dict(record.headers).get("ce_redrivefor", service.encode()) != service.encode():
                outcome.skipped += 1  # another reader's: this one has buried it already
                continue
            outcome.burials.append(Burial(record, error.reason, error.detail))
    return decoded


async def _load_seen(connection: Connection, parts: Sequence[_Part]) -> None:
    missing: dict[tuple[str, str, str], list[Owned]] = {}
    for part in parts:
        for source, key in {(event.source, event.key) for _, event in part.decoded} - part.owned.seen.keys():
            missing.setdefault((part.owned.topic, source, key), []).append(part.owned)
    if missing:
        for row in await connection.fetch(_LOAD_SEEN, *columns_of(list(missing), 3)):
            for owned in missing[row["topic"], row["source"], row["key"]]:
                owned.seen[row["source"], row["key"]] = SequenceNumber(row["incarnation"], row["number"])


def _unseen(
    owned: Owned, service: str, decoded: Sequence[tuple[Record, Event[Value]]], outcome: _Outcome
) -> list[tuple[Record, Event[Value]]]:
    """Events above the last sequence seen that this service handles; notes gaps, repeats and what others handle."""
    handles = owned.handler.handles
    compacted = TOPIC[owned.topic].compacted
    events: list[tuple[Record, Event[Value]]] = []
    for record, event in decoded:
        if event.sequence is not None:
            name = (event.source, event.key)
            missing = event.sequence.missing_since(outcome.fresh.get(name) or owned.seen.get(name))
            if missing is None:
                outcome.repeated += 1
                continue
            if missing and not compacted:
                outcome.gaps.append((event.source, missing))
            outcome.fresh[name] = event.sequence
        if type(event.data) not in handles or (event.redrive_for is not None and event.redrive_for != service):
            outcome.skipped += 1
        else:
            events.append((record, event))
    return events


def _seen_last(parts: Sequence[_Part]) -> list[positions.Seen]:
    return [(part.owned.topic, *name, *number) for part in parts for name, number in part.outcome.fresh.items()]


def _report(topic: str, count: int, outcome: _Outcome, seconds: float) -> None:
    metrics.BATCH_RECORDS.labels(topic).observe(count)
    metrics.BATCH_SECONDS.labels(topic).observe(seconds)
    metrics.RECORDS.labels(topic, "handled").inc(outcome.handled)
    metrics.RECORDS.labels(topic, "skipped").inc(outcome.skipped)
    metrics.RECORDS.labels(topic, "repeated").inc(outcome.repeated)
    metrics.RECORDS.labels(topic, "dead").inc(len(outcome.burials))
    for burial in outcome.burials:
        _tell_burial(topic, burial)
    for source, missing in outcome.gaps:
        metrics.SEQUENCE_GAPS.labels(topic, source).inc(missing)
        log.error("sequence_gap", topic=topic, source=source, missing=missing)


def _tell_burial(topic: str, burial: Burial) -> None:
    metrics.DEAD_LETTERS.labels(topic, burial.reason).inc()
    log.error(
        "dead_letter",
        topic=topic,
        partition=burial.record.partition,
        offset=burial.record.offset,
        reason=burial.reason,
        detail=burial.detail,
        **describe(burial.record),
    )
