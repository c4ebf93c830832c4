"""The peer: the same decisions as an idiomatic Faust agent, one transaction for each event.

Written as Faust's guide writes agents: a stream of records, a decision, a commit, a send that is awaited. It keeps the
pools in memory as ours does, decides with matching's own domain, stores the same rows with prepared statements, and
lets Faust commit its offsets in the background. What differs is what Faust makes natural: each event by itself.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg
import faust

from matching.adapters import rows
from matching.domain.pool import Pool
from matching.entrypoints.consumer import REGISTRATIONS
from mentorstream_events import SequenceNumber, contract_of, decode, encode_data, encode_headers
from mentorstream_events.values import AuditGroup
from mentorstream_runtime.database import Table, open_pool

PREFIX: Final = os.environ.get("FAUST_PREFIX", "")


class _App(faust.App):
    async def on_first_start(self) -> None:
        """Make no data directory: there are no tables to keep in it."""


class _Pools:
    """The pools in memory."""

    def __init__(self) -> None:
        self.by_program: dict[UUID, Pool] = {}

    def find(self, program_id: UUID) -> Pool | None:
        return self.by_program.get(program_id)

    def add(self, pool: Pool) -> None:
        self.by_program[pool.program.program_id] = pool

    def put_audit_groups(self, program_id: UUID, participant_id: UUID, groups: Sequence[AuditGroup]) -> None:
        """The workload has none."""


def _insert(table: Table, conflict: str = "") -> str:
    names = ", ".join(name for name, _ in table.columns)
    values = ", ".join(f"${place}" for place in range(1, len(table.columns) + 1))
    return f"INSERT INTO {table.name} ({names}) VALUES ({values}) {conflict}"


_INSERT_PARTICIPANT = _insert(rows.PARTICIPANT)
_INSERT_MATCH = _insert(rows.MATCH)
_INSERT_MEMBER = _insert(rows.MATCH_ORGANISATION, "ON CONFLICT DO NOTHING")
_SAVE_WAITING = _insert(
    rows.WAITING, "ON CONFLICT (program_id, participant_id) DO UPDATE SET reasons = excluded.reasons"
)
_DROP_WAITING = "DELETE FROM waiting WHERE program_id = $1 AND participant_id = $2"


async def _store(connection: Any, pool: Pool) -> None:
    changes, program_id = pool.take_changes(), pool.program.program_id
    for each in changes.newcomers.values():
        row = rows.participant_row(program_id, each, each.capacity, rows.details_of(each))
        await connection.execute(_INSERT_PARTICIPANT, *row)
    for match in changes.new_matches.values():
        await connection.execute(_INSERT_MATCH, *rows.match_row(program_id, match))
        for side in (match.mentor, match.mentee):
            await connection.execute(_INSERT_MEMBER, match.match_id, side.organisation_id)
    for participant_id, entry in changes.waiting.items():
        if entry is None:
            await connection.execute(_DROP_WAITING, program_id, participant_id)
        else:
            await connection.execute(_SAVE_WAITING, *rows.waiting_row(program_id, entry, entry.reasons))


def build() -> faust.App:
    """The application. Its settings come from the environment."""
    app = _App(
        f"{PREFIX}matching",
        broker=f"kafka://{os.environ['FAUST_BOOTSTRAP']}",
        producer_linger_ms=0,
        broker_session_timeout=30.0,
        consumer_auto_offset_reset="earliest",
        key_serializer="raw",
        value_serializer="raw",
        autodiscover=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
    )
    registrations = app.topic(f"{PREFIX}registrations")
    matches = app.topic(f"{PREFIX}matches")
    pools = _Pools()
    database: list[asyncpg.Pool[asyncpg.Record]] = []
    numbers: dict[str, int] = {}

    async def on_started() -> None:
        database.append(await open_pool(os.environ["FAUST_DATABASE"], size=3, application_name="faust"))
        print("ready", flush=True)

    @app.agent(registrations)
    async def match(stream: Any) -> None:
        async for record in stream.events():
            message = record.message
            headers = message.headers.items() if isinstance(message.headers, dict) else message.headers
            event = decode("registrations", message.key, message.value, headers)
            outgoing = REGISTRATIONS[type(event.data)](pools, event)
            pool = pools.by_program[UUID(event.key)]
            async with database[0].acquire() as connection, connection.transaction():
                await _store(connection, pool)
            for each in outgoing:
                number = numbers[event.key] = numbers.get(event.key, 0) + 1
                await matches.send(
                    key=event.key.encode(),
                    value=encode_data(each.data),
                    headers=encode_headers(
                        event_id=each.id,
                        event_type=contract_of(each.data).name,
                        source="matching",
                        time=each.time,
                        sequence=SequenceNumber(1, number),
                    ),
                )

    app.task(on_started)
    return app


if __name__ == "__main__":
    application = build()
    worker = faust.Worker(application, loglevel="WARNING")
    worker.execute_from_commandline()
