"""The row that says where a partition stands: claimed by a new owner, locked by each batch, moved with its commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from aiokafka import TopicPartition

from .database import columns_of
from .errors import Fenced, Halted
from .settings import RuntimeSettings

if TYPE_CHECKING:
    from .database import Connection, Pool

Place: TypeAlias = tuple[str, int]
"""A topic without prefix, and a partition of it."""
Seen: TypeAlias = tuple[str, str, str, int, int]
"""Topic, source and key, and the incarnation and number of the last event seen."""

_CLAIM: Final = """
    INSERT INTO consumer_position AS position (topic, partition, epoch, next_offset, cluster_id)
    VALUES ($1, $2, 1, $3, $4)
    ON CONFLICT (topic, partition) DO UPDATE SET
        epoch = position.epoch + 1,
        -- Rewound by an operator: from the log's first record, wherever retention has left that.
        next_offset = CASE WHEN position.next_offset < 0 THEN excluded.next_offset ELSE position.next_offset END,
        -- One that found nothing to read says nothing about the records.
        claims_without_progress = CASE WHEN position.next_offset < $5 THEN position.claims_without_progress + 1
                                       ELSE 0 END,
        updated_at = clock_timestamp()
    RETURNING epoch, next_offset, cluster_id, claims_without_progress, suspect_offset, suspect_count
"""
# Not what merely answers: a standby, or a database without its tables, is of no use.
_TRY: Final = "SELECT FROM consumer_position LIMIT 1 FOR UPDATE SKIP LOCKED"
_LOCK: Final = """
    SELECT topic, partition, epoch, next_offset
    FROM consumer_position JOIN unnest($1::text[], $2::int[]) AS wanted (topic, partition) USING (topic, partition)
    ORDER BY topic, partition -- one order of locks for everybody
    FOR UPDATE OF consumer_position
"""
_ADVANCE: Final = """
    WITH saved AS (
        INSERT INTO sequence_seen (topic, source, key, incarnation, number)
        SELECT * FROM unnest($4::text[], $5::text[], $6::text[], $7::int[], $8::bigint[])
        ON CONFLICT (topic, source, key) DO UPDATE SET incarnation = excluded.incarnation, number = excluded.number
    )
    UPDATE consumer_position AS position SET next_offset = moved.next_offset, claims_without_progress = 0,
        suspect_offset = NULL, suspect_count = 0, updated_at = clock_timestamp()
    FROM unnest($1::text[], $2::int[], $3::bigint[]) AS moved (topic, partition, next_offset)
    WHERE position.topic = moved.topic AND position.partition = moved.partition
"""
_END_OVERDUE: Final = """
    SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE usename = current_user AND datname = current_database() AND pid <> pg_backend_pid()
      AND xact_start < clock_timestamp() - nullif(current_setting('transaction_timeout'), '0')::interval
"""
_SUSPECT: Final = """
    UPDATE consumer_position SET
        suspect_count = CASE WHEN suspect_offset = $3 THEN suspect_count + 1 ELSE 1 END, suspect_offset = $3
    WHERE topic = $1 AND partition = $2 AND epoch = $4
