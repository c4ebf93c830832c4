"""The same registrations give the same matches with the same ids, however they are cut into batches."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg
import pytest
from tests.integration.matching.running import MatchingService, running_matching
from tests.unit.matching.scenarios import History, drawn

import matching
from matching.adapters.postgres import StoredPools
from mentorstream_events import Value, contract_of, encode_data
from mentorstream_runtime.database import load_queries, open_pool, transaction

if TYPE_CHECKING:
    from tests.support.shared_servers import Database

    from mentorstream_local.stack import Servers


def by_program(events: Iterable[tuple[str, Value]]) -> dict[str, list[tuple[str, bytes | None]]]:
    """Ids and values of events, in the order of each program."""
    found: dict[str, list[tuple[str, bytes | None]]] = {}
    for event_id, data in events:
        found.setdefault(contract_of(data).key_of(data), []).append((event_id, encode_data(data)))
    return found


@pytest.mark.parametrize(("batch_records", "seed"), [(1, 11), (13, 12), (4000, 11), (4000, 13)])
async def test_replay_into_an_empty_database(
    servers: Servers, database: Database, topic_prefix: str, batch_records: int, seed: int
) -> None:
    """What was decided in memory, without database or batches, is what every service makes of it."""
    history = drawn(seed, 250, programs=3)
    decided = by_program((each.id, each.data) for outgoing in history.outgoing for each in outgoing)
    async with running_matching(servers, database, topic_prefix, batch_records=batch_records) as service:
        await service.publish(*history.events)
        assert by_program((event.id, event.data) for event in await service.published()) == decided
        await check_stored(service, history)
        assert not await service.rows("SELECT FROM dead_letter")


async def check_stored(service: MatchingService, history: History) -> None:
    """What a new owner of the partitions would load is what the history came to."""
    queries = load_queries(matching.__file__ or str(Path()))
    stored = StoredPools(queries)
    pool = await open_pool(
        service.database.url("mentorstream_matching_worker"), size=1, application_name="replay-check"
    )
    try:
        async with transaction(pool) as connection:
            await stored.load(connection, history.pools.by_program)
    finally:
        await pool.close()
    for program_id, expected in history.pools.by_program.items():
        found = stored.find(program_id)
        assert found is not None
        assert found.now == expected.now
        assert found.program == expected.program
        assert found.participants == expected.participants
        assert found.left == expected.left
        assert found.matches == expected.matches
        assert found.waiting == expected.waiting
        assert (found.mentored, found.round, found.rounds_from) == (expected.mentored, expected.round, None)
        ended = {
            match_id: match.ended_at
            for match_id, match in history.matches[program_id].items()
            if match.status == "ended"
        }
        assert await ended_matches(service, program_id) == ended


async def ended_matches(service: MatchingService, program_id: UUID) -> dict[UUID, object]:
    rows: list[asyncpg.Record] = await service.rows(
        "SELECT match_id, ended_at FROM match WHERE program_id = $1 AND status = 'ended'", program_id
    )
    return {row["match_id"]: row["ended_at"] for row in rows}
