"""I8: replaying every topic over the databases changes nothing; replaying `registrations` into an empty database makes
the same matches with the same ids."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import asyncpg

from mentorstream_local.demo.clock import DrivenTime
from mentorstream_local.demo.facts import digest_state
from mentorstream_local.demo.invariants import DATABASES, Check
from mentorstream_local.migrations import database_url
from mentorstream_local.rebuilding import RebuildError, rebuild
from mentorstream_local.services import Wiring
from mentorstream_runtime import positions

Counted = Callable[[], Awaitable[Mapping[str, int]]]
_MEANING: Final = "a replay changes nothing, and rebuilds the same matches"
_DECISIONS: Final = (
    "SELECT match_id, program_id, mentor_id, mentee_id, status, slot, score, policy_version, proposed_at, confirmed_at,"
    " ended_at, end_reason FROM matching.match ORDER BY match_id"
)
_WAITING: Final = "SELECT participant_id, since, reasons FROM matching.waiting ORDER BY participant_id"


async def check_replays(wiring: Wiring, time: DrivenTime, ends: Mapping[str, int], count: Counted) -> Check:
    """Run both replays. `ends` are the numbers of records by topic now; `count` counts them anew."""
    violations = [*await _over_itself(wiring, time, ends, count), *await _into_empty(wiring)]
    return Check("I8", _MEANING, tuple(violations[:6]))


async def _over_itself(wiring: Wiring, time: DrivenTime, ends: Mapping[str, int], count: Counted) -> Sequence[str]:
    admin = database_url(wiring.servers.postgres_admin_url, wiring.database)
    before = await digest_state(admin)
    connection = await asyncpg.connect(admin)
    try:
        for service in DATABASES:
            await connection.execute(f"SET search_path = {service}")
            await positions.rewind(connection)
    finally:
        await connection.close()
    await time.settle()
    after = await digest_state(admin)
    counted = await count()
    found = [f"{table} changed" for table in before if before[table] != after.get(table)]
    return found + [
        f"{topic} grew from {ends[topic]} to {counted[topic]}" for topic in ends if ends[topic] != counted[topic]
    ]


async def _into_empty(wiring: Wiring) -> Sequence[str]:
    admin, name = wiring.servers.postgres_admin_url, f"{wiring.database}_replay"
    try:
        await asyncio.to_thread(rebuild, "matching", wiring, name)
    except RebuildError as error:
        return [str(error)]
    original, rebuilt = [await _decisions(database_url(admin, database)) for database in (wiring.database, name)]
    return [] if original == rebuilt else [_difference(original, rebuilt)]


async def _decisions(url: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(url)
    try:
        rows = [*await connection.fetch(_DECISIONS), *await connection.fetch(_WAITING)]
        return [tuple(row.values()) for row in rows]
    finally:
        await connection.close()


def _difference(original: list[tuple[object, ...]], rebuilt: list[tuple[object, ...]]) -> str:
    gone, new = set(original) - set(rebuilt), set(rebuilt) - set(original)
    return f"rebuilt matches differ: {len(gone)} rows gone, {len(new)} new, such as {next(iter(gone or new))}"