"""
_ACQUIT: Final = """
    UPDATE consumer_position SET suspect_count = suspect_count - 1
    WHERE topic = $1 AND partition = $2 AND suspect_offset = $3 AND suspect_count > 0
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a new owner finds. `one_by_one` after owners that died or failed without progress."""

    epoch: int
    next_offset: int
    one_by_one: bool
    suspect_offset: int | None
    suspect_count: int


async def end_overdue(connection: Connection) -> int:
    """End sessions of this role that are in a transaction for longer than any may be; returns how many there were.

    PostgreSQL ends them itself, except where it reads a COPY from a client that froze: there it looks at no time-out,
    and only at the order to end. Without this, such a client would hold its locks for as long as its machine runs.
    """
    rows = await connection.fetch(_END_OVERDUE)
    return len(rows)


async def claim(
    connection: Connection, topic: str, partition: int, *, log_start: int, log_end: int, cluster_id: str
) -> Claim:
    """Raise the epoch, which fences the owner before. Waits for a batch of theirs that is under way.

    That batch may read beyond `log_end`, so hold the place against the log's bounds afterwards: `check_bounds`.
    Raises Halted for a row that was written about another cluster.
    """
    row = await connection.fetchrow(_CLAIM, topic, partition, log_start, cluster_id, log_end)
    assert row is not None  # noqa: S101 - an upsert returns its row
    if row["cluster_id"] != cluster_id:
        raise Halted(
            "other_cluster",
            f"{topic} partition {partition} was read from cluster {row['cluster_id']}; this one is {cluster_id}",
            "docs/operations/broker-replaced.md",
        )
    return Claim(
        epoch=row["epoch"],
        next_offset=row["next_offset"],
        one_by_one=row["claims_without_progress"] >= 2,
        suspect_offset=row["suspect_offset"],
        suspect_count=row["suspect_count"],
    )


async def try_locking(connection: Connection) -> None:
    """Raise what stands in the way of handling anything with this database, if anything does."""
    await connection.execute(_TRY)


def check_bounds(topic: str, partition: int, next_offset: int, *, log_start: int, log_end: int) -> None:
    """Raise Halted where the next record cannot be had: past the end, or expired before it was read."""
    where = f"{topic} partition {partition}"
    if next_offset > log_end:
        raise Halted(
            "offset_past_end",
            f"{where}: the next record is {next_offset}, the log ends at {log_end}: the broker lost records",
            "docs/operations/broker-replaced.md",
        )
    if next_offset < log_start:
        raise Halted(
            "records_expired",
            f"{where}: the next record is {next_offset}, the log starts at {log_start}: records expired unread",
            "docs/operations/records-expired.md",
        )


async def read_places(connection: Connection | Pool, prefix: str) -> dict[TopicPartition, int]:
    """The next offset of every partition that was ever claimed; below 0 where an operator rewound it."""
    rows = await connection.fetch("SELECT topic, partition, next_offset FROM consumer_position")
    return {TopicPartition(prefix + row["topic"], row["partition"]): row["next_offset"] for row in rows}


async def lock(connection: Connection, epochs: Mapping[Place, int]) -> dict[Place, int]:
    """Lock the rows for this transaction and return their next offsets.

    Raises Fenced when another owner claimed one of them since its epoch.
    """
    topics, partitions = [topic for topic, _ in epochs], [partition for _, partition in epochs]
    rows = {(row["topic"], row["partition"]): row for row in await connection.fetch(_LOCK, topics, partitions)}
    for place, epoch in epochs.items():
        if place not in rows or rows[place]["epoch"] != epoch:
            raise Fenced(f"{place[0]} partition {place[1]}: epoch {epoch} is over")
    return {place: row["next_offset"] for place, row in rows.items()}


async def advance(connection: Connection, next_offsets: Mapping[Place, int], seen: Sequence[Seen]) -> None:
    """Move on, and keep which numbers were seen last, in the transaction of the batch.

    In key order, as every other lock: two readers never share a partition, but a test may.
    """
    topics, partitions = [topic for topic, _ in next_offsets], [partition for _, partition in next_offsets]
    columns = columns_of(sorted(seen), 5)
    await connection.execute(_ADVANCE, topics, partitions, list(next_offsets.values()), *columns)


async def suspect(connection: Connection, topic: str, partition: int, offset: int, epoch: int) -> None:
    """Note, before it is handled alone, which record might kill the process."""
    await connection.execute(_SUSPECT, topic, partition, offset, epoch)


async def rewind(connection: Connection, topics: Sequence[str] | None = None) -> int:
    """Make whoever reads these topics (None: all) begin anew; returns how many partitions that concerns.

    A new epoch fences whoever holds a partition; they claim it again, and begin at its first record.
    """
    status = await connection.execute(
        "UPDATE consumer_position SET epoch = epoch + 1, next_offset = -1 WHERE $1::text[] IS NULL OR topic = ANY($1)",
        topics,
    )
    return int(status.rsplit(" ", 1)[-1])


async def acquit(connection: Connection, topic: str, partition: int, offset: int) -> None:
    """Take a suspicion back: the process is alive, whatever else ended the attempt, and whoever owns the row now."""
    await connection.execute(_ACQUIT, topic, partition, offset)


def group_name(settings: RuntimeSettings, service: str) -> str:
    """The consumer group of a service."""
    return f"{settings.topic_prefix}{service}"
