"""One batch of one partition: load, decide, flush, in one transaction with its position, outbox and dead letters.

What a service does with its events is a `Handler`; everything else about a batch is here. A batch either happens
whole or not at all, so handling it again is always right.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

import structlog
from aiokafka import ConsumerRecord

from mentorstream_events import TOPIC, Event, SequenceNumber, Undecodable, Value, decode

from . import metrics, points, positions
from .database import transaction
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
    SELECT source, key, incarnation, number FROM sequence_seen
    WHERE topic = $1 AND (source, key) IN (SELECT * FROM unnest($2::text[], $3::text[]))
"""
_SAVE_SEEN: Final = """
    INSERT INTO sequence_seen (topic, source, key, incarnation, number)
    SELECT $1, * FROM unnest($2::text[], $3::text[], $4::int[], $5::bigint[])
    ON CONFLICT (topic, source, key) DO UPDATE SET incarnation = excluded.incarnation, number = excluded.number
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


@dataclass(slots=True)
class Owned:
    """A partition that this process owns: its epoch and what is known of it while it is owned."""

    topic: str
    partition: int
    handler: Handler
    epoch: int
    next_offset: int
    one_by_one: bool = False
    # The record whose decision is under way, or raised, and how long all decisions of the last batch took.
    deciding: Record | None = None
    decide_seconds: float = 0.0
    # How often the record that is next was decided for too long.
    overlong: int = 0
    seen: dict[tuple[str, str], SequenceNumber] = field(default_factory=dict)

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


async def handle_batch(
    pool: Pool, service: str, owned: Owned, records: Sequence[Record], *, limit_bytes: int, publish: bool = True
) -> tuple[int, int, bool]:
    """Handle records of one partition in one transaction; returns (records, dead letters, whether events went out).

    With `publish` false nothing reaches the outbox: a replay decides again what was published long ago. What a decision
    needs first and takes long is prepared between two attempts.

    Raises Fenced when another process owns the partition, and whatever load, decide or flush raise; the transaction is
    rolled back then and the caller must call `owned.forget()`.
    """
    while True:
        try:
            return await _attempt(pool, service, owned, records, limit_bytes, publish)
        except Unprepared as unprepared:
            owned.forget()
            log.info("preparing", what=str(unprepared))
            await unprepared.prepare()


async def _attempt(
    pool: Pool, service: str, owned: Owned, records: Sequence[Record], limit_bytes: int, publish: bool
) -> tuple[int, int, bool]:
    started = time.perf_counter()
    owned.deciding, owned.decide_seconds = None, 0.0
    outgoing: list[Outgoing] = []
    async with transaction(pool) as connection:
        next_offset = await positions.lock(connection, owned.topic, owned.partition, owned.epoch)
        # Below it is done: the commit before a crash, or a replayed fetch.
        fresh = [record for record in records if record.offset >= next_offset]
        if not fresh:
            owned.next_offset = max(next_offset, owned.next_offset)
            return 0, 0, False
        outcome = _Outcome()
        decoded = _decode(owned.topic, service, fresh, outcome)
        await _load_seen(connection, owned, decoded)
        events = _unseen(owned, service, decoded, outcome)
        if events:
            await owned.handler.load(connection, [event for _, event in events])
            began = time.perf_counter()
            for record, event in events:
                owned.deciding = record
                try:
                    outgoing.extend(owned.handler.decide(event))
                except Rejected as rejected:
                    outcome.burials.append(Burial(record, rejected.reason, rejected.detail))
            owned.deciding, owned.decide_seconds = None, time.perf_counter() - began
            outcome.handled = len(events)
            await owned.handler.flush(connection)
            if publish:
                await write_outbox(connection, service, outgoing, limit_bytes=limit_bytes)
        if outcome.burials:
            await bury(connection, owned.topic, outcome.burials)
        await _save_seen(connection, owned.topic, outcome.fresh)
        await positions.advance(connection, owned.topic, owned.partition, fresh[-1].offset + 1)
        points.reach("before_commit")
    points.reach("after_commit")
    owned.next_offset = fresh[-1].offset + 1
    owned.seen.update(outcome.fresh)
    if len(owned.seen) > _SEEN_LIMIT:
        owned.seen.clear()
    if events:
        owned.handler.settled(committed=True)
    _report(owned.topic, len(fresh), outcome, time.perf_counter() - started)
    return len(fresh), len(outcome.burials), bool(outgoing)


async def bury_record(pool: Pool, owned: Owned, record: Record, reason: str, detail: str) -> None:
    """Put one record aside without handling it, and move on."""
    async with transaction(pool) as connection:
        await positions.lock(connection, owned.topic, owned.partition, owned.epoch)
        await bury(connection, owned.topic, [Burial(record, reason, detail)])
        # It was an event, so the next one of its key is no gap. What cannot be decoded is not believed about its place.
        outcome = _Outcome()
        decoded = _decode(owned.topic, "", [record], outcome)
        await _load_seen(connection, owned, decoded)
        _unseen(owned, "", decoded, outcome)
        await _save_seen(connection, owned.topic, outcome.fresh)
        await positions.advance(connection, owned.topic, owned.partition, record.offset + 1)
    owned.next_offset = record.offset + 1
    owned.seen.update(outcome.fresh)
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


async def _load_seen(connection: Connection, owned: Owned, decoded: Sequence[tuple[Record, Event[Value]]]) -> None:
    missing = list({(event.source, event.key) for _, event in decoded} - owned.seen.keys())
    if missing:
        rows = await connection.fetch(
            _LOAD_SEEN, owned.topic, [source for source, _ in missing], [key for _, key in missing]
        )
        for row in rows:
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


async def _save_seen(connection: Connection, topic: str, fresh: dict[tuple[str, str], SequenceNumber]) -> None:
    if not fresh:
        return
    # In key order, as every other lock: two readers never share a partition, but a test may.
    rows: list[tuple[Any, ...]] = sorted((*name, *number) for name, number in fresh.items())
    await connection.execute(_SAVE_SEEN, topic, *map(list, zip(*rows, strict=True)))


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
