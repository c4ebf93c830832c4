"""What happened, as the topics and databases tell: read once after the drain, for the checks and the figures."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import asyncpg

from mentorstream_events import TOPICS, Event, Value
from mentorstream_local.records import TopicRecord, read_records

DataT = TypeVar("DataT", bound=Value)


@dataclass(frozen=True, slots=True)
class Facts:
    """All records of all topics, by topic, and their events without repeats."""

    records: Mapping[str, Sequence[TopicRecord]]
    events: Mapping[str, Sequence[Event[Value]]]

    def of(self, topic: str, kind: type[DataT]) -> list[Event[DataT]]:
        """Events of one type, in order within each program."""
        return [event for event in self.events[topic] if isinstance(event.data, kind)]  # type: ignore[misc]


async def read_facts(bootstrap: str, prefix: str) -> Facts:
    """Read every topic to its end."""
    names = [topic.name for topic in TOPICS]
    read = await asyncio.gather(*(read_records(bootstrap, prefix, name) for name in names))
    records = dict(zip(names, read, strict=True))
    return Facts(records, {name: _distinct(found) for name, found in records.items()})


async def digest_state(url: str) -> dict[str, str]:
    """A digest of every table of every service, but for the bookkeeping of delivery itself.

    Two equal answers mean that nothing changed in between.
    """
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
            " AND table_schema IN ('intake', 'matching', 'scheduling', 'feedback', 'notifications')"
            " AND table_name NOT IN"
            " ('consumer_position', 'outbox_lane', 'outbox_mark', 'outbox_relay', 'schema_migrations')"
            " ORDER BY 1, 2"
        )
        return {
            f"{table['table_schema']}.{table['table_name']}": str(
                await connection.fetchval(
                    "SELECT count(*) || ' ' || coalesce(md5(string_agg(line, '' ORDER BY line)), '')"  # noqa: S608
                    f" FROM (SELECT t::text AS line FROM {table['table_schema']}.{table['table_name']} AS t) AS lines"
                )
            )
            for table in tables
        }
    finally:
        await connection.close()


def _distinct(records: Sequence[TopicRecord]) -> list[Event[Value]]:
    """Events in order; what a relay published twice, readers drop by its sequence, so it counts once."""
    seen: set[str] = set()
    events = []
    for record in records:
        if record.event is not None and record.event.id not in seen:
            seen.add(record.event.id)
            events.append(record.event)
    return events
