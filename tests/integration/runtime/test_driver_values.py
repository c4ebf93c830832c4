"""What goes to PostgreSQL and comes back: instants to the microsecond, and no naive time for one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import asyncpg
import pytest

from mentorstream_runtime.database import open_pool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.shared_servers import Database

    from mentorstream_runtime.database import Pool

INSTANTS = [
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2000, 1, 1, tzinfo=UTC),
    datetime(2026, 3, 29, 3, 30, 0, 123_456, tzinfo=timezone(timedelta(hours=2))),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
]


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    """A pool as services have it."""
    opened = await open_pool(database.url("mentorstream_matching_worker"), size=1, application_name="test")
    yield opened
    await opened.close()


@pytest.mark.parametrize("instant", INSTANTS, ids=str)
async def test_an_instant_is_stored_and_read_to_the_microsecond(pool: Pool, instant: datetime) -> None:
    written = await pool.fetchval("SELECT to_char($1::timestamptz, 'YYYY-MM-DD HH24:MI:SS.US')", instant)
    assert written == instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f").rjust(26, "0")
    read = await pool.fetchval("SELECT $1::timestamptz", instant)
    assert read == instant
    assert read.tzinfo is UTC


async def test_instants_are_stored_and_read_as_arrays_and_by_copy(pool: Pool) -> None:
    assert await pool.fetchval("SELECT $1::timestamptz[]", [*INSTANTS, None]) == [*INSTANTS, None]
    async with pool.acquire() as connection:
        await connection.execute("CREATE TEMPORARY TABLE instants (at timestamptz)")
        rows = [(each,) for each in (*INSTANTS, None)]
        await connection.copy_records_to_table("instants", records=rows, columns=["at"])
        assert [tuple(row) for row in await connection.fetch("SELECT at FROM instants")] == rows


async def test_a_naive_time_is_no_instant(pool: Pool) -> None:
    with pytest.raises(asyncpg.DataError):
        await pool.fetchval("SELECT $1::timestamptz", datetime(2026, 3, 29, 3, 30))  # noqa: DTZ001 - naive on purpose
