"""F5: PostgreSQL stopped at once, its sessions ended, its connections and a pool used up, a deadlock forced."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import pytest

if TYPE_CHECKING:
    from tests.faults.outcomes import Effort, Record
    from tests.faults.run import Run
    from tests.faults.system import FaultSystem

pytestmark = pytest.mark.fault("F5")
_UNAVAILABLE: Final = 503
_ACCEPTED: Final = 202
_END_SESSIONS: Final = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE usename LIKE 'mentorstream%' AND pid <> pg_backend_pid()"
)


async def test_stopped_immediately_and_started(system: FaultSystem, run: Run, record: Record, effort: Effort) -> None:
    put_off, drained = 0, 0.0
    rounds = effort.rounds(1, 5)
    for _ in range(rounds):
        load, rest = run.load(people=60), asyncio.Event()
        async with run.sending(load, rest=rest):
            await run.until_accepted(load, share=run.random.uniform(0.1, 0.6))
            database = system.postgres.process()
            assert database is not None
            database.send_signal(signal.SIGQUIT)  # what `pg_ctl stop -m immediate` sends
            await run.until(lambda: system.postgres.process() is None, "the database is gone")
            gone = time.monotonic()  # not before: it accepts until the signal reaches it
            rest.set()
            # Every organisation is told to come again, and none that it was accepted.
            answers = await _answers(run, 6, since=gone)
            assert _ACCEPTED not in answers
            assert _UNAVAILABLE in answers
            put_off += answers.count(_UNAVAILABLE)
            returned = time.monotonic()
            await run.offline(system.postgres.restart)
        await run.drain()
        drained = max(drained, time.monotonic() - returned)
        await run.live(days=2)
    await run.check()
    record(rounds=rounds, answered_503=put_off, slowest_restart_and_drain_seconds=drained)


async def test_all_sessions_ended_again_and_again(
    system: FaultSystem, run: Run, record: Record, effort: Effort
) -> None:
    times, ended = effort.rounds(3, 30), 0
    load = run.load(people=effort.size(60, 200))
    async with run.connection() as connection, run.sending(load, pause_seconds=0.05):
        for _ in range(times):
            ended += await connection.fetchval(_END_SESSIONS)
            await asyncio.sleep(run.random.uniform(0.1, 0.6))  # the moment is what is random
    drained = await run.drain()
    await run.check()
    record(times=times, sessions_ended=ended, drain_seconds=drained)


async def test_no_connection_left(system: FaultSystem, run: Run, record: Record) -> None:
    load = run.load(people=45)
    held = contextlib.AsyncExitStack()
    looking = await held.enter_async_context(run.connection())
    taken = 0
    while await looking.fetchval(_END_SESSIONS) or taken == 0:
        # Whoever was connected was sent away; their places are ours before they ask again.
        with contextlib.suppress(asyncpg.TooManyConnectionsError):
            for _ in range(200):
                await held.enter_async_context(run.connection())
                taken += 1
    since = time.monotonic()
    async with run.sending(load):
        answers = await _answers(run, 3, since=since)
        await held.aclose()
    assert set(answers) == {_UNAVAILABLE}
    drained = await run.drain()
    await run.check()
    record(connections_taken=taken, drain_seconds=drained)


async def test_a_pool_is_used_up(system: FaultSystem, run: Run, record: Record) -> None:
    load = run.load(people=45)
    for request in load.programs:
        await run.driver.deliver(request)
    load.programs.clear()
    async with run.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        # Whoever accepts locks its organisation first, so intake's connections wait here, and then its callers do.
        await connection.execute("SELECT FROM intake.organisation FOR UPDATE")
        since = time.monotonic()
        async with run.sending(load):
            await run.until(lambda: _UNAVAILABLE in _since(run, since), "somebody is told to come again")
            assert _ACCEPTED not in _since(run, since)
            await transaction.rollback()
    drained = await run.drain()
    await run.check()
    record(drain_seconds=drained, first_503_seconds=next(a.seconds for a in run.driver.answers if a.status == 503))


async def test_a_deadlock_is_decided_again(system: FaultSystem, run: Run, record: Record) -> None:
    load = run.load(people=30)
    for request in load.programs:
        await run.driver.deliver(request)
    load.programs.clear()
    await run.drain()
    before = len(_retries(system))
    async with run.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("SELECT FROM matching.program FOR UPDATE")
        async with run.sending(load):
            await _until_waiting(connection)
            # The batch holds its partition's row and waits for the program's; now we wait for the former.
            with contextlib.suppress(asyncpg.DeadlockDetectedError):
                await connection.execute(
                    "SELECT FROM matching.consumer_position WHERE topic = 'registrations' FOR UPDATE"
                )
            await transaction.rollback()
    drained = await run.drain()
    conflicts = _retries(system)[before:]
    assert any("DeadlockDetected" in line["error"] for line in conflicts)
    await run.check()
    record(drain_seconds=drained, batches_decided_again=len(conflicts))


def _retries(system: FaultSystem) -> list[dict[str, Any]]:
    """What matching said of batches that it took up again, of one partition and of several."""
    said = [*system.said("matching", "batch_conflict"), *system.said("matching", "not_taken_together")]
    return sorted(said, key=lambda line: line["timestamp"])


def _since(run: Run, moment: float) -> list[int]:
    """Statuses of the requests that began after a moment and were answered."""
    return [answer.status for answer in run.driver.answers if answer.at - answer.seconds > moment]


async def _answers(run: Run, count: int, *, since: float) -> list[int]:
    """Wait for so many answers to requests that began after a moment."""
    await run.until(lambda: len(_since(run, since)) >= count, f"{count} requests answered")
    return _since(run, since)


async def _until_waiting(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Wait until a batch of matching waits for a lock."""
    waits = "SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND wait_event_type = 'Lock'"
    for _ in range(1500):
        if await connection.fetchval(waits, "mentorstream_matching_worker"):
            return
        await asyncio.sleep(0.02)
    raise TimeoutError("waited 30 s for: a batch of matching waits for a lock")
