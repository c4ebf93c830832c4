"""What an operator has a service do after its database, or its broker, went back: `restore` and `republish`.

`restore`: the database is older than the topics. The service takes over what a later state of it published. Then it
either notes the ids, so that what it decides again does not go out again; or it reads what that state had decided once
more, only to learn what its facts do not tell. `republish`: the broker is another one and empty. The
service publishes what it holds anew. Both raise the incarnation, both may be run again, and neither runs beside workers
of the service: they stop first.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final
from uuid import UUID

import msgspec
import structlog

from mentorstream_events import TOPIC, Event, Undecodable, Value, decode

from . import positions
from .broker import read_cluster_id, read_partitions, tail_reader
from .database import Pool, transaction
from .outbox import Outgoing, write_outbox
from .own_records import OwnRecord, OwnRecords
from .replay import reread_topics
from .settings import RuntimeSettings

if TYPE_CHECKING:
    from .database import Connection
    from .ownership import HandlerFactory

log = structlog.get_logger(__name__)
_HEADERS: Final = msgspec.msgpack.Decoder(list[tuple[str, bytes | None]])
_PEOPLE: Final = "people"
_RUNNING: Final = "SELECT string_agg(name, ', ') FROM outbox_relay WHERE expires_at > clock_timestamp()"
_NOTE_PUBLISHED: Final = "INSERT INTO outbox_published (event_id) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING"


class Restorer:
    """What a service knows of its own facts; what it has nothing to do with stays as it is here.

    Each method may meet the same thing again and changes nothing then.
    """

    # Whether the same decisions are taken again from the topics, so that they are not to be published again. One that
    # takes facts over does not: whatever it decides from then on is news, under whichever id. What the lost state had
    # decided is read again before that, by `rereaders`.
    decides_again: ClassVar[bool] = True

    async def take_over(self, connection: Connection, events: Sequence[Event[Any]]) -> None:
        """Make the state say what these facts say: a later state of this service published them, in this order.

        Of one that decides on its topic alone there is nothing to take over: it decides the same again.
        """

    async def keep_people(self, connection: Connection, known: Collection[UUID]) -> None:
        """Forget whoever is not among these: they were erased, and the tombstone may have expired."""

    async def reissue(self, connection: Connection, keys: Sequence[str]) -> Sequence[Outgoing]:
        """What is to be said now of these keys of a compacted topic."""
        del connection, keys
        return ()

    async def current_facts(self, connection: Connection) -> AsyncIterator[Sequence[Outgoing]]:
        """What readers need to know of the state as it is, in an order in which they can take it, in portions."""
        del connection
        nothing: Sequence[Sequence[Outgoing]] = ()
        for portion in nothing:
            yield portion


class StillRunning(RuntimeError):
    """Processes of this service publish. They must be stopped first."""


async def restore(
    service: str,
    settings: RuntimeSettings,
    pool: Pool,
    readers: Mapping[str, HandlerFactory],
    restorer: Restorer,
    rereaders: Mapping[str, HandlerFactory],
) -> int:
    """Take over what later states of the database published; returns how many facts there were.

    Then handle again what they had decided, by the readers, or by the rereader of a topic where there is one.

    Raises StillRunning, Halted where database and broker do not belong together, and what the restorer raises; it is
    run again then.
    """
    await _alone(settings, pool)
    own = OwnRecords(service, settings, pool)
    published: set[str] = set()
    highest = taken = 0
    # One transaction: facts of one partition may contradict the state until those of another are taken over, too.
    async with _long_transaction(pool) as connection:
        async for found in own.since_mark():
            newer = await own.newer(found)
            published |= {record.event_id for record in found}
            highest = max([highest, *(record.sequence.incarnation for record in newer)])
            taken += len(newer)
            if restorer.decides_again:
                await connection.execute(_NOTE_PUBLISHED, [record.event_id for record in newer])
            await restorer.take_over(connection, _decoded(newer))
        if _PEOPLE in readers:
            await restorer.keep_people(connection, await _people(settings))
            # Those who are left are read anew, from the beginning, whatever of them was seen before.
            await positions.rewind(connection, [_PEOPLE])
            await connection.execute("DELETE FROM sequence_seen WHERE topic = $1", _PEOPLE)
        # What waited when the backup was made was published since. Behind a tombstone it would bring somebody back.
        waiting = await connection.fetch("SELECT position, headers FROM outbox")
        done = [row["position"] for row in waiting if _id_of(row["headers"]) in published]
        await connection.execute("DELETE FROM outbox WHERE position = ANY($1::bigint[])", done)
        if highest:
            await connection.execute(
                "UPDATE outbox_incarnation SET incarnation = greatest(incarnation, $1) + 1", highest
            )
        await own.mark(connection)
    reread = 0 if restorer.decides_again else await reread_topics(service, settings, pool, {**readers, **rereaders})
    log.info("restored", facts=taken, no_longer_waiting=len(done), read_again=reread)
    return taken


async def republish(service: str, settings: RuntimeSettings, pool: Pool, restorer: Restorer) -> int:
    """Publish what the database holds to a broker that is another one; returns how many facts there are.

    On the broker that it knows already it does nothing. Raises StillRunning, Halted and KafkaError.
    """
    await _alone(settings, pool)
    cluster_id = await read_cluster_id(settings)
    known = await pool.fetch("SELECT cluster_id FROM outbox_mark UNION SELECT cluster_id FROM consumer_position")
    if not any(row["cluster_id"] != cluster_id for row in known):
        log.info("nothing_to_republish", cluster=cluster_id)
        return 0
    count = 0
    # One transaction, whatever its size: a part of it published alone could not be told from all of it.
    async with _long_transaction(pool) as connection:
        await connection.execute("DELETE FROM consumer_position WHERE cluster_id <> $1", cluster_id)
        await connection.execute("DELETE FROM outbox_mark WHERE cluster_id <> $1", cluster_id)
        await connection.execute("UPDATE outbox_incarnation SET incarnation = incarnation + 1")
        async for facts in restorer.current_facts(connection):
            await write_outbox(connection, service, facts, limit_bytes=settings.event_limit_bytes)
            count += len(facts)
    log.info("republished", facts=count)
    return count


@contextlib.asynccontextmanager
async def _long_transaction(pool: Pool) -> AsyncIterator[Connection]:
    """A transaction that may take its time: nobody else works on this database."""
    async with transaction(pool) as connection:
        await connection.execute("SET LOCAL transaction_timeout = 0")
        await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        yield connection


async def _alone(settings: RuntimeSettings, pool: Pool) -> None:
    """Wait until no relay holds a lease: one that was killed has one for a while."""
    deadline = time.monotonic() + 2 * settings.lane_lease_seconds
    while True:
        running = await pool.fetchval(_RUNNING)
        if running is None:
            return
        if time.monotonic() > deadline:
            raise StillRunning(f"stop these first: {running}")
        await asyncio.sleep(0.2)


def _decoded(records: Sequence[OwnRecord]) -> list[Event[Value]]:
    events = []
    for own in records:
        try:
            events.append(decode(own.topic, own.record.key, own.record.value, own.record.headers))
        except Undecodable as error:  # it bears our name and is none of ours
            log.warning("own_fact_undecodable", topic=own.topic, offset=own.record.offset, reason=error.reason)
    return events


def _id_of(headers: bytes) -> str:
    return (dict(_HEADERS.decode(headers)).get("ce_id") or b"").decode()


async def _people(settings: RuntimeSettings) -> set[UUID]:
    """Everybody on the topic who is not erased there. Ids only."""
    partitions = await read_partitions(settings, [_PEOPLE])
    newest: dict[str, tuple[Any, bool]] = {}
    async with tail_reader(settings, partitions) as consumer:
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning(*partitions)
        while True:
            places = {partition: await consumer.position(partition) for partition in partitions}
            if all(places[partition] >= end for partition, end in ends.items()):
                break
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    try:
                        event = decode(TOPIC[_PEOPLE].name, record.key, record.value, record.headers)
                    except Undecodable:
                        continue
                    before = newest.get(event.key)
                    if before is None or before[0] is None or event.sequence is None or event.sequence > before[0]:
                        newest[event.key] = (event.sequence, record.value is not None)
    return {UUID(key) for key, (_, alive) in newest.items() if alive}
