"""New rows are the same however they are stored: few of several tables by one statement, many by COPY."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid5

import pytest
from tests.integration.runtime.bench import Bench

from mentorstream_runtime.database import Table, insert_rows, open_pool, transaction

SOME = UUID("5c1d6a2e-0000-4000-8000-000000000000")
SINCE = datetime(2026, 3, 1, 12, tzinfo=UTC)
WAITING = Table(
    "waiting",
    (
        ("program_id", "uuid"),
        ("participant_id", "uuid"),
        ("organisation_id", "uuid"),
        ("since", "timestamptz"),
        ("reasons", "jsonb"),
    ),
)
OUTBOX = Table(
    "outbox", (("lane", "smallint"), ("topic", "text"), ("key", "text"), ("headers", "bytea"), ("value", "bytea"))
)
PARTNER = Table("partner", (("program_id", "uuid"), ("participant_id", "uuid"), ("match_id", "uuid")))


@pytest.mark.parametrize("count", [1, 12, 13])
async def test_rows_are_stored_as_they_are_and_in_their_order(bench: Bench, count: int) -> None:
    waiting = [
        (SOME, uuid5(SOME, str(n)), SOME, SINCE, [{"rule": "zone", "removed": n}, 'a "b"']) for n in range(count)
    ]
    outbox = [(n % 4, "matches", f"key {n}", b"\x00headers", b"value" if n % 2 else None) for n in range(count)]
    pool = await open_pool(bench.database.url("mentorstream_matching_worker"), size=1, application_name="test")
    try:
        async with transaction(pool) as connection:
            await insert_rows(connection, [(WAITING, waiting), (PARTNER, []), (OUTBOX, outbox)])
        names = ", ".join(name for name, _ in WAITING.columns)
        found = await pool.fetch(f"SELECT {names} FROM waiting ORDER BY reasons->0->'removed'")
        assert [tuple(row) for row in found] == waiting
        rows = await pool.fetch("SELECT lane, topic, key, headers, value FROM outbox ORDER BY position")
        assert [tuple(row) for row in rows] == outbox
    finally:
        await pool.close()
